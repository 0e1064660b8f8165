package redislimit_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/limit"
	"chatd/internal/platform/limit/limittest"
	"chatd/internal/platform/limit/redislimit"
	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/redisdb/redisdbtest"
	"chatd/internal/platform/testenv"
)

var rate = limit.Rate{Burst: 6, Per: time.Hour}

func TestTheSharedLimiterKeepsThePromises(t *testing.T) {
	t.Parallel()
	limittest.Run(t, func(t *testing.T) limit.Checker {
		return redislimit.New(redislimit.Deps{Redis: redisdbtest.Open(t, redisdb.Config{}), Log: zerolog.Nop()}, limit.Config{})
	})
}

func TestItKeepsThemWithoutRedisToo(t *testing.T) {
	t.Parallel()
	limittest.Run(t, func(t *testing.T) limit.Checker {
		s := redisdbtest.Start(t)
		n := newNode(t, s)
		s.Stop(t)
		return n
	})
}

func TestNodesShareOneBudget(t *testing.T) {
	t.Parallel()
	a, b, other := pair(t)
	if n := passed(t, a, 4) + passed(t, b, 100) + passed(t, a, 100); n != rate.Burst {
		t.Fatalf("two nodes passed %d of %d", n, rate.Burst)
	}
	wait, ok := b.Allow(t.Context(), "key", rate)
	if ok || wait < rate.Per-time.Minute || wait > rate.Per {
		t.Errorf("retry after %s", wait)
	}
	if _, ok := b.Check(t.Context(), "key", rate); ok {
		t.Error("a check passes on a node that has taken nothing itself")
	}
	if n := passed(t, other, 100); n != rate.Burst {
		t.Errorf("another server on the same Redis passed %d of %d", n, rate.Burst)
	}
}

// pair returns two nodes of a server, and one of another on the same Redis.
func pair(t *testing.T) (a, b, other *node) {
	t.Helper()
	prefix := redisdbtest.Prefix()
	url := redisdbtest.URL(t)
	return nodeAt(t, url, prefix, patient), nodeAt(t, url, prefix, patient), nodeAt(t, url, redisdbtest.Prefix(), patient)
}

func TestTheSharedCountIsExactUnderManyAtOnce(t *testing.T) {
	t.Parallel()
	a, b, _ := pair(t)
	var n atomic.Int32
	var wg sync.WaitGroup
	for range 200 {
		for _, l := range []*node{a, b} {
			wg.Go(func() {
				if _, ok := l.Allow(t.Context(), "key", rate); ok {
					n.Add(1)
				}
			})
		}
	}
	wg.Wait()
	if int(n.Load()) != rate.Burst {
		t.Fatalf("%d passed of %d", n.Load(), rate.Burst)
	}
}

func TestLimitsHoldWhileRedisIsStoppedAndAreSharedAfterwards(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	a, b := newNode(t, s), newNode(t, s)
	if n := passed(t, a, 4) + passed(t, b, 1); n != 5 {
		t.Fatal(n)
	}
	s.Stop(t)
	if n := passed(t, a, 100); n != rate.Burst-4 {
		t.Errorf("a node that had passed 4 of %d passed %d more", rate.Burst, n)
	}
	if n := passed(t, b, 100); n != rate.Burst-1 {
		t.Errorf("a node that had passed 1 of %d passed %d more", rate.Burst, n)
	}
	away(t, a)
	away(t, b)
	wide := limit.Rate{Burst: 5000, Per: time.Hour}
	if took := testenv.Quickest(200*time.Millisecond, func() time.Duration {
		return testenv.Took(func() {
			for range 1000 {
				if _, ok := a.Allow(t.Context(), "wide", wide); !ok {
					t.Fatal("refused within the budget")
				}
			}
		})
	}); took > 200*time.Millisecond {
		t.Errorf("a thousand while it is away took %s", took)
	}
	s.Again(t) // and has lost everything
	back(t, a)
	back(t, b)
	if n := passed(t, a, 100) + passed(t, b, 100); n != 0 {
		t.Errorf("an empty Redis made %d pass", n)
	}
	c := limit.Rate{Burst: 10, Per: time.Hour}
	n := 0
	for range 10 {
		for _, l := range []*node{a, b} {
			if _, ok := l.Allow(t.Context(), "another key", c); ok {
				n++
			}
		}
	}
	if n != c.Burst {
		t.Errorf("after its return two nodes passed %d of %d", n, c.Burst)
	}
	for part, want := range map[string]int{"counted by this process alone": 1, "for all nodes together again": 1} {
		if n := a.log.count(part); n != want {
			t.Errorf("%q was logged %d times", part, n)
		}
	}
	if redis, process := a.counts(t); redis != 14 || process < 1002 {
		t.Errorf("counted by redis: %v, by the process: %v", redis, process)
	}
}

