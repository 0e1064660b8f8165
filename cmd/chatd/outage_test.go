package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"

	"chatd/internal/platform/mongodb/mongodbtest"
)

// TestTheServerOutlivesADatabaseThatIsGone has a real PostgreSQL, which syncs,
// go away in each way that a network or a server has, under load.
func TestTheServerOutlivesADatabaseThatIsGone(t *testing.T) {
	t.Parallel()
	pg := newCluster(t)
	way := newProxy(t, pg.addr)
	p := startProgram(t, append([]string{"--postgres-url", way.before(t, pg.url())}, unlimited...)...)
	c := assemble(t, p, 2, 6, 6)
	for _, w := range c.writers {
		w.pause = 5 * time.Millisecond
	}
	c.start(t, forEver)
	for round := range outages {
		for _, o := range []struct {
			fault
			lasts time.Duration
			works bool // sends are answered meanwhile
		}{
			{isReset, 0, false},
			{isFar, outageTime, true},
			{isDown, outageTime, false},
			{isSlow, outageTime, false},
			{isSilent, 5*time.Second + outageTime, false},
		} {
			if o.fault == isSlow && !soak {
				continue // it is found out as silence is
			}
			name := fmt.Sprintf("%s, round %d", o.fault, round)
			pause(t.Context(), 300*time.Millisecond)
			way.suffer(t, o.fault)
			if o.works {
				recovery(t, c, name)
				pause(t.Context(), o.lasts)
			} else if o.lasts > 0 {
				outage(t, c, name, o.lasts)
			} else {
				pause(t.Context(), 100*time.Millisecond)
			}
			way.heal(t, o.fault)
			t.Logf("%s: sends again after %v", name, recovery(t, c, name))
		}
		pause(t.Context(), 300*time.Millisecond)
		pg.ctl("restart", "-m", "immediate")
		t.Logf("restarted as after a crash, round %d: sends again after %v", round, recovery(t, c, "restart"))
	}
	await(t, 10*time.Second, "the server is ready", func() bool { status, _ := p.get(t, "/readyz"); return status == http.StatusOK })
	c.settle(t)
	c.mustHaveBeenAnsweredInTime(t)
	if n := pg.clients(t); n > poolSize {
		t.Errorf("%d connections to PostgreSQL", n)
	} else {
		t.Logf("%d connections to PostgreSQL", n)
	}
}

// TestTheServerOutlivesAMongoDBThatIsGone does the same to conversations in
// MongoDB. Accounts stay in the embedded store, which stays.
func TestTheServerOutlivesAMongoDBThatIsGone(t *testing.T) {
	t.Parallel()
	server := mongodbtest.Start(t)
	way := newProxy(t, server.Address())
	p := startProgram(t, append([]string{"--mongo-url", way.before(t, server.URL()+"chatd")}, unlimited...)...)
	c := assemble(t, p, 1, 3, 4)
	for _, w := range c.writers {
		w.pause = 30 * time.Millisecond // FerretDB reads its whole log for each
	}
	c.start(t, forEver)
	for round := range outages {
		for _, o := range []struct {
			fault
			lasts time.Duration
		}{{isReset, 0}, {isDown, outageTime}, {isSlow, outageTime}, {isSilent, 5*time.Second + outageTime}} {
			if o.fault == isSlow && !soak {
				continue
			}
			name := fmt.Sprintf("%s, round %d", o.fault, round)
			pause(t.Context(), 300*time.Millisecond)
			way.suffer(t, o.fault)
			if o.lasts > 0 {
				outage(t, c, name, o.lasts)
			} else {
				pause(t.Context(), 100*time.Millisecond)
			}
			way.heal(t, o.fault)
			t.Logf("%s: sends again after %v", name, recovery(t, c, name))
		}
		pause(t.Context(), 300*time.Millisecond)
		server.Kill(t)
		server.Again(t)
		if err := way.Update(&toxiproxy.Proxy{Listen: way.Listen, Upstream: server.Address(), Enabled: true}); err != nil {
			t.Fatal(err)
		}
		t.Logf("killed and started again, round %d: sends again after %v", round, recovery(t, c, "kill"))
	}
	await(t, 10*time.Second, "the server is ready", func() bool { status, _ := p.get(t, "/readyz"); return status == http.StatusOK })
	c.settle(t)
	c.mustHaveBeenAnsweredInTime(t)
}

// poolSize is how many connections a node has at most to each database.
const poolSize = 20

// mustHaveBeenAnsweredInTime says that whatever was sent during an outage was
// answered, by UNAVAILABLE if not otherwise, within the limit.
func (c *crowd) mustHaveBeenAnsweredInTime(t testing.TB) {
	t.Helper()
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
	var asking sync.WaitGroup
	tries := 0
	for what, do := range map[string]func() error{
		"send": func() error {
			tries++
			s := &sent{writer: 2000, room: c.rooms[0], text: fmt.Sprintf("%s, try %d", name, tries)}
			c.log.add(s) // it may be stored, or not
			_, err := p.send(t.Context(), who, s.room, s.text, "")
			return err
		},
		"read": func() error {
			return p.gql(t.Context(), who.token, `query($c: ID!) { messages(conversationId: $c, last: 1) { edges { node { id } } } }`, vars("c", c.rooms[0]), nil)
		},
	} {
		asking.Go(func() {
			end := time.Now().Add(lasts)
			for n := 0; n == 0 || time.Now().Before(end); n++ {
				begin := time.Now()
				if code := codeOf(do()); code != "UNAVAILABLE" {
					t.Errorf("%s: %s answers %q", name, what, code)
				}
				if took := time.Since(begin); took > answerLimit {
					t.Errorf("%s: %s took %v", name, what, took)
				}
				pause(t.Context(), 100*time.Millisecond)
			}
		})
	}
	asking.Wait()
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
// seconds that it has, and slack.
const answerLimit = 5*time.Second + slack
