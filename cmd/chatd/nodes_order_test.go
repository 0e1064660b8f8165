package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chatd/internal/platform/mongodb/mongodbtest"
)

// Two nodes append to one conversation as fast as they can: there is one
// order, without a hole, and everybody on both nodes has it.
func TestTwoNodesThatWriteAtOnceMakeOneOrder(t *testing.T) {
	t.Parallel()
	for _, engine := range []struct {
		name  string
		args  func(t *testing.T) []string
		pause time.Duration // FerretDB reads the whole log for each commit
	}{
		{"postgres", func(*testing.T) []string { return nil }, 0},
		{"mongo", func(t *testing.T) []string {
			cfg := mongodbtest.Config(t)
			db := mongodbtest.Open(t, cfg)
			t.Cleanup(func() { _ = db.Drop(context.WithoutCancel(t.Context())) })
			return []string{"--mongo-url", in(t, cfg)}
		}, 20 * time.Millisecond},
	} {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			nodes := startNodes(t, 2, engine.args(t)...)
			c := assemble(t, nodes[0], 1, 8, 8)
			for i, w := range c.writers {
				w.at, w.pause = nodes[i%2], engine.pause
			}
			for i, f := range c.followers {
				f.next = nodes[i/2%2].ws
			}
			c.start(t, forEver)
			pause(t.Context(), orderTime)
			v := c.settle(t)
			retries := nodes[0].metric(t, "chatd_store_retries_total") + nodes[1].metric(t, "chatd_store_retries_total")
			var took []time.Duration
			for _, s := range c.log.all() {
				took = append(took, s.took)
			}
			slices.Sort(took)
			t.Logf("%.0f messages/s into one conversation; %.0f tries were overtaken; answers p50 %v, p99 %v",
				float64(v.acks)/orderTime.Seconds(), retries, took[len(took)/2], took[len(took)*99/100])
		})
	}
}

// Readers hop to another node at each cut, with the cursor that the last one
// gave; what they read is written on a third.
func TestAReaderMayHopBetweenNodes(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 3)
	c := assemble(t, nodes[0], 2, 4, 6)
	for _, w := range c.writers {
		w.at, w.pause = nodes[0], 5*time.Millisecond
	}
	for _, f := range c.followers {
		hops := rand.IntN(2)
		f.next = func() string { // followers call it from one goroutine each
			hops++
			return nodes[1+hops%2].ws()
		}
	}
	c.start(t, func() time.Duration { return rand.N(400 * time.Millisecond) })
	await(t, 10*time.Minute, fmt.Sprint(nodeHops, " hops each"), func() bool {
		for _, f := range c.followers {
			if f.hops() < nodeHops {
				return false
			}
		}
		return true
	})
	c.settle(t)
	least, most := nodeHops*1000, 0
	for _, f := range c.followers {
		least, most = min(least, f.hops()), max(most, f.hops())
	}
	t.Logf("%d readers, %d to %d hops", len(c.followers), least, most)
}