func TestAnEmptiedRedisOpensNothing(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	a, b := newNode(t, s), newNode(t, s)
	if n := passed(t, a, 100) + passed(t, b, 100); n != rate.Burst {
		t.Fatal(n)
	}
	s.Do(t, "FLUSHALL")
	s.Do(t, "SCRIPT", "FLUSH")
	if n := passed(t, a, 100); n != 0 {
		t.Errorf("the node that had passed all passed %d more", n)
	}
	if n := passed(t, b, 100); n != rate.Burst {
		t.Errorf("the node that had passed nothing passed %d", n)
	}
}

func TestASlowRedisCostsOneDeadlineAtMost(t *testing.T) {
	t.Parallel()
	const deadline = 100 * time.Millisecond
	s := redisdbtest.Start(t)
	a := nodeAt(t, s.URL(), "chatd", deadline)
	passed(t, a, 1)
	s.Pause(t)
	t.Cleanup(func() { s.Resume(t) })
	before, n := a.inVain(t), 0
	var took []time.Duration
	for range 100 {
		took = append(took, testenv.Took(func() {
			if _, ok := a.Allow(t.Context(), "key", rate); ok {
				n++
			}
		}))
	}
	slices.Sort(took)
	// Three calls wait for Redis, in vain. The machine may hold up any of them,
	// and some of the others: not all three, and not half of the hundred.
	if third := took[len(took)-3]; third > deadline+300*time.Millisecond {
		t.Errorf("calls that were in vain took %v", took[len(took)-3:])
	}
	if half := took[len(took)/2]; half > deadline/2 || n != rate.Burst-1 {
		t.Errorf("half took more than %s, %d passed", half, n)
	}
	if n := a.inVain(t) - before; n > 3 {
		t.Errorf("Redis was asked %v times in vain", n)
	}
	s.Resume(t)
	back(t, a)
}

func TestACallerWhoGoesPaysAllTheSame(t *testing.T) {
	t.Parallel()
	a, b, _ := pair(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range rate.Burst {
		a.Allow(gone, "key", rate)
	}
	if n := passed(t, b, 100); n != 0 {
		t.Fatalf("%d passed on the other node", n)
	}
}

func TestAClockThatGoesBackIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	a := newNode(t, s)
	short := limit.Rate{Burst: 2, Per: 200 * time.Millisecond}
	s.Do(t, "SET", "chatd:limit:key", "99999999999999999")
	wait, ok := a.Allow(t.Context(), "key", short)
	if ok || wait > short.Per {
		t.Fatalf("%s %v", wait, ok)
	}
	<-time.After(wait)
	if _, ok := a.Allow(t.Context(), "key", short); !ok {
		t.Fatal("refused after retryAfter")
	}
	s.Do(t, "SET", "chatd:limit:rubbish", "rubbish")
	if _, ok := a.Allow(t.Context(), "rubbish", short); !ok {
		t.Fatal("refused because of rubbish")
	}
}

func TestRetryAfterIsLateEnoughForRedisToo(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	a := nodeAt(t, s.URL(), "chatd", patient)
	tight := limit.Rate{Burst: 1, Per: 500 * time.Millisecond}
	var wg sync.WaitGroup
	var waited atomic.Int32
	for range 50 {
		wg.Go(func() {
			key := redisdbtest.Prefix()
			s.Do(t, "PING") // so that Redis is not equally quick every time
			begun := time.Now()
			a.Allow(t.Context(), key, tight)
			wait, ok := a.Allow(t.Context(), key, tight)
			if took := time.Since(begun); ok && took >= tight.Per {
				return // so late that one had come back
			}
			if ok || wait > tight.Per {
				t.Errorf("%s %v", wait, ok)
			}
			waited.Add(1)
			<-time.After(wait)
			if wait, ok := a.Allow(t.Context(), key, tight); !ok {
				t.Errorf("refused after retryAfter, for %s more", wait)
			}
		})
	}
	wg.Wait()
	if waited.Load() == 0 {
		t.Error("nobody was refused")
	}
}

