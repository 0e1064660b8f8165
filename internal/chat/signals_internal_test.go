package chat

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"chatd/internal/platform/ids"
)

func TestTypingEndsByItselfAndIsToldOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type told struct {
			typing bool
			after  time.Duration
		}
		var got []told
		begin := time.Now()
		ty := newTypists(5*time.Second, func(_ standingKey, typing bool) { got = append(got, told{typing, time.Since(begin)}) })
		remembered := func() int {
			ty.mu.Lock()
			defer ty.mu.Unlock()
			return len(ty.active)
		}
		k := standingKey{ids.New[ids.Conversation](), ids.New[ids.User]()}
		ty.set(k, false) // nobody has heard of him
		for range 10 {   // a key every 200 ms
			ty.set(k, true)
			<-time.After(200 * time.Millisecond)
		}
		<-time.After(10 * time.Second)
		ty.set(k, true)
		ty.set(k, false)
		<-time.After(5 * time.Second)
		synctest.Wait()
		want := []told{{true, 0}, {true, time.Second}, {false, 6800 * time.Millisecond}, {true, 12 * time.Second}, {false, 13 * time.Second}}
		if !slices.Equal(got, want) {
			t.Fatalf("told %v, want %v", got, want)
		}
		if n := remembered(); n > 0 {
			t.Fatalf("%d are remembered", n)
		}

		// Whoever says now this and now that is told of once a second, too, and in
		// the end as he said last.
		got, begin = nil, time.Now()
		for n := range 101 { // a change every 50 ms for five seconds
			ty.set(k, n%2 == 0)
			<-time.After(50 * time.Millisecond)
		}
		ty.set(k, false)
		<-time.After(10 * time.Second)
		synctest.Wait()
		for i, e := range got {
			if i > 0 && e.after-got[i-1].after < time.Second {
				t.Errorf("told at %v and at %v", got[i-1].after, e.after)
			}
		}
		if n := remembered(); len(got) < 2 || len(got) > 7 || got[len(got)-1].typing || n > 0 {
			t.Errorf("told %v, %d remembered", got, n)
		}
		got = make([]told, 5)
		ty.set(k, true)
		ty.stop()
		<-time.After(time.Minute)
		if len(got) != 6 {
			t.Fatalf("told after the stop: %v", got)
		}
	})
}
