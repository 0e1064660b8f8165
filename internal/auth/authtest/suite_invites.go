package authtest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// inviting makes invitations of an administrator, for guests.
type inviting struct {
	Store
	root ids.User
}

func invites(t *testing.T, s Store) inviting {
	t.Helper()
	root, _ := create(t, s, auth.AdminIfEmpty)
	return inviting{s, root.ID}
}

func (s inviting) made(t *testing.T, n int, email string) (auth.Invitation, []byte) {
	t.Helper()
	i := auth.Invitation{
		ID: ids.New[ids.Invite](), Email: email, Role: principal.Guest, Creator: s.root, CreatedAt: began,
		ExpiresAt: began.Add(time.Hour), MaxUses: n,
	}
	hash := []byte(i.ID.String())
	a := act(auth.ActInviteCreated, s.root, ids.User{})
	a.Invite = i.ID
	if err := s.AddInvite(t.Context(), i, email, hash, a); err != nil {
		t.Fatal(err)
	}
	return i, hash
}

func (s inviting) register(t *testing.T, hash []byte, at time.Time, email string) (auth.Account, error) {
	t.Helper()
	n, ses := account(auth.NeverAdmin)
	n.Invite, n.CreatedAt = hash, at
	if email != "" {
		n.EmailKey = email
	}
	return s.CreateAccount(t.Context(), n, ses, act(auth.ActInviteUsed, n.ID, n.ID))
}

// Of forty at once three come in.
func invitationsCount(t *testing.T, store Store) {
	s := invites(t, store)
	i, hash := s.made(t, 3, "")
	if read, err := s.Invite(t.Context(), i.ID); err != nil || read != i {
		t.Fatalf("%+v %+v %v", read, i, err)
	}
	var mu sync.Mutex
	var in []auth.Account
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			a, err := s.register(t, hash, began, "")
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
}

func invitationsBind(t *testing.T, store Store) {
	s := invites(t, store)
	_, spent := s.made(t, 1, "")
	if _, err := s.register(t, spent, began, ""); err != nil {
		t.Fatal(err)
	}
	hers, her := s.made(t, 1, "eve@example.org")
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
		"a used one":        {spent, "bob@example.org", began, false},
	} {
		if good, err := s.InviteGood(t.Context(), c.hash, c.name, c.at); err != nil || good != c.good {
			t.Errorf("%s: %v %v", what, good, err)
		}
		if !c.good {
			if _, err := s.register(t, c.hash, c.at, c.name); !errors.Is(err, auth.ErrBadInvite) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if _, err := s.register(t, her, began, "eve@example.org"); err != nil {
		t.Error(err)
	}
	if read, err := s.Invite(t.Context(), hers.ID); err != nil || read.Email != "" || read.Uses != 1 {
		t.Errorf("%+v %v", read, err)
	}
}

func invitationsEnd(t *testing.T, store Store) {
	s := invites(t, store)
	i, hash := s.made(t, 1, "")
	a, err := s.register(t, hash, began, "")
	if err != nil {
		t.Fatal(err)
	}
	hers, _ := s.made(t, 1, "eve@example.org")
	gone, over := s.made(t, 1, "")
	revoke := act(auth.ActInviteRevoked, s.root, ids.User{})
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
	if _, err := s.register(t, over, began, ""); !errors.Is(err, auth.ErrBadInvite) {
		t.Error(err)
	}
	revoke.Invite = ids.New[ids.Invite]()
	if _, err := s.RevokeInvite(t.Context(), revoke); !errors.Is(err, auth.ErrNoInvite) {
		t.Error(err)
	}
	revoke.Actor = a.ID
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
