package redisdb_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/redisdb/redisdbtest"
)

// at has as many calls under way at once, and returns how many have failed.
func at(t *testing.T, db *redisdb.DB, callers int) (failed int) {
	t.Helper()
	script := redisdb.NewScript("local n = 0 for i = 1, 20000 do n = n + i end return n")
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, err := db.Eval(t.Context(), script, nil, nil); err != nil {
				mu.Lock()
				failed++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

// connections of chatd that a server has.
func connections(t *testing.T, s *redisdbtest.Server) int {
	t.Helper()
	return strings.Count(s.Do(t, "CLIENT", "LIST"), "name=chatd ")
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	db := redisdbtest.Open(t, redisdb.Config{URL: s.URL(), MaxInFlight: 8, Timeout: 10 * time.Second})
	if n := at(t, db, 200); n != 0 {
		t.Errorf("%d calls have failed", n)
	}
	if n := connections(t, s); n < 2 || n > 8 {
		t.Errorf("%d connections", n)
	}
	db.Close()
	redisdbtest.Eventually(t, "none is left open", func() bool { return connections(t, s) == 0 })
}

func TestConnectionsOfAServerThatHasEndedAreNotTriedOneByOne(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	var log lines
	// Nobody probes while the server is gone: the first caller finds out.
	db, err := redisdb.Open(t.Context(), redisdb.Config{URL: s.URL(), Timeout: 10 * time.Second, Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if n := at(t, db, 50); n != 0 || connections(t, s) < 4 {
		t.Fatalf("%d calls have failed; %d connections", n, connections(t, s))
	}
	s.Stop(t)
	s.Again(t)
	failed := 0
	for range 100 {
		if _, err := db.Eval(t.Context(), redisdb.NewScript("return 1"), nil, nil); err != nil {
			failed++
		}
	}
	if failed != 1 || log.count("away") != 0 {
		t.Errorf("%d calls have failed; away %d times", failed, log.count("away"))
	}
}

func TestCloseEndsCallsOfAllKinds(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	db, err := redisdb.Open(t.Context(), redisdb.Config{URL: s.URL(), Timeout: time.Minute, ConnectTimeout: time.Minute, MaxInFlight: 4})
	if err != nil {
		t.Fatal(err)
	}
	s.Pause(t)
	t.Cleanup(func() { s.Resume(t) })
	// One has the connection, three make theirs, the others wait.
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := db.Eval(t.Context(), redisdb.NewScript("return 1"), nil, nil); !errors.Is(err, redisdb.ErrAway) {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() { _ = db.Subscribe(ctx, "c", func(string) {}) })
	begun := time.Now()
	db.Close()
	cancel()
	wg.Wait()
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestASubscriptionOutlivesALinkThatSaysNothing(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	way := newRelay(t, strings.TrimPrefix(s.URL(), "redis://"))
	db := redisdbtest.Open(t, redisdb.Config{URL: "redis://" + way.addr, ConnectTimeout: time.Second, ProbeEvery: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan string, 1000)
	var wg sync.WaitGroup
	wg.Go(func() { _ = db.Subscribe(ctx, db.Name("c"), func(m string) { heard <- m }) })
	defer wg.Wait()
	defer cancel()
	for i := range 2 {
		redisdbtest.Eventually(t, "a message is heard", func() bool {
			s.Do(t, "PUBLISH", db.Name("c"), strconv.Itoa(i))
			for len(heard) > 0 {
				if <-heard == strconv.Itoa(i) {
					return true
				}
			}
			return false
		})
		way.mute() // open on both ends, and nothing gets through any more
	}
}

func TestAQuietSubscriptionKeepsItsConnection(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	const within = time.Second
	db := redisdbtest.Open(t, redisdb.Config{URL: s.URL(), ConnectTimeout: within, ProbeEvery: 10 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = db.Subscribe(ctx, db.Name("c"), func(string) {}) })
	defer wg.Wait()
	defer cancel()
	id := func() string {
		_, rest, _ := strings.Cut(s.Do(t, "CLIENT", "LIST", "TYPE", "PUBSUB"), "id=")
		first, _, _ := strings.Cut(rest, " ")
		return first
	}
	redisdbtest.Eventually(t, "it is subscribed", func() bool { return subscribers(t, s, db.Name("c")) == 1 })
	first := id()
	<-time.After(3 * within) // a silent connection would have been given up by now
	if now := id(); first == "" || now != first {
		t.Errorf("connection %q, then %q", first, now)
	}
}

// relay passes connections on until it is mute to those that it has.
type relay struct {
	addr string
	mu   sync.Mutex
	open []net.Conn
	deaf map[net.Conn]bool
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: l.Addr().String(), deaf: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	pass := func(to, from net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := from.Read(buf)
			r.mu.Lock()
			deaf := r.deaf[to] || r.deaf[from]
			r.mu.Unlock()
			if err != nil && !deaf {
				_ = to.Close()
			}
			if err != nil {
				return
			}
			if !deaf {
				_, _ = to.Write(buf[:n])
			}
		}
	}
	wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			r.mu.Lock()
			r.open = append(r.open, near, far)
			r.mu.Unlock()
			wg.Go(func() { pass(near, far) })
			wg.Go(func() { pass(far, near) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.mu.Lock()
		for _, c := range r.open {
			_ = c.Close()
		}
		r.mu.Unlock()
		wg.Wait()
	})
	return r
}

func (r *relay) mute() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		r.deaf[c] = true
	}
}
