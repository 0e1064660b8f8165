package authtest

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authv1"
	"chatd/internal/platform/principal"
)

func sessionsExpire(t *testing.T, s Store) {
	a, first := create(t, s, auth.NeverAdmin)
	second := session(a.ID, began.Add(time.Minute))
	if _, err := s.CreateSession(t.Context(), second, nil, 10); err != nil {
		t.Fatal(err)
	}
	got, err := s.Session(t.Context(), second.ID, began)
	if err != nil || !same(got, second) {
		t.Fatalf("got %+v want %+v %v", got, second, err)
	}
	list, err := s.UserSessions(t.Context(), a.ID, began)
	if err != nil || len(list) != 2 || !same(list[0], second) || !same(list[1], first) {
		t.Fatalf("%+v %v", list, err)
	}
	access, err := s.SessionAccess(t.Context(), first.ID, began)
	if err != nil || access != (auth.Access{User: a.ID, Role: principal.Member, State: auth.Active}) {
		t.Fatalf("%+v %v", access, err)
	}
	_, err1 := s.Session(t.Context(), first.ID, first.ExpiresAt)
	_, err2 := s.SessionAccess(t.Context(), first.ID, first.ExpiresAt)
	err3 := s.ChangeSession(t.Context(), first.ID, first.ExpiresAt, func(*auth.Session, auth.Account) error { return nil })
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, auth.ErrNoSession) {
			t.Fatalf("an expired session: %v", err)
		}
	}
	if list, err := s.UserSessions(t.Context(), a.ID, first.ExpiresAt); err != nil || len(list) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
	if n, err := s.PurgeSessions(t.Context(), first.ExpiresAt, began, 10); err != nil || n != 1 {
		t.Fatal(n, err)
	}
}

func same(a, b auth.Session) bool {
	ra, rb := a.Refresh, b.Refresh
	a.Refresh, b.Refresh = auth.Refresh{}, auth.Refresh{}
	a.Refresh.RotatedAt, b.Refresh.RotatedAt = ra.RotatedAt, rb.RotatedAt
	return a.ID == b.ID && a.User == b.User && a.Device == b.Device && a.Address == b.Address &&
		a.CreatedAt.Equal(b.CreatedAt) && a.LastUsedAt.Equal(b.LastUsedAt) && a.ExpiresAt.Equal(b.ExpiresAt) &&
		a.EndsAt.Equal(b.EndsAt) && ra.Generation == rb.Generation && bytes.Equal(ra.Current, rb.Current) &&
		bytes.Equal(ra.Parent, rb.Parent) && ra.RotatedAt.Equal(rb.RotatedAt)
}

func crowdedOut(t *testing.T, s Store) {
	a, oldest := create(t, s, auth.NeverAdmin)
	for i := range 5 {
		n := session(a.ID, began.Add(time.Duration(i+1)*time.Second))
		gone, err := s.CreateSession(t.Context(), n, nil, 3)
		if err != nil {
			t.Fatal(err)
		}
		if want := max(0, i-1); len(gone) != min(want, 1) {
			t.Fatalf("session %d crowds out %v", i, gone)
		}
		if i == 2 && gone[0] != oldest.ID {
			t.Fatalf("%v went, not the oldest", gone)
		}
	}
	if list, err := s.UserSessions(t.Context(), a.ID, began); err != nil || len(list) != 3 {
		t.Fatal(len(list), err)
	}
	changes, err := s.Changes(t.Context(), 1, 10)
	if err != nil || len(changes) != 3 || changes[0].Name != authv1.SessionEndedName {
		t.Fatalf("%+v %v", changes, err)
	}
}

func changesFollow(t *testing.T, s Store) {
	a, ses := create(t, s, auth.NeverAdmin)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			err := s.ChangeSession(t.Context(), ses.ID, began, func(cur *auth.Session, owner auth.Account) error {
				if owner != a {
					t.Errorf("the account is %+v", owner)
				}
				cur.Refresh.Generation++
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	later := began.Add(time.Minute)
	want := auth.Session{
		ID: ses.ID, User: ses.User, Device: "d", Address: "a", CreatedAt: ses.CreatedAt, LastUsedAt: later,
		ExpiresAt: later.Add(time.Hour), EndsAt: ses.EndsAt,
		Refresh: auth.Refresh{Generation: 41, Current: []byte("c"), Parent: []byte("p"), RotatedAt: later},
	}
	err := s.ChangeSession(t.Context(), ses.ID, began, func(cur *auth.Session, _ auth.Account) error {
		if cur.Refresh.Generation != 40 {
			t.Errorf("%d of 40 changes are there", cur.Refresh.Generation)
		}
		*cur = want
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Session(t.Context(), ses.ID, began); err != nil || !same(got, want) {
		t.Fatalf("got %+v want %+v %v", got, want, err)
	}
}

func failedChange(t *testing.T, s Store) {
	_, ses := create(t, s, auth.NeverAdmin)
	refused := errors.New("refused")
	err := s.ChangeSession(t.Context(), ses.ID, began, func(cur *auth.Session, _ auth.Account) error {
		cur.Refresh.Generation = 7
		return refused
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if got, err := s.Session(t.Context(), ses.ID, began); err != nil || !same(got, ses) {
		t.Fatalf("%+v %v", got, err)
	}
}

func endSessions(t *testing.T, s Store) {
	a, first := create(t, s, auth.NeverAdmin)
	_, others := create(t, s, auth.NeverAdmin)
	second := session(a.ID, began)
	if _, err := s.CreateSession(t.Context(), second, nil, 10); err != nil {
		t.Fatal(err)
	}
	w := auth.Which{Session: others.ID, Reason: auth.Revoked, At: began}
	if gone, err := s.EndSessions(t.Context(), a.ID, w); err != nil || len(gone) != 0 {
		t.Fatalf("another's session: %v %v", gone, err)
	}
	w.Session = first.ID
	for _, want := range []int{1, 0} {
		if gone, err := s.EndSessions(t.Context(), a.ID, w); err != nil || len(gone) != want {
			t.Fatalf("%v %v", gone, err)
		}
	}
	all := auth.Which{Reason: auth.LoggedOut, At: began}
	if gone, err := s.EndSessions(t.Context(), a.ID, all); err != nil || len(gone) != 1 || gone[0] != second.ID {
		t.Fatalf("%v %v", gone, err)
	}
	if _, err := s.Session(t.Context(), others.ID, began); err != nil {
		t.Fatalf("another's session ended: %v", err)
	}
	changes, err := s.Changes(t.Context(), 2, 10)
	if err != nil || len(changes) != 2 {
		t.Fatalf("%+v %v", changes, err)
	}
	want := auth.EndedChange(first.ID, a.ID, auth.Revoked, began)
	if got := changes[0]; got.Name != want.Name || got.Key != want.Key || !bytes.Equal(got.Payload, want.Payload) {
		t.Fatalf("%+v", got)
	}
}
