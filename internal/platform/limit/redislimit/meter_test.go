package redislimit_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/limit"
	"chatd/internal/platform/limit/redislimit"
	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/redisdb/redisdbtest"
)

var (
	sends = limit.Budget{Name: "sends", Rate: limit.Rate{Burst: 160, Per: time.Hour}}
	ada   = limit.ID{1}
)

// meter is a node's, settled over a Redis.
func meter(t *testing.T, s *redisdbtest.Server, prefix string) (*limit.Meter, *redisdb.DB) {
	t.Helper()
	m := limit.NewMeter(limit.MeterConfig{Shared: true})
	db := redisdbtest.Open(t, redisdb.Config{URL: s.URL(), Prefix: prefix, Timeout: patient, ProbeEvery: 50 * time.Millisecond})
	settler := redislimit.NewSettler(redislimit.SettlerDeps{Redis: db, Meter: m, Log: zerolog.Nop()})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := settler.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return m, db
}

// taken takes as many as pass of n.
func taken(m *limit.Meter, n int) (passed int) {
	for range n {
		if _, ok := m.Take(sends, ada); ok {
			passed++
		}
	}
	return passed
}

// owed is what Redis knows that all nodes together have given, in Pers.
func owed(t *testing.T, s *redisdbtest.Server, prefix string) string {
	t.Helper()
	return s.Do(t, "PTTL", prefix+":meter:sends/01000000000000000000000000000000")
}

func TestNodesHearOfWhatTheOthersGave(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	a, _ := meter(t, s, "one")
	b, _ := meter(t, s, "one")
	other, _ := meter(t, s, "another")
	if n := taken(a, 160); n != 160 {
		t.Fatalf("%d passed on the first", n)
	}
	redisdbtest.Eventually(t, "all of it is known", func() bool { return len(strings.TrimSpace(owed(t, s, "one"))) >= len(":575999000") })
	// b gives a sixteenth, tells of it, and hears that nothing is left.
	passed := 0
	redisdbtest.Eventually(t, "the second node refuses", func() bool {
		_, ok := b.Take(sends, ada)
		if ok {
			passed++
		}
		return !ok
	})
	if passed > 159 {
		t.Errorf("%d passed on the second node", passed)
	}
	if wait, ok := b.Take(sends, ada); ok || wait < 50*time.Minute {
		t.Errorf("%s %v", wait, ok)
	}
	if n := taken(other, 200); n != 160 {
		t.Errorf("another server on the same Redis passed %d", n)
	}
	if _, ok := b.Take(sends, limit.ID{2}); !ok {
		t.Error("somebody else pays for it")
	}
}

// What nodes gave before they knew of each other is paid back, and no more
// than a second budget: nobody waits for ever, whatever stands in Redis.
func TestOverdraftsArePaidBackAndBounded(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	nodes := make([]*limit.Meter, 4)
	for i := range nodes {
		nodes[i], _ = meter(t, s, "chatd")
	}
	var wg sync.WaitGroup
	for _, m := range nodes {
		wg.Go(func() { taken(m, 160) })
	}
	wg.Wait()
	redisdbtest.Eventually(t, "somebody has heard of an overdraft", func() bool {
		for _, m := range nodes {
			wait, ok := m.Take(sends, ada)
			if !ok && wait > 2*time.Hour {
				return true
			}
		}
		return false
	})
	for _, m := range nodes {
		if wait, _ := m.Take(sends, ada); wait > 161*time.Hour {
			t.Errorf("somebody waits %s", wait)
		}
	}
	s.Do(t, "SET", "chatd:meter:sends/02000000000000000000000000000000", "99999999999999999")
	s.Do(t, "SET", "chatd:meter:sends/03000000000000000000000000000000", "rubbish")
	for _, id := range []limit.ID{{2}, {3}} {
		for range 10 {
			nodes[0].Take(sends, id)
		}
		redisdbtest.Eventually(t, "it is put right", func() bool {
			return !strings.Contains(s.Do(t, "PTTL", "chatd:meter:sends/0"+string('0'+rune(id[0]))+"000000000000000000000000000000"), "-")
		})
		if wait, _ := nodes[0].Take(sends, id); wait > 161*time.Hour {
			t.Errorf("somebody waits %s", wait)
		}
	}
}

func TestWithoutRedisAMeterCountsAloneAtTheSameRate(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	m, db := meter(t, s, "chatd")
	if n := taken(m, 40); n != 40 {
		t.Fatal(n)
	}
	s.Stop(t)
	redisdbtest.Eventually(t, "redis is away", func() bool { return db.Health(t.Context()) != nil })
	if n := taken(m, 200); n != 120 {
		t.Errorf("without Redis %d of 120 passed", n)
	}
	s.Again(t) // and has lost everything
	redisdbtest.Eventually(t, "redis is back", func() bool { return db.Health(t.Context()) == nil })
	if n := taken(m, 200); n != 0 {
		t.Errorf("an empty Redis made %d pass", n)
	}
}

// A Redis that does not answer makes nobody wait.
func TestATakeDoesNotWaitForRedis(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	m, _ := meter(t, s, "chatd")
	s.Pause(t)
	t.Cleanup(func() { s.Resume(t) })
	if n := taken(m, 200); n != 160 { // Redis is given 5 s for an answer
		t.Errorf("%d passed", n)
	}
}
