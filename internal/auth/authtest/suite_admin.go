package authtest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authv1"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

func act(what auth.Action, actor, target ids.User) auth.Act {
	return auth.Act{ID: ids.New[ids.Audit](), Action: what, Actor: actor, Target: target, At: began}
}

// newest are the names of the events after a position.
func newest(t *testing.T, s Store, after int64) (names []string) {
	t.Helper()
	list, err := s.Changes(t.Context(), after, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		names = append(names, c.Name)
	}
	return names
}

func last(t *testing.T, s Store) int64 {
	t.Helper()
	pos, err := s.LastChange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

func audited(t *testing.T, s Store, f auth.AuditFilter) []auth.Act {
	t.Helper()
	list, err := s.AuditPage(t.Context(), f, ids.Audit{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func rolesChange(t *testing.T, s Store) {
	root, _ := create(t, s, auth.AdminIfEmpty)
	a, _ := create(t, s, auth.NeverAdmin)
	before := last(t, s)
	made, changed, err := s.ChangeRole(t.Context(), principal.Guest, act(auth.ActRoleChanged, root.ID, a.ID))
	if a.Role = principal.Guest; err != nil || !changed || made != a {
		t.Fatalf("%+v %v %v", made, changed, err)
	}
	if read, err := s.Account(t.Context(), a.ID); err != nil || read != a {
		t.Fatalf("%+v %v", read, err)
	}
	if made, changed, err = s.ChangeRole(t.Context(), principal.Guest, act(auth.ActRoleChanged, root.ID, a.ID)); err != nil || changed || made != a {
		t.Fatalf("again: %+v %v %v", made, changed, err)
	}
	if got := newest(t, s, before); !slices.Equal(got, []string{authv1.RoleChangedName}) {
		t.Error(got)
	}
	if got := audited(t, s, auth.AuditFilter{}); len(got) != 1 || got[0].Detail != "MEMBER GUEST" || got[0].Actor != root.ID || got[0].Target != a.ID {
		t.Errorf("%+v", got)
	}
	for what, c := range map[string]struct {
		actor, target ids.User
		role          principal.Role
		want          error
	}{
		"by a guest":           {a.ID, root.ID, principal.Member, errs.ErrForbidden},
		"by nobody":            {ids.New[ids.User](), a.ID, principal.Member, errs.ErrForbidden},
		"of nobody":            {root.ID, ids.New[ids.User](), principal.Member, auth.ErrNoAccount},
		"to a bot":             {root.ID, a.ID, principal.Bot, auth.ErrBotRole},
		"of the last one":      {ids.User{}, root.ID, principal.Member, auth.ErrLastAdmin},
		"of the last one, too": {root.ID, root.ID, principal.Guest, auth.ErrLastAdmin},
	} {
		if _, changed, err := s.ChangeRole(t.Context(), c.role, act(auth.ActRoleChanged, c.actor, c.target)); changed || !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if last(t, s) != before+1 || len(audited(t, s, auth.AuditFilter{})) != 1 {
		t.Error("what was refused left something")
	}
}

func suspensions(t *testing.T, s Store) {
	root, _ := create(t, s, auth.AdminIfEmpty)
	a, ses := create(t, s, auth.NeverAdmin)
	_, others := create(t, s, auth.NeverAdmin)
	before := last(t, s)
	made, gone, err := s.Suspend(t.Context(), act(auth.ActSuspended, root.ID, a.ID))
	if err != nil || made.State != auth.Suspended || !slices.Equal(gone, []ids.Session{ses.ID}) {
		t.Fatalf("%+v %v %v", made, gone, err)
	}
	if _, err := s.Session(t.Context(), others.ID, began); err != nil {
		t.Error(err)
	}
	if _, err := s.CreateSession(t.Context(), session(a.ID, began), nil, 10); !errors.Is(err, auth.ErrNoAccount) {
		t.Errorf("a session of a suspended one: %v", err)
	}
	if _, err := s.CreateSessionBy(t.Context(), session(a.ID, began), nil, 10, auth.Proof{}); !errors.Is(err, auth.ErrNoAccount) {
		t.Errorf("a session of a suspended one: %v", err)
	}
	if made, gone, err = s.Suspend(t.Context(), act(auth.ActSuspended, root.ID, a.ID)); err != nil || gone != nil || made.State != auth.Suspended {
		t.Errorf("again: %+v %v %v", made, gone, err)
	}
	for range 2 {
		if made, err = s.Reinstate(t.Context(), act(auth.ActReinstated, root.ID, a.ID)); err != nil || made != a {
			t.Errorf("%+v %v", made, err)
		}
	}
	if _, err := s.CreateSession(t.Context(), session(a.ID, began), nil, 10); err != nil {
		t.Error(err)
	}
	want := []string{authv1.AccountSuspendedName, authv1.SessionEndedName, authv1.AccountReinstatedName}
	if got := newest(t, s, before); !slices.Equal(got, want) {
		t.Error(got)
	}
	if got := audited(t, s, auth.AuditFilter{Target: a.ID}); len(got) != 2 {
		t.Errorf("%+v", got)
	}
	if _, _, err := s.Suspend(t.Context(), act(auth.ActSuspended, ids.User{}, root.ID)); !errors.Is(err, auth.ErrLastAdmin) {
		t.Error(err)
	}
	if _, _, err := s.Suspend(t.Context(), act(auth.ActSuspended, a.ID, root.ID)); !errors.Is(err, errs.ErrForbidden) {
		t.Error(err)
	}
	if gone, err := s.SetPassword(t.Context(), "other", act(auth.ActPasswordReset, ids.User{}, a.ID)); err != nil || len(gone) != 1 {
		t.Error(gone, err)
	}
	if c, err := s.CredentialByUsername(t.Context(), a.Username); err != nil || c.PasswordHash != "other" {
		t.Error(c, err)
	}
}

// Of many administrators who take the right from each other one stays.
func oneStays(t *testing.T, s Store) {
	first, _ := create(t, s, auth.AdminIfEmpty)
	all := []ids.User{first.ID}
	for range 9 {
		a, _ := create(t, s, auth.NeverAdmin)
		if _, _, err := s.ChangeRole(t.Context(), principal.Admin, act(auth.ActRoleChanged, first.ID, a.ID)); err != nil {
			t.Fatal(err)
		}
		all = append(all, a.ID)
	}
	var wg sync.WaitGroup
	for i, actor := range all {
		for j, target := range all {
			if i == j {
				continue
			}
			wg.Go(func() {
				var err error
				if (i+j)%2 == 0 {
					_, _, err = s.Suspend(t.Context(), act(auth.ActSuspended, actor, target))
				} else {
					_, _, err = s.ChangeRole(t.Context(), principal.Member, act(auth.ActRoleChanged, actor, target))
				}
				if err != nil && !errors.Is(err, errs.ErrForbidden) && !errors.Is(err, auth.ErrLastAdmin) {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	list, err := s.AccountPage(t.Context(), "", 100)
	if err != nil || len(list) != len(all) {
		t.Fatal(len(list), err)
	}
	left := 0
	for _, a := range list {
		if a.Role == principal.Admin && a.State == auth.Active {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d administrators are left", left)
	}
	if rest, err := s.AccountPage(t.Context(), list[3].Username, 2); err != nil || len(rest) != 2 || rest[0] != list[4] {
		t.Error(rest, err)
	}
}

func invitations(t *testing.T, s Store) {
	root, _ := create(t, s, auth.AdminIfEmpty)
	made := func(n int, email string) (auth.Invitation, []byte) {
		t.Helper()
		i := auth.Invitation{
			ID: ids.New[ids.Invite](), Email: email, Role: principal.Guest, Creator: root.ID, CreatedAt: began,
			ExpiresAt: began.Add(time.Hour), MaxUses: n,
		}
		hash := []byte(i.ID.String())
		a := act(auth.ActInviteCreated, root.ID, ids.User{})
		a.Invite = i.ID
		if err := s.AddInvite(t.Context(), i, email, hash, a); err != nil {
			t.Fatal(err)
		}
		return i, hash
	}
	i, hash := made(3, "")
	if read, err := s.Invite(t.Context(), i.ID); err != nil || read != i {
		t.Fatalf("%+v %+v %v", read, i, err)
	}
	register := func(hash []byte, at time.Time, name string) (auth.Account, error) {
		n, ses := account(auth.NeverAdmin)
		n.Invite, n.CreatedAt = hash, at
		if name != "" {
			n.EmailKey = name
		}
		return s.CreateAccount(t.Context(), n, ses, act(auth.ActInviteUsed, n.ID, n.ID))
	}
	var mu sync.Mutex
	var in []auth.Account
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			a, err := register(hash, began, "")
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				in = append(in, a)
			} else if !errors.Is(err, auth.ErrBadInvite) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(in) != 3 || in[0].Role != principal.Guest {
		t.Fatalf("%+v", in)
	}
	used := audited(t, s, auth.AuditFilter{Actions: []auth.Action{auth.ActInviteUsed}})
	if len(used) != 3 || used[0].Invite != i.ID {
		t.Errorf("%+v", used)
	}
	if list, err := s.AccountPage(t.Context(), "", 100); err != nil || len(list) != 4 {
		t.Errorf("%d accounts, %v", len(list), err)
	}

	hers, her := made(1, "eve@example.org")
	for what, c := range map[string]struct {
		hash []byte
		name string
		at   time.Time
		good bool
	}{
		"another's address": {her, "mallory@example.org", began, false},
		"an end":            {her, "eve@example.org", hers.ExpiresAt, false},
		"no such code":      {[]byte("none"), "eve@example.org", began, false},
		"one's own":         {her, "eve@example.org", began, true},
		"a used one":        {hash, "bob@example.org", began, false},
	} {
		if good, err := s.InviteGood(t.Context(), c.hash, c.name, c.at); err != nil || good != c.good {
			t.Errorf("%s: %v %v", what, good, err)
		}
		if !c.good {
			if _, err := register(c.hash, c.at, c.name); !errors.Is(err, auth.ErrBadInvite) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if _, err := register(her, began, "eve@example.org"); err != nil {
		t.Error(err)
	}
	if read, err := s.Invite(t.Context(), hers.ID); err != nil || read.Email != "" || read.Uses != 1 {
		t.Errorf("%+v %v", read, err)
	}

	gone, over := made(1, "")
	revoke := act(auth.ActInviteRevoked, root.ID, ids.User{})
	revoke.Invite = gone.ID
	for range 2 {
		revoke.ID = ids.New[ids.Audit]()
		if read, err := s.RevokeInvite(t.Context(), revoke); err != nil || !read.RevokedAt.Equal(began) {
			t.Errorf("%+v %v", read, err)
		}
	}
	if n := len(audited(t, s, auth.AuditFilter{Actions: []auth.Action{auth.ActInviteRevoked}})); n != 1 {
		t.Errorf("%d entries", n)
	}
	if _, err := register(over, began, ""); !errors.Is(err, auth.ErrBadInvite) {
		t.Error(err)
	}
	revoke.Invite = ids.New[ids.Invite]()
	if _, err := s.RevokeInvite(t.Context(), revoke); !errors.Is(err, auth.ErrNoInvite) {
		t.Error(err)
	}
	revoke.Actor = in[0].ID
	if _, err := s.RevokeInvite(t.Context(), revoke); !errors.Is(err, errs.ErrForbidden) {
		t.Error(err)
	}
	page, err := s.InvitePage(t.Context(), ids.Invite{}, 2)
	if err != nil || len(page) != 2 || page[0].ID != gone.ID || page[1].ID != hers.ID {
		t.Fatalf("%+v %v", page, err)
	}
	if page, err = s.InvitePage(t.Context(), hers.ID, 2); err != nil || len(page) != 1 || page[0].ID != i.ID {
		t.Errorf("%+v %v", page, err)
	}
	for _, c := range []struct {
		before time.Time
		want   int
	}{{hers.ExpiresAt, 0}, {hers.ExpiresAt.Add(1), 0}, {hers.ExpiresAt.Add(time.Second), 3}} {
		if n, err := s.PurgeInvites(t.Context(), c.before, 10); err != nil || n != c.want {
			t.Errorf("%d are forgotten, want %d: %v", n, c.want, err)
		}
	}
}

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
	// Failed tries, a few of each.
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
	for name, c := range map[string]struct {
		f    auth.AuditFilter
		want int
	}{
		"all":        {auth.AuditFilter{}, 13},
		"of one":     {auth.AuditFilter{Target: a.ID}, 8},
		"by one":     {auth.AuditFilter{Actor: a.ID}, 2},
		"of two":     {auth.AuditFilter{Actions: []auth.Action{auth.ActSignedIn, auth.ActSignedOut}}, 2},
		"since":      {auth.AuditFilter{Since: late.At}, 1},
		"until":      {auth.AuditFilter{Until: late.At}, 12},
		"all of it":  {auth.AuditFilter{Actions: []auth.Action{auth.ActSignInFailed}, Target: a.ID, Since: began, Until: late.At}, 5},
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
