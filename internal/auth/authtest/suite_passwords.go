package authtest

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
)

func oneChanges(t *testing.T, s Store) {
	a, keep := create(t, s, auth.NeverAdmin)
	other, elsewhere := session(a.ID, began), session(a.ID, began)
	for _, n := range []auth.Session{other, elsewhere} {
		if _, err := s.CreateSession(t.Context(), n, nil, 10); err != nil {
			t.Fatal(err)
		}
	}
	_, bystander := create(t, s, auth.NeverAdmin)
	before, err := s.LastChange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var gone []ids.Session
	var won []string
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			next := "next" + strconv.Itoa(i)
			ended, err := s.ChangePassword(t.Context(), auth.PasswordChange{User: a.ID, Old: "hash", Next: next, Keep: keep.ID, At: began})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won, gone = append(won, next), append(gone, ended...)
			case !errors.Is(err, auth.ErrWrongPassword) || len(ended) != 0:
				t.Error(ended, err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 || len(gone) != 2 || !slices.Contains(gone, other.ID) || !slices.Contains(gone, elsewhere.ID) {
		t.Fatalf("won %v, ended %v", won, gone)
	}
	if c, err := s.CredentialByUsername(t.Context(), a.Username); err != nil || c.PasswordHash != won[0] {
		t.Error(c.PasswordHash, err)
	}
	for id, there := range map[ids.Session]bool{keep.ID: true, bystander.ID: true, other.ID: false, elsewhere.ID: false} {
		if _, err := s.Session(t.Context(), id, began); (err == nil) != there {
			t.Errorf("there: %v, want %v", err, there)
		}
	}
	if last, err := s.LastChange(t.Context()); err != nil || last != before+2 {
		t.Errorf("%d events, %v", last-before, err)
	}
}
