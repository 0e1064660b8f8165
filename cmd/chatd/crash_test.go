package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// unlimited lifts the limits of rate, as tests with load need it.
var unlimited = []string{"--rate-limits", "off"}

func TestWhatIsAcknowledgedSurvivesKill9(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	c := assemble(t, p, crashRooms, crashWriters, int(followings)*2)
	c.start(t, forEver)
	var slowest time.Duration
	for range crashCycles {
		pause(t.Context(), 50*time.Millisecond+rand.N(1450*time.Millisecond)) //nolint:gosec // no secret
		p.kill()
		slowest = max(slowest, p.start(t))
	}
	pause(t.Context(), 200*time.Millisecond)
	c.settle(t)
	t.Logf("%d kills, %d sends without an answer, slowest start %v", crashCycles, c.log.count(unknown), slowest)
	if c.log.count(refused) != 0 {
		t.Errorf("%d sends were refused", c.log.count(refused))
	}
}
