package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// tail hands the store's events to this node's listeners in strict position
// order: what commits tell it, and out of the journal whatever they did not.
// So a listener never sees a hole, neither in a conversation nor between two.
type tail struct {
	store   Journal
	deliver func(*Event) bool // false: the journal has to be read for it
	quick   func(*Event) bool // says whether deliver is soon over
	check   time.Duration
	log     zerolog.Logger

	wake chan struct{}

	mu      sync.Mutex
	queue   []*Event
	lost    bool      // the queue was full, or an event no good: the journal has the rest
	failing time.Time // since when the journal cannot be read; zero when it can

	// Whoever delivers holds the lock over last, the position delivered: the
	// run loop or, when it has nothing to do, a committer.
	delivering sync.Mutex
	last       atomic.Int64 // read by others, too
	early      []*Event     // behind a hole, by rising position
	hole       time.Time    // since when there is something in early
}

// The bounds of the tail. A queue that is full is dropped whole and read from
// the journal.
const (
	tailQueue = 65_536
	tailPage  = 500
	tailRetry = 100 * time.Millisecond
	tailEarly = 10_000               // behind a hole; more is not waited for
	tailHole  = 5 * time.Millisecond // what other nodes tell comes out of order by less
	tailLimit = time.Second          // a node that cannot read for longer says so
)

func newTail(
	store Journal, deliver func(*Event) bool, quick func(*Event) bool, check time.Duration, log zerolog.Logger,
) *tail {
	return &tail{store: store, deliver: deliver, quick: quick, check: check, log: log, wake: make(chan struct{}, 1)}
}

// push takes a commit's events. It never blocks.
func (t *tail) push(events []*Event) {
	if len(events) == 1 && t.quick(events[0]) && t.now(events[0]) {
		return
	}
	t.mu.Lock()
	switch {
	case t.lost:
	case len(t.queue)+len(events) > tailQueue:
		t.lost, t.queue = true, nil
	default:
		t.queue = append(t.queue, events...)
	}
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// now delivers an event on the committer's goroutine, which spares a lone
// message the hand-over to another thread. It holds up the answer and other
// commits, so only what is quick goes this way. False says that something
// comes before it, or that others are delivering.
func (t *tail) now(e *Event) bool {
	if !t.delivering.TryLock() {
		return false
	}
	defer t.delivering.Unlock()
	t.mu.Lock()
	behind := t.lost || len(t.queue) > 0
	t.mu.Unlock()
	if behind || e.Pos != t.last.Load()+1 {
		return false
	}
	return t.pass(e)
}

// has says whether all up to a position was delivered.
func (t *tail) has(pos int64) bool { return pos <= t.last.Load() }

// run delivers what comes after start until ctx ends.
func (t *tail) run(ctx context.Context) error {
	ticker := time.NewTicker(t.check)
	defer ticker.Stop()
	patience := time.NewTimer(0)
	defer patience.Stop()
	var spare []*Event
	for {
		behind := false
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		case <-patience.C:
		case <-ticker.C:
			behind = true
		}
		var wait time.Duration
		if spare, wait = t.turn(ctx, spare, behind); wait > 0 {
			patience.Reset(wait)
		}
	}
}

// turn delivers what is queued and, when behind, what the journal has more. It
// says how long a hole may still be waited for, where there is one.
func (t *tail) turn(ctx context.Context, spare []*Event, behind bool) ([]*Event, time.Duration) {
	t.delivering.Lock()
	defer t.delivering.Unlock()
	batch, lost := t.take(spare)
	for _, e := range batch {
		t.next(e)
	}
	clear(batch)
	if lost || behind {
		t.catchUp(ctx)
	}
	return batch[:0], t.fillHole(ctx)
}

// fillHole reads what has not come in time before what has come.
func (t *tail) fillHole(ctx context.Context) (wait time.Duration) {
	if len(t.early) == 0 {
		return 0
	}
	if wait = tailHole - time.Since(t.hole); wait > 0 && len(t.early) < tailEarly {
		return wait
	}
	t.fill(ctx, t.early[len(t.early)-1].Pos)
	return 0
}

