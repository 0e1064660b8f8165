package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// wire is the way to PostgreSQL, which can be cut.
type wire struct {
	network, to string
	listener    net.Listener

	mu    sync.Mutex
	state wireState
	open  map[net.Conn]struct{}
	done  sync.WaitGroup
}

type wireState uint8

const (
	whole wireState = iota
	cut             // connections end, new ones too
	dead            // connections stay, and nothing comes through
)

// newWire returns the wire and the address of the database at its near end.
func newWire(t testing.TB, address string) (w *wire, near string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	w = &wire{network: "tcp", to: u.Host, open: map[net.Conn]struct{}{}}
	if dir := q.Get("host"); dir != "" {
		w.network, w.to = "unix", filepath.Join(dir, ".s.PGSQL."+cmp.Or(q.Get("port"), "5432"))
	}
	if w.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w.done.Go(w.run)
	t.Cleanup(func() {
		_ = w.listener.Close()
		w.set(cut)
		w.done.Wait()
	})
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = w.listener.Addr().String(), q.Encode()
	if user := q.Get("user"); user != "" {
		u.User = url.User(user)
	}
	return w, u.String()
}

func (w *wire) run() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		gone := w.state == cut
		w.mu.Unlock()
		if gone {
			_ = near.Close()
			continue
		}
		far, err := net.Dial(w.network, w.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		w.mu.Lock()
		if w.state == cut {
			w.mu.Unlock()
			_, _ = near.Close(), far.Close()
			continue
		}
		w.open[near], w.open[far] = struct{}{}, struct{}{}
		w.mu.Unlock()
		w.done.Go(func() { w.carry(near, far) })
		w.done.Go(func() { w.carry(far, near) })
	}
}

func (w *wire) carry(to, from net.Conn) {
	defer func() {
		_, _ = to.Close(), from.Close()
		w.mu.Lock()
		delete(w.open, to)
		delete(w.open, from)
		w.mu.Unlock()
	}()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		w.mu.Lock()
		lost := w.state == dead
		w.mu.Unlock()
		if lost { // as a host that is gone: nobody says so
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// set changes the state of the wire; what was lost while it was dead stays
// lost, so its connections end with it.
func (w *wire) set(s wireState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s == cut || w.state == dead {
		for c := range w.open {
			_ = c.Close()
		}
	}
	w.state = s
}

func TestTheServerOutlivesADatabaseThatIsGone(t *testing.T) {
	t.Parallel()
	args := onPostgres(t)
	w, near := newWire(t, args[len(args)-1])
	args[len(args)-1] = near
	p := startProgram(t, args...)
	c := assemble(t, p, 2, 6, 6)
	for _, w := range c.writers {
		w.pause = 5 * time.Millisecond
	}
	c.start(t, forEver)
	out := time.Second
	if soak {
		out = 30 * time.Second
	}
	for round := range outages {
		for _, fault := range []struct {
			name  string
			state wireState
			lasts time.Duration
		}{{"connections reset", cut, 0}, {"down", cut, out}, {"dead", dead, max(6*time.Second, out)}} {
			name := fmt.Sprintf("%s, round %d", fault.name, round)
			pause(t.Context(), 300*time.Millisecond)
			w.set(fault.state)
			if fault.lasts > 0 {
				outage(t, c, name, fault.lasts)
			}
			w.set(whole)
			back := recovery(t, c, name)
			t.Logf("%s: sends again after %v", name, back)
		}
	}
	await(t, 10*time.Second, "the server is ready", func() bool { status, _ := p.get(t, "/readyz"); return status == http.StatusOK })
	c.settle(t)
	codes := map[string]int{}
	var slowest time.Duration
	for _, s := range c.log.all() {
		slowest = max(slowest, s.took)
		if s.fate != acked {
			codes[s.code]++
		}
	}
	t.Logf("sends that were not acknowledged, by code: %v; slowest answer %v", codes, slowest)
	if n := c.log.count(refused); n != 0 || codes["UNAVAILABLE"] == 0 {
		t.Errorf("%d sends were refused otherwise than by UNAVAILABLE", n)
	}
	if slowest > answerLimit {
		t.Errorf("a send was answered after %v", slowest)
	}
}

// outage asks things of a server without a database for as long as that lasts.
func outage(t testing.TB, c *crowd, name string, lasts time.Duration) {
	t.Helper()
	p, who := c.p, c.people[0]
	end := time.Now().Add(lasts)
	for n := 0; n == 0 || time.Now().Before(end); n++ {
		for what, do := range map[string]func() error{
			"send": func() error { _, err := p.send(t.Context(), who, c.rooms[0], "x", ""); return err },
			"read": func() error {
				return p.gql(t.Context(), who.token, `query($c: ID!) { messages(conversationId: $c, last: 1) { edges { node { id } } } }`, vars("c", c.rooms[0]), nil)
			},
		} {
			begin := time.Now()
			if code := codeOf(do()); code != "UNAVAILABLE" {
				t.Errorf("%s: %s answers %q", name, what, code)
			}
			if took := time.Since(begin); took > answerLimit {
				t.Errorf("%s: %s took %v", name, what, took)
			}
		}
		pause(t.Context(), 100*time.Millisecond)
	}
	if status, _ := p.get(t, "/healthz"); status != http.StatusOK {
		t.Errorf("%s: /healthz answers %d", name, status)
	}
	await(t, 10*time.Second, "readiness tells of it", func() bool { status, _ := p.get(t, "/readyz"); return status == http.StatusServiceUnavailable })
}

// recovery waits until each writer has sent again.
func recovery(t testing.TB, c *crowd, name string) time.Duration {
	t.Helper()
	begin := time.Now()
	before := len(c.log.all())
	await(t, 15*time.Second, name+": sends go on", func() bool {
		again := map[int]bool{}
		for _, s := range c.log.all()[before:] {
			if s.fate == acked {
				again[s.writer] = true
			}
		}
		return len(again) == len(c.writers)
	})
	took := time.Since(begin)
	if took > 5*time.Second+slack {
		t.Errorf("%s: it took %v to recover", name, took)
	}
	return took
}

// answerLimit is how long an answer may take without a database: the five
// seconds of a statement before it in its lane, three to connect, and slack.
const answerLimit = 8*time.Second + slack

// slack is for machines that do other things too.
const slack = 2 * time.Second
