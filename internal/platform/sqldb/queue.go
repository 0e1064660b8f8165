package sqldb

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// How a lane gathers: see gather and patience.
const (
	gatherRows     = 16
	gatherTime     = time.Millisecond
	mostGatherTime = 5 * time.Millisecond
)

// The states of a job.
const (
	waiting int32 = iota
	begun
	abandoned
)

// job is one caller's work: a function, or an item of a batch.
type job struct {
	fn    func(*Tx) error
	batch batch // for an item
	item  any
	since time.Time // when its caller's time began; PostgreSQL's limit counts from it
	state atomic.Int32
	err   error
	done  chan struct{}
}

// queue holds the jobs of a lane that wait, at most as many as slots: further
// callers wait for a slot. It wakes the committer once for many jobs.
type queue struct {
	slots *semaphore.Weighted
	wake  chan struct{} // the committer's, when it waits

	mu     sync.Mutex
	jobs   []*job
	want   int // wake the committer at so many jobs; 0: it is busy
	nudged bool
	closed bool
}

func newQueue(limit int) *queue {
	return &queue{slots: semaphore.NewWeighted(int64(limit)), wake: make(chan struct{}, 1)}
}

// put adds j, or returns ctx's error or ErrClosed.
func (q *queue) put(ctx context.Context, j *job) error {
	if !q.slots.TryAcquire(1) {
		if err := q.slots.Acquire(ctx, 1); err != nil {
			return err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.slots.Release(1)
		return ErrClosed
	}
	q.jobs = append(q.jobs, j)
	if q.want > 0 && len(q.jobs) >= q.want {
		q.rouse()
	}
	return nil
}

// rouse wakes the committer; q.mu is held.
func (q *queue) rouse() {
	q.want = 0
	q.wake <- struct{}{} // there is room: it is sent once per want
}

// await waits until n jobs are there, or the queue is closed, or limit has
// passed (none: for ever). It says how many there are.
func (q *queue) await(n int, limit time.Duration) (have int, closed bool) {
	q.mu.Lock()
	have, closed = len(q.jobs), q.closed
	if have >= n || closed || q.nudged {
		q.nudged = false
		q.mu.Unlock()
		return have, closed
	}
	q.want = n
	q.mu.Unlock()

	var late <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	roused := false
	select {
	case <-q.wake:
		roused = true
	case <-late:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !roused && q.want == 0 {
		<-q.wake // it came at the same moment
	}
	q.want = 0
	return len(q.jobs), q.closed
}

// take moves at most limit jobs into into.
func (q *queue) take(into []*job, limit int) []*job {
	q.mu.Lock()
	n := min(len(q.jobs), limit)
	into = append(into[:0], q.jobs[:n]...)
	rest := copy(q.jobs, q.jobs[n:])
	clear(q.jobs[rest:])
	q.jobs = q.jobs[:rest]
	q.mu.Unlock()
	q.slots.Release(int64(n))
	return into
}

// quiet says whether nothing waits and more is let in.
func (q *queue) quiet() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs) == 0 && !q.closed
}

// nudge ends the committer's waiting, or its next one, although nothing may be
// there.
func (q *queue) nudge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.want > 0 {
		q.rouse()
		return
	}
	q.nudged = true
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs)
}

// close lets nothing in any more; what is in is still taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.want > 0 {
		q.rouse()
	}
}
