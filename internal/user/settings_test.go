package user_test

import (
	"testing"
	"testing/synctest"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/user"
	"chatd/internal/user/usertest"
)

// What a user has chosen on one node holds there at once, on the others within
// a second, and on one that starts later from the beginning.
func TestWhoHidesReadReceiptsIsKnownOnEveryNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := usertest.NewFake()
		ada, bob := usertest.Profile("ada", "Ada"), usertest.Profile("bob", "Bob")
		for _, p := range []user.Profile{ada, bob} {
			if err := store.Create(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		here, stopHere := node(t, store, nil, 0)
		defer stopHere()
		there, stopThere := node(t, store, nil, 0)
		defer stopThere()
		hide := func(at *user.Service, who ids.User, hides bool) {
			t.Helper()
			share := !hides
			if got, err := at.UpdateSettings(t.Context(), who, user.SettingsPatch{ShareReadReceipts: &share}); err != nil || got.ShareReadReceipts != share {
				t.Fatal(got, err)
			}
			if at.HidesReads(who) != hides {
				t.Errorf("where it was said: %v instead of %v", !hides, hides)
			}
		}
		for _, hides := range []bool{true, false, true} {
			hide(here, ada.ID, hides)
			<-time.After(time.Second)
			if there.HidesReads(ada.ID) != hides || there.HidesReads(bob.ID) {
				t.Errorf("a second later: not %v", hides)
			}
			late, stop := node(t, store, nil, 0)
			if late.HidesReads(ada.ID) != hides {
				t.Errorf("on a node that starts: not %v", hides)
			}
			stop()
		}
		hide(there, ada.ID, false)
		if got, err := here.Settings(t.Context(), ada.ID); err != nil || !got.ShareReadReceipts {
			t.Errorf("asked elsewhere: %+v, %v", got, err)
		}
		if got, err := here.UpdateSettings(t.Context(), bob.ID, user.SettingsPatch{}); err != nil || got != user.DefaultSettings() {
			t.Errorf("an empty change made %+v, %v", got, err)
		}
	})
}
