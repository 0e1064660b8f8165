package chat

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// journal has so many events, all in its own memory; failing makes it
// unreadable.
type journal struct {
	Journal

	mu      sync.Mutex
	newest  int64
	failing bool
	reads   int
}

var errAway = errors.New("away")

func (j *journal) commit(n int64) (events []*Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for range n {
		j.newest++
		events = append(events, &Event{Pos: j.newest})
	}
	return events
}

func (j *journal) Position(context.Context) (string, int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failing {
		return "", 0, errAway
	}
	return "e", j.newest, nil
}

func (j *journal) Read(_ context.Context, after int64, limit int) (out []*Event, reached int64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads++
	if j.failing {
		return nil, after, errAway
	}
	for p := after + 1; p <= j.newest && len(out) < limit; p++ {
		out = append(out, &Event{Pos: p})
	}
	return out, after + int64(len(out)), nil
}

func (j *journal) fail(failing bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failing = failing
}

// tailing runs a tail over a journal and returns what it has delivered.
func tailing(t *testing.T, j *journal) (*tail, func() []int64) {
	t.Helper()
	var mu sync.Mutex
	var got []int64
	tl := newTail(j, func(e *Event) bool {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, e.Pos)
		return true
	}, func(*Event) bool { return true }, 500*time.Millisecond, zerolog.Nop())
	ctx, stop := context.WithCancel(t.Context())
	if err := tl.start(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = tl.run(ctx)
	}()
	t.Cleanup(func() { stop(); <-ended })
	return tl, func() []int64 {
		mu.Lock()
		defer mu.Unlock()
		return append([]int64(nil), got...)
	}
}

func wantAll(t *testing.T, got []int64, from, to int64) {
	t.Helper()
	if int64(len(got)) != to-from+1 {
		t.Fatalf("%d delivered, want %d to %d", len(got), from, to)
	}
	for i, p := range got {
		if p != from+int64(i) {
			t.Fatalf("delivery %d is %d", i, p)
		}
	}
}

func TestWhatIsLostRepeatedOrShuffledIsDeliveredOnceInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &journal{newest: 7}
		tl, got := tailing(t, j)
		for range 300 {
			batch := j.commit(1 + rand.Int64N(5))
			switch rand.IntN(4) {
			case 0: // nobody tells
			case 1:
				tl.push(batch)
				tl.push(batch)
			case 2:
				rand.Shuffle(len(batch), func(a, b int) { batch[a], batch[b] = batch[b], batch[a] })
				tl.push(batch)
			case 3:
				tl.push(batch[len(batch)-1:])
			}
			if rand.IntN(10) == 0 {
				<-time.After(time.Millisecond)
			}
		}
		<-time.After(time.Second) // the check finds what nobody told of
		wantAll(t, got(), 8, j.newest)
	})
}

func TestALoneEventIsDeliveredByItsCommitter(t *testing.T) {
	t.Parallel()
	j := &journal{}
	var got []int64
	tl := newTail(j, func(e *Event) bool { got = append(got, e.Pos); return true },
		func(e *Event) bool { return e.Pos != 6 }, time.Hour, zerolog.Nop())
	if err := tl.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	tl.push(j.commit(1)) // nobody else delivers: run does not
	wantAll(t, got, 1, 1)
	tl.push(j.commit(2)) // these wait for run
	tl.push(j.commit(1)) // and what follows waits behind them
	wantAll(t, got, 1, 1)
	_, _ = tl.turn(t.Context(), nil, false)
	wantAll(t, got, 1, 4)
	tl.push(j.commit(1))
	wantAll(t, got, 1, 5)
	tl.push(j.commit(1)) // this one is not quick
	wantAll(t, got, 1, 5)
}

func TestAQueueThatOverflowsIsReadFromTheJournal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		tl, got := tailing(t, j)
		for range 70 {
			tl.push(j.commit(1000))
		}
		synctest.Wait()
		<-time.After(time.Second)
		wantAll(t, got(), 1, 70_000)
	})
}

func TestAHoleThatCannotBeReadHoldsEverythingBackAndIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		tl, got := tailing(t, j)
		j.fail(true)
		j.commit(1)
		tl.push(j.commit(1))
		<-time.After(300 * time.Millisecond)
		if n := len(got()); n != 0 {
			t.Fatalf("%d delivered over a hole", n)
		}
		if err := tl.healthy(); err != nil {
			t.Fatalf("told too early: %v", err)
		}
		<-time.After(2 * time.Second)
		if tl.healthy() == nil {
			t.Fatal("not told")
		}
		j.fail(false)
		<-time.After(time.Second)
		wantAll(t, got(), 1, 2)
		if err := tl.healthy(); err != nil {
			t.Fatalf("told for ever: %v", err)
		}
	})
}
