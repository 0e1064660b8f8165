package limittest

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/platform/limit"
)

// Run holds limiters to their promises. open makes one with whole budgets.
func Run(t *testing.T, open func(t *testing.T) limit.Checker) {
	for name, test := range map[string]func(*testing.T, limit.Checker){
		"a budget is a burst then one each per":       burst,
		"a check takes nothing":                       check,
		"who is refused pays nothing":                 refused,
		"the count is exact under many at once":       exact,
		"no rate is no limit":                         none,
		"a smaller rate holds for what was taken":     smaller,
		"rates from a microsecond to a year are kept": extremes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// key is one that nobody else has.
func key() string { return "limittest/" + rand.Text() }

// per is long beside what a busy machine takes for a burst, and short to wait for.
const per = time.Second

func burst(t *testing.T, l limit.Checker) {
	a, b, rate := key(), key(), limit.Rate{Burst: 3, Per: per}
	begin := time.Now()
	for i := range 3 {
		if wait, ok := l.Allow(t.Context(), a, rate); !ok || wait != 0 {
			t.Fatalf("%d of the burst is refused for %s", i, wait)
		}
	}
	passed := 3
	next := func() (time.Duration, bool) {
		wait, ok := l.Allow(t.Context(), a, rate)
		if ok {
			passed++
			inTime(t, passed, rate, begin)
		}
		return wait, ok
	}
	wait, ok := next()
	for ; ok; wait, ok = next() { // by a machine that stood still for as long as Per
	}
	if wait <= 0 || wait > per {
		t.Fatalf("after the burst: %v", wait)
	}
	if _, ok := l.Allow(t.Context(), b, rate); !ok {
		t.Fatal("another key pays for it")
	}
	<-time.After(wait)
	if wait, ok := next(); !ok {
		t.Fatalf("refused after retryAfter, for %s more", wait)
	}
	next()
}

// inTime fails the test when more have passed since begin than rate lets.
func inTime(t *testing.T, passed int, rate limit.Rate, begin time.Time) {
	t.Helper()
	if took := time.Since(begin); passed > rate.Burst+int(took/rate.Per) {
		t.Fatalf("%d passed in %v", passed, took)
	}
}

func check(t *testing.T, l limit.Checker) {
	a, rate := key(), limit.Rate{Burst: 3, Per: time.Hour}
	for range 10 {
		if _, ok := l.Check(t.Context(), a, rate); !ok {
			t.Fatal("a check took from the budget")
		}
	}
	for range 3 {
		l.Allow(t.Context(), a, rate)
	}
	wait, ok := l.Check(t.Context(), a, rate)
	if ok || wait <= 59*time.Minute || wait > time.Hour {
		t.Fatalf("an empty budget: %s %v", wait, ok)
	}
}

func refused(t *testing.T, l limit.Checker) {
	a, rate := key(), limit.Rate{Burst: 1, Per: per}
	begin, passed := time.Now(), 0
	var wait time.Duration
	for row := 0; row < 20; row++ {
		w, ok := l.Allow(t.Context(), a, rate)
		if wait = w; ok { // the first, and what has come back to a slow machine
			passed++
			inTime(t, passed, rate, begin)
			row = 0
		}
	}
	if wait > per {
		t.Fatalf("being refused costs: %s", wait)
	}
	<-time.After(wait)
	if wait, ok := l.Allow(t.Context(), a, rate); !ok {
		t.Fatalf("refused after retryAfter, for %s more", wait)
	}
}

func exact(t *testing.T, l limit.Checker) {
	a := key()
	var passed atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, ok := l.Allow(t.Context(), a, limit.Rate{Burst: 7, Per: time.Hour}); ok {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 7 {
		t.Fatalf("%d passed, want 7", n)
	}
}

func none(t *testing.T, l limit.Checker) {
	a := key()
	for _, rate := range []limit.Rate{{}, {Burst: 1}, {Per: time.Hour}, {Burst: -1, Per: time.Hour}} {
		for range 100 {
			if _, ok := l.Allow(t.Context(), a, rate); !ok {
				t.Fatalf("%+v: refused", rate)
			}
			if _, ok := l.Check(t.Context(), a, rate); !ok {
				t.Fatalf("%+v: a check is refused", rate)
			}
		}
	}
}

func smaller(t *testing.T, l limit.Checker) {
	a := key()
	for range 5 {
		l.Allow(t.Context(), a, limit.Rate{Burst: 10, Per: time.Hour})
	}
	if _, ok := l.Allow(t.Context(), a, limit.Rate{Burst: 3, Per: time.Hour}); ok {
		t.Fatal("five were taken of three, and one more passes")
	}
}

func extremes(t *testing.T, l limit.Checker) {
	a, year := key(), 365*24*time.Hour
	for range 2 {
		if _, ok := l.Allow(t.Context(), a, limit.Rate{Burst: 2, Per: year}); !ok {
			t.Fatal("refused")
		}
	}
	wait, ok := l.Allow(t.Context(), a, limit.Rate{Burst: 2, Per: year})
	if ok || wait < year-time.Minute || wait > year {
		t.Fatalf("%s %v", wait, ok)
	}
	b := key()
	for range 100 {
		if _, ok := l.Allow(t.Context(), b, limit.Rate{Burst: 1 << 30, Per: time.Nanosecond}); !ok {
			t.Fatal("refused")
		}
	}
}
