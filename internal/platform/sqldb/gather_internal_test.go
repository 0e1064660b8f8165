package sqldb

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheCommitterGathersOnlyWhileCommitsFollowEachOther(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		took   time.Duration // the last commit
		ago    time.Duration // when it was
		rows   int           // what it had, and what came meanwhile
		here   int           // jobs that wait
		coming []time.Duration
		want   time.Duration // how long it waits
	}{
		{"who writes alone waits for nobody", 0, 0, 1, 1, nil, 0},
		{"after a pause nobody waits", 0, time.Millisecond, 16, 1, nil, 0},
		{"two that take turns are committed together", 0, 0, 2, 1, []time.Duration{50 * time.Microsecond}, 50 * time.Microsecond},
		{"who does not come back is waited for once", 0, 0, 2, 1, nil, time.Millisecond},
		{"as long as a commit takes that others hold up", 3 * time.Millisecond, 2 * time.Millisecond, 2, 1, nil, 3 * time.Millisecond},
		{"but not for long", time.Second, 0, 2, 1, nil, 5 * time.Millisecond},
		{"enough are there", 0, 0, 64, 16, nil, 0},
		{"it waits for no more than sixteen", 0, 0, 64, 15, []time.Duration{time.Microsecond, time.Microsecond}, time.Microsecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLane(&DB{engine: PostgreSQL, cfg: Config{}.withDefaults()})
				l.last, l.took, l.rows = time.Now(), tc.took, tc.rows
				<-time.After(tc.ago)
				put := func() {
					if err := l.queue.put(t.Context(), &job{done: make(chan struct{})}); err != nil {
						t.Error(err)
					}
				}
				for range tc.here {
					put()
				}
				for _, in := range tc.coming {
					time.AfterFunc(in, put)
				}
				start := time.Now()
				l.gather()
				if got := time.Since(start); got != tc.want {
					t.Errorf("waited %v", got)
				}
				synctest.Wait()
			})
		})
	}
}

func TestAQueueIsClosedUnderAWaitingCommitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		time.AfterFunc(time.Second, q.close)
		if have, closed := q.await(1, 0); have != 0 || !closed {
			t.Errorf("%d jobs, closed %v", have, closed)
		}
		if err := q.put(t.Context(), &job{}); err == nil {
			t.Error("a closed queue took a job")
		}
	})
}
