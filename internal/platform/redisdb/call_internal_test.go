package redisdb

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestWhoGoesAwayOftenMustAnswerMoreProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := breaker{failures: 3, log: zerolog.Nop()}
		fall := func() {
			t.Helper()
			for i := range b.failures {
				if b.away.Load() {
					t.Fatalf("away after %d failures", i)
				}
				b.failed(errors.New("down"), false)
			}
			if b.why() == nil {
				t.Fatal("not away after three failures in a row")
			}
		}
		probes := func() (n int) {
			for ; b.away.Load(); n++ {
				b.answered(false) // a late answer
				b.answered(true)
			}
			return n
		}
		for _, want := range []int{1, 2, 4, 8, 16, 32, 32} {
			fall()
			if n := probes(); n != want {
				t.Fatalf("back after %d probes, want %d", n, want)
			}
			if b.why() != nil {
				t.Fatal("a reason, and not away")
			}
			<-time.After(steady / 2)
		}
		<-time.After(steady)
		fall()
		if n := probes(); n != 1 {
			t.Fatalf("after a steady minute: %d probes", n)
		}
	})
}

func TestAnAnswerEndsARowOfFailures(t *testing.T) {
	t.Parallel()
	b := breaker{failures: 3, log: zerolog.Nop()}
	for range 10 {
		b.failed(errors.New("slow"), false)
		b.failed(errors.New("slow"), false)
		b.answered(false)
	}
	if b.why() != nil {
		t.Fatal("away without three failures in a row")
	}
	b.failed(errors.New("READONLY"), true)
	if b.why() == nil {
		t.Fatal("it said so itself, and is not away")
	}
}
