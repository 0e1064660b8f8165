package main

import (
	"math/rand/v2"
	"slices"
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
		await(t, time.Minute, "each has been cut off a few times", func() bool {
			return !slices.ContainsFunc(c.followers, func(f *follower) bool { return f.hops() < 2 })
		})
		c.settle(t)
		cuts := 0
		for _, f := range c.followers {
			cuts += f.cuts
		}
		t.Logf("%d subscribers, %d connections cut", len(c.followers), cuts)
	})
}
