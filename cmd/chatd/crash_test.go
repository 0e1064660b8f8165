package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestWhatIsAcknowledgedSurvivesKill9(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		c := assemble(t, p, crashRooms, crashWriters, int(followings)*2)
		c.start(t, forEver)
		var slowest time.Duration
		for range crashCycles {
			pause(t.Context(), 50*time.Millisecond+rand.N(1450*time.Millisecond))
			p.kill()
			slowest = max(slowest, p.start(t))
		}
		pause(t.Context(), 200*time.Millisecond)
		c.settle(t)
		t.Logf("%d kills, %d sends without an answer, slowest start %v", crashCycles, c.log.count(unknown), slowest)
		if n := c.log.count(refused); n != 0 {
			t.Errorf("%d sends were refused", n)
		}
	})
}

func TestAStartAfterACrashDoesNotWaitForTheHistory(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	c := assemble(t, p, 2, 16, 0)
	c.write(t)
	await(t, 10*time.Minute, fmt.Sprint(crashBacklog, " messages"), func() bool { return len(c.log.all()) >= crashBacklog })
	p.kill() // in the middle of the load
	took := p.start(t)
	c.hush()
	stored := p.histories(t, c.people[0], c.rooms)
	mustBeClean(t, judge(c.log, stored, nil))
	t.Logf("started in %v after kill -9 with %d messages", took, len(stored[c.rooms[0]])+len(stored[c.rooms[1]]))
	if soak && took > 2*time.Second {
		t.Errorf("the start took %v", took)
	}
}
