package authtest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
)

func auditIsKept(t *testing.T, s Store) {
	a, ses := create(t, s, auth.NeverAdmin)
	whole := act(auth.ActSignedIn, a.ID, a.ID)
	whole.Session, whole.Invite, whole.Token = ses.ID, ids.New[ids.Invite](), ids.New[ids.PersonalToken]()
	whole.Detail, whole.Address, whole.Device, whole.RequestID = "detail", "192.0.2.1", "device", "request"
	n := session(a.ID, began)
	if _, err := s.CreateSession(t.Context(), n, nil, 10, whole); err != nil {
		t.Fatal(err)
	}
	if read, err := s.Act(t.Context(), whole.ID); err != nil || read != whole {
		t.Fatalf("%+v\n%+v %v", read, whole, err)
	}
	if _, err := s.Act(t.Context(), ids.New[ids.Audit]()); !errors.Is(err, auth.ErrNoAct) {
		t.Error(err)
	}
	// The entry is one commit with what it tells, or not there.
	out := act(auth.ActSignedOut, a.ID, a.ID)
	for range 2 {
		if _, err := s.EndSessions(t.Context(), a.ID, auth.Which{Session: n.ID, Reason: auth.LoggedOut, At: began}, out); err != nil {
			t.Fatal(err)
		}
	}
	taken, _ := account(auth.NeverAdmin)
	taken.Username = a.Username
	if _, err := s.CreateAccount(t.Context(), taken, session(taken.ID, began), act(auth.ActRegistered, taken.ID, taken.ID)); !errors.Is(err, auth.ErrUsernameTaken) {
		t.Error(err)
	}
	if got := audited(t, s, auth.AuditFilter{}); len(got) != 2 || got[0] != out || got[1] != whole {
		t.Errorf("%+v", got)
	}
}

// Of failed tries a few are kept of each account.
func failuresAreFew(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	other, _ := create(t, s, auth.NeverAdmin)
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			target := []ids.User{a.ID, other.ID}[i%2]
			acts := []auth.Act{act(auth.ActSignInFailed, ids.User{}, target), act(auth.ActSignInFailed, ids.User{}, target)}
			if err := s.Record(t.Context(), acts, began.Add(-time.Hour), 5); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range []ids.User{a.ID, other.ID} {
		if n := len(audited(t, s, auth.AuditFilter{Target: id, Actions: []auth.Action{auth.ActSignInFailed}})); n != 5 {
			t.Errorf("%d entries", n)
		}
	}
	late := act(auth.ActSignInFailed, ids.User{}, a.ID)
	late.At = began.Add(2 * time.Hour)
	if err := s.Record(t.Context(), []auth.Act{late}, began.Add(time.Hour), 5); err != nil {
		t.Fatal(err)
	}
	if n := len(audited(t, s, auth.AuditFilter{Since: late.At})); n != 1 {
		t.Errorf("%d entries later", n)
	}
}

func auditIsPaged(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	other, _ := create(t, s, auth.NeverAdmin)
	late := act(auth.ActSignInFailed, ids.User{}, a.ID)
	for i := range 13 {
		n := act(auth.ActSignInFailed, ids.User{}, []ids.User{a.ID, other.ID}[i%2])
		switch i {
		case 2, 4:
			n.Action, n.Actor = []auth.Action{2: auth.ActSignedIn, 4: auth.ActSignedOut}[i], a.ID
		case 12:
			n = late
			n.ID, n.At = ids.New[ids.Audit](), began.Add(2*time.Hour)
			late = n
		}
		if err := s.Record(t.Context(), []auth.Act{n}, began, 100); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		f    auth.AuditFilter
		want int
	}{
		"all":        {auth.AuditFilter{}, 13},
		"of one":     {auth.AuditFilter{Target: a.ID}, 7},
		"by one":     {auth.AuditFilter{Actor: a.ID}, 2},
		"of two":     {auth.AuditFilter{Actions: []auth.Action{auth.ActSignedIn, auth.ActSignedOut}}, 2},
		"since":      {auth.AuditFilter{Since: late.At}, 1},
		"until":      {auth.AuditFilter{Until: late.At}, 12},
		"all of it":  {auth.AuditFilter{Actions: []auth.Action{auth.ActSignInFailed}, Target: a.ID, Since: began, Until: late.At}, 4},
		"impossible": {auth.AuditFilter{Since: late.At, Until: late.At}, 0},
	} {
		if n := len(audited(t, s, c.f)); n != c.want {
			t.Errorf("%s: %d entries, want %d", name, n, c.want)
		}
	}
	var seen []string
	var before ids.Audit
	for {
		page, err := s.AuditPage(t.Context(), auth.AuditFilter{}, before, 4)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, a := range page {
			seen = append(seen, a.ID.String())
		}
		before = page[len(page)-1].ID
	}
	if len(seen) != 13 || !slices.IsSortedFunc(seen, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Error(len(seen), seen)
	}
	for _, want := range []int{10, 2, 0} {
		if n, err := s.PurgeAudit(t.Context(), late.At, 10); err != nil || n != want {
			t.Errorf("%d forgotten, want %d: %v", n, want, err)
		}
	}
	if got := audited(t, s, auth.AuditFilter{}); len(got) != 1 || got[0] != late {
		t.Errorf("%+v", got)
	}
}
