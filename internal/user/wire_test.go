package user_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/user"
	"chatd/internal/user/usertest"
)

func TestNodesKnowOfEachOthersSockets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 3)
		u := w.people(true, "ada", "bob")
		ada, bob := u[0], u[1]
		hears := w.listen(2, bob)
		one, two := w.nodes[0].Attend(ada), w.nodes[1].Attend(ada)
		pass(time.Second)
		if got := hears.said(); got != "ONLINE" {
			t.Errorf("on coming: %q", got)
		}
		one.End()
		pass(time.Minute)
		if got := hears.said(); got != "" {
			t.Errorf("with a device on another node: %q", got)
		}
		w.choose(2, ada, user.Busy) // where she has no socket
		pass(time.Second)
		if got := hears.said(); got != "BUSY" {
			t.Errorf("chosen elsewhere: %q", got)
		}
		w.choose(0, ada, user.Offline)
		pass(time.Second)
		if got := hears.said(); got != "OFFLINE" {
			t.Errorf("hidden elsewhere: %q", got)
		}
		before := w.sees(2, bob, ada)
		pass(6 * time.Minute)
		two.Active()
		pass(6 * time.Minute)
		if after := w.sees(2, bob, ada); after != before || hears.said() != "" {
			t.Errorf("hidden, was %+v, is %+v", before, after)
		}
		w.choose(0, ada, user.Online)
		pass(time.Second)
		if got := hears.said(); got != "AWAY" && got != "ONLINE" {
			t.Errorf("shown again: %q", got)
		}
		two.End()
		pass(5 * time.Second)
		if got := hears.said(); got != "OFFLINE" {
			t.Errorf("on going: %q", got)
		}
	})
}

func TestANodeThatIsKilledIsForgottenInTime(t *testing.T) {
	t.Parallel()
	for _, board := range []bool{false, true} {
		t.Run(fmt.Sprintf("with a board %v", board), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var boards []user.Board
				b := usertest.NewBoard()
				its := &ownWay{Board: b}
				if board {
					boards = []user.Board{its, b}
				}
				w := newTown(t, 2, boards...)
				u := w.people(true, "ada", "bob")
				ada, bob := u[0], u[1]
				hears := w.listen(1, bob)
				w.nodes[0].Attend(ada)
				pass(13 * time.Minute)
				if got := hears.said(); got != "ONLINE AWAY" {
					t.Errorf("over minutes: %q", got)
				}
				w.lose(0) // as if it were killed
				its.away(true)
				begin := time.Now()
				for w.sees(1, bob, ada).Status != user.Offline && time.Since(begin) < time.Minute {
					pass(time.Second)
				}
				took := time.Since(begin)
				t.Log("forgotten after", took)
				if got := hears.said(); got != "OFFLINE" || took > 45*time.Second {
					t.Errorf("%q after %v", got, took)
				}
			})
		})
	}
}

func TestANodeThatComesKnowsEverybodyAtOnceAndOneThatStopsIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		w.stop[1]() // it comes later
		u := w.people(true, "ada", "bob")
		ada, bob := u[0], u[1]
		w.nodes[0].Attend(ada)
		pass(25 * time.Second)
		w.add()
		pass(time.Second)
		w.wantSeen("on a new node", 2, bob, ada, user.Online)
		hears := w.listen(2, bob)
		w.stop[0]()
		pass(5 * time.Second)
		if got := hears.said(); got != "OFFLINE" {
			t.Errorf("after its stop: %q", got)
		}
	})
}

func TestWhatIsLostOnTheWayIsMadeUpFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		u := w.people(true, "ada", "bob", "cyd")
		ada, bob, cyd := u[0], u[1], u[2]
		hears := w.listen(1, bob)
		socket := w.nodes[0].Attend(ada)
		pass(time.Second)
		w.set(func() { w.deliver = false })
		socket.End()
		w.nodes[0].Attend(cyd)
		pass(5 * time.Second)
		w.wantSeen("while nothing arrives", 1, bob, cyd, user.Offline)
		w.set(func() { w.deliver = true })
		pass(15 * time.Second) // a beat, not what it is believed for
		w.wantSeen("who has come", 1, bob, cyd, user.Online)
		w.wantSeen("who has gone", 1, bob, ada, user.Offline)
		if got := hears.said(); got != "ONLINE ONLINE OFFLINE" {
			t.Errorf("heard %q", got)
		}
	})
}

// The board goes away for all, then for one of the nodes, and comes back
// empty: nobody notices.
func TestWithoutItsBoardNodesCryToEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := usertest.NewBoard()
		mine := &ownWay{Board: b}
		w := newTown(t, 2, b, mine)
		u := w.people(true, "ada", "bob")
		ada, bob := u[0], u[1]
		hears := w.listen(1, bob)
		sockets := []*user.Attending{w.nodes[0].Attend(ada), w.nodes[1].Attend(bob)}
		pass(2 * time.Minute)
		if n := w.beats(); n != 0 {
			t.Errorf("%d beats were cried beside the board", n)
		}
		steady := func(when string) {
			t.Helper()
			for range 90 {
				pass(time.Second)
				for _, socket := range sockets {
					socket.Active()
				}
				if w.sees(1, bob, ada).Status != user.Online || w.sees(0, ada, bob).Status != user.Online {
					t.Errorf("%s: ada is %s, bob is %s", when, w.sees(1, bob, ada).Status, w.sees(0, ada, bob).Status)
					return
				}
			}
		}
		b.Away(true)
		steady("without a board")
		b.Away(false)
		steady("with it again")
		mine.away(true)
		steady("one without")
		mine.away(false)
		b.Empty()
		steady("emptied")
		pass(time.Minute)
		w.beats()
		pass(time.Minute)
		if n := w.beats(); n != 0 {
			t.Errorf("%d beats are cried still", n)
		}
		if got := hears.said(); got != "ONLINE" {
			t.Errorf("heard %q", got)
		}
		// Nobody is shown who went while the board was away.
		b.Away(true)
		w.lose(0)
		w.stop[0]()
		pass(time.Minute)
		b.Away(false)
		pass(time.Minute)
		w.wantSeen("after all", 1, bob, ada, user.Offline)
	})
}

// ownWay is one node's way to a board.
type ownWay struct {
	*usertest.Board
	mu  sync.Mutex
	cut bool
}

func (o *ownWay) away(is bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cut = is
}

func (o *ownWay) Exchange(ctx context.Context, node string, report []byte, lasts time.Duration) ([]user.Notice, error) {
	o.mu.Lock()
	cut := o.cut
	o.mu.Unlock()
	if cut {
		return nil, errs.ErrUnavailable
	}
	return o.Board.Exchange(ctx, node, report, lasts)
}

// beats counts the beats that were cried since the last time.
func (w *town) beats() (n int) {
	w.set(func() {
		for _, c := range w.cries {
			if strings.Contains(c, `"beat":true`) {
				n++
			}
		}
		w.cries = nil
	})
	return n
}
