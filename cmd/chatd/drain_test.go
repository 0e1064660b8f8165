package main

import (
	"slices"
	"testing"
	"time"
)

func TestARestartUnderLoadLosesNothingAndTellsEverySocket(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	c := assemble(t, p, 2, 8, drainSockets)
	for _, w := range c.writers {
		w.pause = 20 * time.Millisecond
	}
	c.start(t, forEver)
	sockets := float64(len(c.followers) + len(c.writers))
	var slowest time.Duration
	for round := range drainRounds {
		await(t, 30*time.Second, "all are connected", func() bool {
			return p.metric(t, "chatd_ws_sockets") >= sockets && !slices.ContainsFunc(c.followers, func(f *follower) bool { return !f.isOn(round) })
		})
		pause(t.Context(), 500*time.Millisecond)
		begin := time.Now()
		if err := p.stop(t); err != nil {
			t.Errorf("stop %d: %v", round, err)
		}
		slowest = max(slowest, time.Since(begin))
		p.start(t) // the same port
	}
	await(t, 30*time.Second, "all are back", func() bool { return p.metric(t, "chatd_ws_sockets") >= sockets })
	c.settle(t)
	told, other := 0, 0
	for _, f := range c.followers {
		if len(f.refusals) > 0 { // which a stock client takes for the end of its subscription
			t.Errorf("a follower's subscriptions were ended with %v", f.refusals)
		}
		for code, n := range f.closes {
			if code == 1012 || code == 1001 {
				told += n
			} else {
				other += n
			}
		}
	}
	t.Logf("%d stops of up to %v; of %d sockets each, %d were told 1012 and %d something else; %d sends without an answer",
		drainRounds, slowest, len(c.followers), told, other, c.log.count(unknown))
	if told != drainRounds*len(c.followers) || other != 0 || c.log.count(refused) != 0 {
		t.Errorf("%d sends refused", c.log.count(refused))
	}
}
