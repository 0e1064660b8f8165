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
		k := standingKey{ids.New[ids.Conversation](), ids.New[ids.User]()}
		ty.set(k, false) // nobody has heard of him
		for range 10 {   // a key every 200 ms
			ty.set(k, true)
			<-time.After(200 * time.Millisecond)
		}
		<-time.After(10 * time.Second)
		ty.set(k, true)
		ty.set(k, false)
		synctest.Wait()
		want := []told{{true, 0}, {true, time.Second}, {false, 6800 * time.Millisecond}, {true, 12 * time.Second}, {false, 12 * time.Second}}
		if !slices.Equal(got, want) {
			t.Fatalf("told %v, want %v", got, want)
		}
		ty.set(k, true)
		ty.stop()
		<-time.After(time.Minute)
		if len(got) != 6 {
			t.Fatalf("told after the stop: %v", got)
		}
	})
}