func TestNothingIsKeptForEver(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	a := newNode(t, s)
	short := limit.Rate{Burst: 2, Per: 50 * time.Millisecond}
	a.Allow(t.Context(), "key", short)
	redisdbtest.Eventually(t, "the key of a whole budget is gone", func() bool {
		return strings.Contains(s.Do(t, "EXISTS", "chatd:limit:key"), ":0")
	})
}

// patient is longer than a busy machine takes for an answer.
const patient = 5 * time.Second

// node is a limiter with a connection of its own.
type node struct {
	*redislimit.Limiter
	db  *redisdb.DB
	reg *prometheus.Registry
	log *lines
}

func newNode(t *testing.T, s *redisdbtest.Server) *node {
	t.Helper()
	return nodeAt(t, s.URL(), "chatd", patient)
}

func nodeAt(t *testing.T, url, prefix string, deadline time.Duration) *node {
	t.Helper()
	n := &node{reg: prometheus.NewRegistry(), log: &lines{}}
	n.db = redisdbtest.Open(t, redisdb.Config{URL: url, Prefix: prefix, Timeout: deadline, ProbeEvery: 50 * time.Millisecond, Metrics: n.reg})
	n.Limiter = redislimit.New(redislimit.Deps{Redis: n.db, Log: zerolog.New(n.log), Metrics: n.reg}, limit.Config{})
	return n
}

// counts are how many questions were answered by whom.
func (n *node) counts(t *testing.T) (redis, process float64) {
	t.Helper()
	families, err := n.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families[0].GetMetric() {
		if m.GetLabel()[0].GetValue() == "redis" {
			redis = m.GetCounter().GetValue()
		} else {
			process = m.GetCounter().GetValue()
		}
	}
	return redis, process
}

// inVain is how many calls Redis did not answer.
func (n *node) inVain(t *testing.T) float64 {
	t.Helper()
	families, err := n.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "chatd_redis_failed_calls_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("no such metric")
	return 0
}

func passed(t *testing.T, l *node, of int) (n int) {
	t.Helper()
	for range of {
		if _, ok := l.Allow(t.Context(), "key", rate); ok {
			n++
		}
	}
	return n
}

func away(t *testing.T, n *node) {
	t.Helper()
	redisdbtest.Eventually(t, "redis is away", func() bool { return n.db.Health(t.Context()) != nil })
}

func back(t *testing.T, n *node) {
	t.Helper()
	redisdbtest.Eventually(t, "redis is back", func() bool { return n.db.Health(t.Context()) == nil })
}

// lines is a log that is read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), part)
}

func BenchmarkAllow(b *testing.B) {
	r := limit.Rate{Burst: 1 << 30, Per: time.Microsecond}
	for name, parallel := range map[string]int{"one caller": 1, "many callers": 32} {
		b.Run(name, func(b *testing.B) {
			l := redislimit.New(redislimit.Deps{Redis: redisdbtest.Open(b, redisdb.Config{}), Log: zerolog.Nop()}, limit.Config{})
			b.ReportAllocs()
			if parallel == 1 {
				for b.Loop() {
					l.Allow(b.Context(), "login/203.0.113.7", r)
				}
				return
			}
			b.SetParallelism(parallel)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					l.Allow(b.Context(), "login/203.0.113.7", r)
				}
			})
		})
	}
	b.Run("away", func(b *testing.B) {
		s := redisdbtest.Start(b)
		db := redisdbtest.Open(b, redisdb.Config{URL: s.URL()})
		l := redislimit.New(redislimit.Deps{Redis: db, Log: zerolog.Nop()}, limit.Config{})
		s.Stop(b)
		redisdbtest.Eventually(b, "redis is away", func() bool { return db.Health(b.Context()) != nil })
		b.ReportAllocs()
		for b.Loop() {
			l.Allow(b.Context(), "login/203.0.113.7", r)
		}
	})
}
