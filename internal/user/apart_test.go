package user_test

import (
	"testing"
	"testing/synctest"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/user"
)

// walls keep pairs apart, as they are told.
type walls map[user.Block]bool

func (w walls) Party(u ids.User) bool {
	for b, is := range w {
		if is && (b.By == u || b.Of == u) {
			return true
		}
	}
	return false
}

func (w walls) Apart(a, b ids.User) bool {
	return w[user.Block{By: a, Of: b}] || w[user.Block{By: b, Of: a}]
}

// Who is parted is told that the other has gone, and hears nothing more until
// the wall is down; others see both all the time.
func TestWhoIsKeptApartSeesTheOtherGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		all := w.people(true, "ada", "eve", "cyd")
		ada, eve, cyd := all[0], all[1], all[2]
		stranger := w.people(false, "dan")[0]
		apart := walls{}
		n := user.NewPresence(user.PresenceDeps{Store: w.store, Circle: w, Walls: apart}, user.PresenceConfig{})
		w.nodes = []*user.PresenceService{n}
		defer w.run(0)()
		part := func(a, b ids.User, is bool) {
			apart[user.Block{By: a, Of: b}] = is
			n.Parted(a, b)
			pass(time.Second)
		}
		defer n.Attend(ada).End()
		defer n.Attend(eve).End()
		defer n.Attend(stranger).End()
		pass(time.Second)
		ears := map[string]*ear{
			"eve": w.listen(0, eve), "eve by name": w.watch(0, eve, ada), "ada": w.listen(0, ada), "ada by name": w.watch(0, ada, eve),
		}
		hear := func(when string, want string) {
			t.Helper()
			for who, e := range ears {
				if got := e.said(); got != want {
					t.Errorf("%s, %s: %q, want %q", when, who, got, want)
				}
			}
		}
		others := w.listen(0, cyd)
		part(ada, eve, true)
		hear("parted", "OFFLINE")
		w.wantSeen("parted", 0, eve, ada, user.Offline)
		w.wantSeen("parted", 0, ada, eve, user.Offline)
		if got := w.sees(0, eve, ada); !got.LastActiveAt.IsZero() {
			t.Errorf("when she was there is told: %v", got.LastActiveAt)
		}
		snapshot, err := n.Snapshot(t.Context(), eve)
		if s, ok := snapshot.Event.(*user.PresenceSnapshot); err != nil || !ok || len(s.Presences) != 1 {
			t.Errorf("%+v, %v", snapshot.Event, err) // herself alone
		}
		w.choose(0, ada, user.Busy)
		pass(time.Second)
		if got := others.said(); got != "BUSY" {
			t.Errorf("a third hears %q", got)
		}
		for _, name := range []string{"eve", "eve by name", "ada by name"} {
			if got := ears[name].said(); got != "" {
				t.Errorf("parted, %s hears %q", name, got)
			}
		}
		ears["ada"].said() // her own
		w.choose(0, ada, user.Online)
		pass(time.Second)
		ears["ada"].said()
		others.said()
		part(ada, eve, false)
		hear("together again", "ONLINE")
		// Strangers are told nothing when a wall comes between them.
		part(eve, stranger, true)
		hear("parted from a stranger", "")
		if got := others.said(); got != "" {
			t.Errorf("a third hears %q", got)
		}
	})
}
