package authtest

import (
	"errors"
	"slices"
	"sync"
	"testing"

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
