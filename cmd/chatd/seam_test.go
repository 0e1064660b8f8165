package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestSubscribersThatComeAndGoMissNothing(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		c := assemble(t, p, 2, seamWriters, seamSubscribers)
		if !soak { // leave some of the machine to the other tests
			for _, w := range c.writers {
				w.pause = 5 * time.Millisecond
			}
		}
		c.start(t, func() time.Duration { return rand.N(800 * time.Millisecond) })
		pause(t.Context(), seamTime)
		c.settle(t)
		cuts := 0
		for _, f := range c.followers {
			cuts += f.cuts
		}
		t.Logf("%d subscribers, %d connections cut", len(c.followers), cuts)
		if cuts < 2*len(c.followers) {
			t.Errorf("only %d cuts", cuts)
		}
	})
}