// start finds the position to begin at. A stream that was opened before, and
// had replayed up to a lower one, would never get what lies between.
func (t *tail) start(ctx context.Context) error {
	t.delivering.Lock()
	defer t.delivering.Unlock()
	return t.retry(ctx, "position", func() error {
		_, pos, err := t.store.Position(ctx)
		t.last.Store(pos)
		return err
	})
}

func (t *tail) take(spare []*Event) (batch []*Event, lost bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	batch, t.queue = t.queue, spare
	lost, t.lost = t.lost, false
	return batch, lost
}

// next delivers an event, or keeps it until what lies between it and the last
// one has come.
func (t *tail) next(e *Event) {
	switch last := t.last.Load(); {
	case e.Pos == last+1:
		t.pass(e)
	case e.Pos > last:
		at, known := slices.BinarySearchFunc(t.early, e.Pos, func(e *Event, pos int64) int { return cmp.Compare(e.Pos, pos) })
		if known {
			return
		}
		if len(t.early) == 0 {
			t.hole = time.Now()
		}
		t.early = slices.Insert(t.early, at, e)
	}
}

// pass delivers the next event and whatever was waiting for it. False leaves a
// hole in its place.
func (t *tail) pass(e *Event) bool {
	if !t.one(e) {
		return false
	}
	n := 0
	for n < len(t.early) && t.early[n].Pos == t.last.Load()+1 && t.one(t.early[n]) {
		n++
	}
	t.drop(n)
	return true
}

func (t *tail) one(e *Event) bool {
	if t.deliver(e) {
		t.last.Store(e.Pos)
		return true
	}
	t.mu.Lock()
	t.lost = true
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return false
}

// drop takes the first n out of early.
func (t *tail) drop(n int) {
	if n > 0 {
		t.early = slices.Delete(t.early, 0, n)
		t.hole = time.Now()
	}
}

// catchUp compares with the store, for commits of which nobody told.
func (t *tail) catchUp(ctx context.Context) {
	_ = t.retry(ctx, "position", func() error {
		_, pos, err := t.store.Position(ctx)
		if err == nil && !t.has(pos) {
			t.mu.Lock()
			queued := len(t.queue) > 0
			t.mu.Unlock()
			if !queued { // What is queued comes by itself.
				t.fill(ctx, pos)
			}
		}
		return err
	})
}

// fill delivers out of the journal up to a position.
func (t *tail) fill(ctx context.Context, upTo int64) {
	for !t.has(upTo) && ctx.Err() == nil {
		var events []*Event
		var reached int64
		if t.retry(ctx, "journal", func() (err error) {
			last := t.last.Load()
			events, reached, err = t.store.Read(ctx, last, tailPage)
			if err == nil && reached <= last {
				err = fmt.Errorf("%w: nothing after %d, want %d", errJournal, last, upTo)
			}
			return err
		}) != nil {
			return
		}
		for _, e := range events {
			if !t.has(e.Pos) {
				_ = t.deliver(e) // what the journal has is good
			}
		}
		t.last.Store(reached)
	}
	n := 0
	for n < len(t.early) && t.has(t.early[n].Pos) {
		n++
	}
	t.drop(n)
}

var errJournal = errors.New("journal ends early")

// retry repeats a read until it succeeds or ctx ends; meanwhile nothing is
// delivered, as a hole is worse than a delay.
func (t *tail) retry(ctx context.Context, what string, do func() error) error {
	for {
		err := do()
		t.mu.Lock()
		if err == nil {
			t.failing = time.Time{}
			t.mu.Unlock()
			return nil
		}
		first := t.failing.IsZero()
		if first {
			t.failing = time.Now()
		}
		t.mu.Unlock()
		if first && ctx.Err() == nil {
			t.log.Warn().Err(err).Str("reading", what).Msg("live delivery waits for the store")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(tailRetry):
		}
	}
}

func (t *tail) healthy() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.failing.IsZero() && time.Since(t.failing) > tailLimit {
		return errors.New("chat: live delivery waits for the store")
	}
	return nil
}
