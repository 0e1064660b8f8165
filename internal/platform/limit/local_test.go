package limit_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"chatd/internal/platform/limit"
	"chatd/internal/platform/limit/limittest"
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

func TestLocalKeepsThePromises(t *testing.T) {
	t.Parallel()
	limittest.Run(t, func(*testing.T) limit.Checker { return limit.NewLocal(limit.Config{}) })
}

func TestARefundIsWhatWasTaken(t *testing.T) {
	t.Parallel()
	l := limit.NewLocal(limit.Config{})
	hourly := limit.Rate{Burst: 3, Per: time.Hour}
	l.Refund("a", hourly) // of nobody who has taken
	for range 3 {
		l.Allow(t.Context(), "a", hourly)
	}
	l.Refund("a", hourly)
	l.Refund("a", limit.Rate{})
	if _, ok := l.Allow(t.Context(), "a", hourly); !ok {
		t.Fatal("what was given back is not there")
	}
	if _, ok := l.Allow(t.Context(), "a", hourly); ok {
		t.Fatal("more was given back than was taken")
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

func BenchmarkAllow(b *testing.B) {
	l := limit.NewLocal(limit.Config{})
	r := limit.Rate{Burst: 1 << 30, Per: time.Nanosecond}
	b.ReportAllocs()
	for b.Loop() {
		l.Allow(b.Context(), "login/203.0.113.7", r)
	}
}
