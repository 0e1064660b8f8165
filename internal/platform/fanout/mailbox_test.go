package fanout_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"chatd/internal/platform/fanout"
)

// box is a mailbox that counts how often it woke its reader.
type box struct {
	fanout.Mailbox[int]
	woken int
}

func newBox(count, bytes int) *box {
	b := &box{}
	b.Init(&fanout.Bounds{Count: count, Bytes: bytes}, func() { b.woken++ })
	return b
}

func TestTheReaderIsWokenOnceUntilItRests(t *testing.T) {
	t.Parallel()
	b := newBox(10, 100)
	offer := func(n int) {
		t.Helper()
		if err := b.Offer(n, 1); err != nil {
			t.Fatal(err)
		}
	}
	offer(1)
	offer(2)
	got := b.Take(nil)
	offer(3)
	if !slices.Equal(got, []int{1, 2}) || b.woken != 1 {
		t.Fatalf("took %v, woken %d times", got, b.woken)
	}
	if !b.Done() {
		t.Fatal("nothing more, though 3 waits")
	}
	if got = b.Take(got); !slices.Equal(got, []int{3}) || b.Done() {
		t.Fatalf("took %v", got)
	}
	offer(4)
	if b.woken != 2 {
		t.Fatalf("woken %d times", b.woken)
	}
}

func TestOneWhoClaimsIsTheReaderUntilHeIsDone(t *testing.T) {
	t.Parallel()
	b := newBox(10, 100)
	if !b.Claim(60) {
		t.Fatal("not claimed, though empty and at rest")
	}
	if b.Claim(1) {
		t.Fatal("claimed twice")
	}
	if _, bytes := b.Len(); bytes != 60 {
		t.Fatalf("%d bytes are held", bytes)
	}
	if err := b.Offer(1, 41); !errors.Is(err, fanout.ErrFull) {
		t.Fatalf("past the bounds: %v", err)
	}
	if err := b.Offer(1, 40); err != nil {
		t.Fatal(err)
	}
	if b.woken != 0 {
		t.Fatal("a reader was woken beside the one who claimed")
	}
	if !b.Done() || !slices.Equal(b.Take(nil), []int{1}) || b.Done() {
		t.Fatal("what came meanwhile was not left to the reader")
	}
	if !b.Claim(1) || b.Done() || !b.Close(false) || b.Claim(1) {
		t.Fatal("claimed after the end, or not before")
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		count, bytes int
		sizes        []int
		takeAfter    int // Take without Done after so many
		full         bool
	}{
		{"exactly full", 3, 30, []int{10, 10, 10}, 0, false},
		{"one too many", 3, 100, []int{1, 1, 1, 1}, 0, true},
		{"a byte too many", 9, 30, []int{10, 10, 11}, 0, true},
		{"one that is larger than all", 9, 30, []int{1000}, 0, false},
		{"a second beside it", 9, 30, []int{1000, 1}, 0, true},
		{"what is taken counts until it is done", 9, 30, []int{20, 20}, 1, true},
		{"a taken item makes room in the count", 2, 30, []int{1, 1, 1}, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBox(tt.count, tt.bytes)
			var err error
			for i, size := range tt.sizes {
				if tt.takeAfter > 0 && i == tt.takeAfter {
					b.Take(nil)
				}
				if err != nil {
					t.Fatalf("item %d was refused", i-1)
				}
				err = b.Offer(i, size)
			}
			if tt.full != errors.Is(err, fanout.ErrFull) {
				t.Errorf("the last gives %v", err)
			}
		})
	}
}

func TestCloseKeepsOrDropsWhatWaits(t *testing.T) {
	t.Parallel()
	for _, drop := range []bool{false, true} {
		b := newBox(2, 2)
		_ = b.Offer(1, 1)
		_ = b.Offer(2, 1)
		if !b.Close(drop, 9) || b.Close(drop, 10) {
			t.Error("the first Close counts, and only it")
		}
		if err := b.Offer(3, 1); !errors.Is(err, fanout.ErrClosed) || !b.Closed() {
			t.Errorf("offer after close gives %v", err)
		}
		want := []int{1, 2, 9}
		if drop {
			want = []int{9}
		}
		if got := b.Take(nil); !slices.Equal(got, want) {
			t.Errorf("drop %v: took %v", drop, got)
		}
	}
	empty := newBox(1, 1)
	if empty.Close(false); empty.woken != 0 {
		t.Error("woken for nothing")
	}
	last := newBox(1, 1)
	if last.Close(false, 1); last.woken != 1 {
		t.Error("not woken for the last item")
	}
}

func TestPutWaitsForHalfTheRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBox(100, 100)
		if err := b.Put(t.Context(), 1, 50); err != nil {
			t.Fatal(err)
		}
		put := make(chan error, 1)
		go func() { put <- b.Put(t.Context(), 2, 40) }()
		synctest.Wait()
		if err := b.Offer(3, 50); err != nil { // the other half is for what cannot wait
			t.Fatal(err)
		}
		b.Take(nil)
		synctest.Wait()
		if len(put) != 0 {
			t.Fatal("put before there was room")
		}
		b.Done()
		if err := <-put; err != nil {
			t.Fatal(err)
		}
		if items, bytes := b.Len(); items != 1 || bytes != 40 {
			t.Errorf("%d items of %d bytes", items, bytes)
		}

		ctx, cancel := context.WithCancel(t.Context())
		go func() { put <- b.Put(ctx, 4, 40) }()
		synctest.Wait()
		cancel()
		if err := <-put; !errors.Is(err, context.Canceled) {
			t.Errorf("put gives %v", err)
		}
		go func() { put <- b.Put(t.Context(), 5, 40) }()
		synctest.Wait()
		b.Close(true)
		if err := <-put; !errors.Is(err, fanout.ErrClosed) {
			t.Errorf("put gives %v", err)
		}
	})
}

func TestNothingIsLostBetweenWritersAndTheReader(t *testing.T) {
	t.Parallel()
	const writers, each = 4, 2000
	wake := make(chan struct{}, 1)
	var m fanout.Mailbox[int]
	m.Init(&fanout.Bounds{Count: 64, Bytes: 1 << 20}, func() { wake <- struct{}{} })
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				if err := m.Put(t.Context(), w*each+n, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := make([]int, writers)
	var spare []int
	for got := 0; got < writers*each; {
		<-wake
		for more := true; more; more = m.Done() {
			items := m.Take(spare)
			for _, n := range items {
				if w := n / each; n%each != next[w] {
					t.Fatalf("writer %d: got %d, want %d", w, n%each, next[w])
				}
				next[n/each]++
			}
			got += len(items)
			spare = items
		}
	}
	all.Wait()
}

func BenchmarkMailbox(b *testing.B) {
	for _, backlog := range []int{1, 32} {
		b.Run(map[int]string{1: "one by one", 32: "backlog of 32"}[backlog], func(b *testing.B) {
			var m fanout.Mailbox[[6]uintptr] // the size of a socket's entry
			m.Init(&fanout.Bounds{Count: 64, Bytes: 1 << 20}, func() {})
			var spare [][6]uintptr
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				_ = m.Offer([6]uintptr{}, 100)
				if n%backlog == 0 {
					spare = m.Take(spare)
					m.Done()
				}
			}
		})
	}
}
