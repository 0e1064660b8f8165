package feed_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"chatd/internal/platform/feed"
)

// sink collects what it is offered.
type sink struct {
	mu    sync.Mutex
	got   []int64
	ended []error
	room  int // items it takes; 0: any number
}

func (s *sink) Offer(it feed.Item) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.room > 0 && len(s.got) >= s.room {
		return false
	}
	s.got = append(s.got, *it.Event.(*int64))
	return true
}

func (s *sink) End(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, err)
}

func (s *sink) all() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int64(nil), s.got...)
}

func item(n int64) feed.Item { return feed.Item{Event: &n, Size: 1} }

func wantOrder(t *testing.T, got []int64, from, to int64) {
	t.Helper()
	if int64(len(got)) != to-from+1 {
		t.Fatalf("%d items, want %d to %d: %v", len(got), from, to, got)
	}
	for i, n := range got {
		if n != from+int64(i) {
			t.Fatalf("item %d is %d: %v", i, n, got)
		}
	}
}

func TestWhatWasReplayedAndOfferedPassesOnce(t *testing.T) {
	t.Parallel()
	s, to := feed.NewSeam(1), &sink{}
	s.Offer(0, 1, item(1)) // before it is in force: not wanted
	s.Start(to, true)
	s.Begin()
	for n := int64(2); n <= 6; n++ {
		s.Offer(0, n, item(n))
	}
	if len(to.all()) != 0 {
		t.Fatal("items passed during the replay")
	}
	if !s.Release(4) { // the replay has reached 4
		t.Fatal("not released")
	}
	s.Offer(0, 6, item(6))
	s.Offer(0, 7, item(7))
	wantOrder(t, to.all(), 5, 7)
}

func TestASeamThatCannotHoldAllIsReplayedAgain(t *testing.T) {
	t.Parallel()
	s, to := feed.NewSeam(1), &sink{}
	s.Start(to, true)
	s.Begin()
	for n := int64(1); n <= 5000; n++ {
		s.Offer(0, n, item(n))
	}
	if s.Release(0) {
		t.Fatal("released over a hole")
	}
	s.Begin()
	s.Offer(0, 5001, item(5001))
	if !s.Release(5000) {
		t.Fatal("not released after the second replay")
	}
	wantOrder(t, to.all(), 5001, 5001)
}

func TestTheEndComesAfterWhatWasOfferedBefore(t *testing.T) {
	t.Parallel()
	why := errors.New("gone")
	s, to := feed.NewSeam(1), &sink{}
	s.Start(to, true)
	s.Offer(0, 1, item(1))
	s.End(why)
	s.End(nil)
	if len(to.ended) != 0 {
		t.Fatal("ended during the replay")
	}
	s.Release(0)
	s.Offer(0, 2, item(2))
	wantOrder(t, to.all(), 1, 1)
	if len(to.ended) != 1 || !errors.Is(to.ended[0], why) {
		t.Fatalf("ended %v", to.ended)
	}
}

func TestAnEndBeforeTheStartIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	s, to := feed.NewSeam(1), &sink{}
	s.End(nil)
	s.Start(to, false)
	if len(to.ended) != 1 {
		t.Fatalf("ended %v", to.ended)
	}
}

func TestAFullSinkIsOfferedNothingMore(t *testing.T) {
	t.Parallel()
	s, to := feed.NewSeam(1), &sink{room: 2}
	s.Start(to, false)
	for n := int64(1); n <= 5; n++ {
		s.Offer(0, n, item(n))
	}
	to.room = 0
	s.Offer(0, 6, item(6))
	wantOrder(t, to.all(), 1, 2)
}

func TestSignalsPassOnlyLive(t *testing.T) {
	t.Parallel()
	s, to := feed.NewSeam(1), &sink{}
	s.Start(to, true)
	s.Offer(0, 0, item(1))
	s.Release(9)
	s.Offer(0, 0, item(2))
	s.Offer(0, 0, item(3))
	wantOrder(t, to.all(), 2, 3)
}

// A store that grows while it is replayed, however the two meet.
func TestSeamUnderLoadHasNoGapAndNoDouble(t *testing.T) {
	t.Parallel()
	const last = 20_000
	for range 8 {
		var mu sync.Mutex // the store: everything up to newest is visible
		var newest int64
		s, to := feed.NewSeam(1), &sink{}
		s.Start(to, true)
		var wg sync.WaitGroup
		wg.Go(func() {
			for n := int64(1); n <= last; n++ {
				mu.Lock()
				newest = n
				mu.Unlock()
				s.Offer(0, n, item(n))
			}
		})
		at := rand.Int64N(50)
		from := at + 1
		for {
			s.Begin()
			mu.Lock()
			upTo := newest
			mu.Unlock()
			for n := at + 1; n <= upTo; n++ {
				to.Offer(item(n))
			}
			at = max(at, upTo)
			if s.Release(at) {
				break
			}
		}
		wg.Wait()
		wantOrder(t, to.all(), from, last)
	}
}
