package limit_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chatd/internal/platform/limit"
)

var rate = limit.Rate{Burst: 3, Per: time.Minute}

func TestABudgetIsABurstThenOneEachPer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewLocal(limit.Config{})
		for i := range 3 {
			if _, ok := l.Allow(t.Context(), "a", rate); !ok {
				t.Fatalf("%d of the burst is refused", i)
			}
		}
		wait, ok := l.Allow(t.Context(), "a", rate)
		if ok || wait != time.Minute {
			t.Fatalf("after the burst: %v %v", wait, ok)
		}
		if _, ok := l.Allow(t.Context(), "b", rate); !ok {
			t.Fatal("another key pays for it")
		}
		<-time.After(wait)
		if _, ok := l.Allow(t.Context(), "a", rate); !ok {
			t.Fatal("refused after retryAfter")
		}
		if _, ok := l.Allow(t.Context(), "a", rate); ok {
			t.Fatal("two passed after one Per")
		}
	})
}

func TestCheckTakesNothing(t *testing.T) {
	t.Parallel()
	l := limit.NewLocal(limit.Config{})
	for range 10 {
		if _, ok := l.Check(t.Context(), "a", rate); !ok {
			t.Fatal("a check took from the budget")
		}
	}
	for range 3 {
		l.Allow(t.Context(), "a", rate)
	}
	if _, ok := l.Check(t.Context(), "a", rate); ok {
		t.Fatal("an empty budget passes")
	}
}

func TestTheCountIsExactUnderManyAtOnce(t *testing.T) {
	t.Parallel()
	l := limit.NewLocal(limit.Config{})
	var passed atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, ok := l.Allow(t.Context(), "a", limit.Rate{Burst: 7, Per: time.Hour}); ok {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 7 {
		t.Fatalf("%d passed, want 7", n)
	}
}

func TestKeysAreForgottenBeyondTheBound(t *testing.T) {
	t.Parallel()
	l := limit.NewLocal(limit.Config{MaxKeys: 16})
	one := limit.Rate{Burst: 1, Per: time.Hour}
	l.Allow(t.Context(), "first", one)
	for i := range 1000 {
		l.Allow(t.Context(), strconv.Itoa(i), one)
	}
	if _, ok := l.Allow(t.Context(), "first", one); !ok {
		t.Fatal("a thousand keys are held by a limiter of sixteen")
	}
}

func TestNoRateIsNoLimit(t *testing.T) {
	t.Parallel()
	l := limit.NewLocal(limit.Config{})
	for range 1000 {
		if _, ok := l.Allow(t.Context(), "a", limit.Rate{}); !ok {
			t.Fatal("refused")
		}
	}
}

func BenchmarkAllow(b *testing.B) {
	l := limit.NewLocal(limit.Config{})
	r := limit.Rate{Burst: 1 << 30, Per: time.Nanosecond}
	b.ReportAllocs()
	for b.Loop() {
		l.Allow(b.Context(), "login/203.0.113.7", r)
	}
}
