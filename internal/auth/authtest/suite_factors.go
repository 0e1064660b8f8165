package authtest

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authv1"
	"chatd/internal/platform/ids"
)

var recoveryHashes = [][]byte{[]byte("one"), []byte("two"), []byte("three")}

// secured makes an account with a second factor whose step 100 is spent.
func secured(t *testing.T, s Store) (auth.Account, auth.Session) {
	t.Helper()
	a, first := create(t, s, auth.NeverAdmin)
	if err := s.BeginTotp(t.Context(), auth.Totp{User: a.ID, Sealed: []byte("sealed"), BegunAt: began}); err != nil {
		t.Fatal(err)
	}
	turn := auth.TotpTurn{User: a.ID, Keep: first.ID, At: began}
	if _, err := s.ConfirmTotp(t.Context(), turn, []byte("sealed"), 100, recoveryHashes); err != nil {
		t.Fatal(err)
	}
	return a, first
}

func totpTurnsOn(t *testing.T, s Store) {
	a, first := create(t, s, auth.NeverAdmin)
	bystander, _ := secured(t, s)
	second := session(a.ID, began)
	if _, err := s.CreateSessionBy(t.Context(), second, nil, 10, auth.Proof{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Totp(t.Context(), a.ID); !errors.Is(err, auth.ErrTotpOff) {
		t.Fatal(err)
	}
	nobody := auth.Totp{User: ids.New[ids.User](), Sealed: []byte("x"), BegunAt: began}
	if err := s.BeginTotp(t.Context(), nobody); !errors.Is(err, auth.ErrNoAccount) {
		t.Fatal(err)
	}
	for _, sealed := range []string{"first", "second"} {
		if err := s.BeginTotp(t.Context(), auth.Totp{User: a.ID, Sealed: []byte(sealed), BegunAt: began}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Totp(t.Context(), a.ID)
	if err != nil || string(got.Sealed) != "second" || !got.BegunAt.Equal(began) || !got.ConfirmedAt.IsZero() || got.Step != 0 {
		t.Fatalf("%+v %v", got, err)
	}
	if _, err := s.CreateSessionBy(t.Context(), session(a.ID, began), nil, 10, auth.Proof{}); err != nil {
		t.Fatalf("while it waits: %v", err)
	}
	totpConfirmed(t, s, a, first)
	if got, err := s.Totp(t.Context(), bystander.ID); err != nil || got.Step != 100 {
		t.Fatalf("another's: %+v %v", got, err)
	}
}

// totpConfirmed confirms, many times at once, the secret "second", which has
// taken the place of "first".
func totpConfirmed(t *testing.T, s Store, a auth.Account, first auth.Session) {
	t.Helper()
	last, err := s.LastChange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	turn := auth.TotpTurn{User: a.ID, Keep: first.ID, At: began.Add(time.Minute)}
	if _, err := s.ConfirmTotp(t.Context(), turn, []byte("first"), 7, nil); !errors.Is(err, auth.ErrTotpOff) {
		t.Fatalf("a secret that was replaced: %v", err)
	}
	var confirmed atomic.Int64
	var gone []ids.Session
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			ended, err := s.ConfirmTotp(t.Context(), turn, []byte("second"), 7, recoveryHashes)
			switch {
			case err == nil:
				confirmed.Add(1)
				gone = ended
			case !errors.Is(err, auth.ErrTotpOn):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if confirmed.Load() != 1 || len(gone) != 2 {
		t.Fatalf("confirmed %d times, %v ended", confirmed.Load(), gone)
	}
	got, err := s.Totp(t.Context(), a.ID)
	if err != nil || !got.ConfirmedAt.Equal(turn.At) || got.Step != 7 {
		t.Fatalf("%+v %v", got, err)
	}
	if n, err := s.RecoveryCodes(t.Context(), a.ID); err != nil || n != 3 {
		t.Fatal(n, err)
	}
	if list, err := s.UserSessions(t.Context(), a.ID, began); err != nil || len(list) != 1 || list[0].ID != first.ID {
		t.Fatalf("%+v %v", list, err)
	}
	if err := s.BeginTotp(t.Context(), auth.Totp{User: a.ID, Sealed: []byte("third"), BegunAt: began}); !errors.Is(err, auth.ErrTotpOn) {
		t.Fatal(err)
	}
	changes, err := s.Changes(t.Context(), last, 10)
	if err != nil || len(changes) != 3 || changes[0].Name != authv1.SecondFactorChangedName || changes[0].Key != a.ID.String() ||
		!bytes.Equal(changes[0].Payload, auth.TotpChange(a.ID, true, turn.At).Payload) || changes[2].Name != authv1.SessionEndedName {
		t.Fatalf("%+v %v", changes, err)
	}
}

func proofsAreSpentOnce(t *testing.T, s Store) {
	a, _ := secured(t, s)
	other, _ := secured(t, s)
	for name, c := range map[string]struct {
		by   auth.Proof
		want error
	}{
		"none":                      {auth.Proof{}, auth.ErrTotpRequired},
		"the step of the last":      {auth.Proof{Step: 100}, auth.ErrBadTotp},
		"an earlier step":           {auth.Proof{Step: 99}, auth.ErrBadTotp},
		"a recovery code of nobody": {auth.Proof{Recovery: []byte("four")}, auth.ErrBadTotp},
	} {
		n := session(a.ID, began)
		if _, err := s.CreateSessionBy(t.Context(), n, nil, 10, c.by); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Session(t.Context(), n.ID, began); !errors.Is(err, auth.ErrNoSession) {
			t.Errorf("%s: a session was made: %v", name, err)
		}
	}
	for _, by := range []auth.Proof{{Step: 101}, {Recovery: []byte("two")}} {
		var winners atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := s.CreateSessionBy(t.Context(), session(a.ID, began), nil, 200, by)
				if err == nil {
					winners.Add(1)
				} else if !errors.Is(err, auth.ErrBadTotp) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if winners.Load() != 1 {
			t.Errorf("%+v was taken %d times", by, winners.Load())
		}
	}
	if n, err := s.RecoveryCodes(t.Context(), a.ID); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if n, err := s.RecoveryCodes(t.Context(), other.ID); err != nil || n != 3 {
		t.Fatal("another's", n, err)
	}
	if list, err := s.UserSessions(t.Context(), a.ID, began); err != nil || len(list) != 3 {
		t.Fatal(len(list), err)
	}
	if _, err := s.CreateSessionBy(t.Context(), session(other.ID, began), nil, 10, auth.Proof{Step: 101}); err != nil {
		t.Fatalf("another's step: %v", err)
	}
}

func totpTurnsOff(t *testing.T, s Store) {
	a, first := secured(t, s)
	other, _ := secured(t, s)
	if _, err := s.CreateSessionBy(t.Context(), session(a.ID, began), nil, 10, auth.Proof{Step: 101}); err != nil {
		t.Fatal(err)
	}
	turn := auth.TotpTurn{User: a.ID, Keep: first.ID, At: began}
	for _, by := range []auth.Proof{{}, {Step: 101}, {Recovery: []byte("four")}} {
		if _, err := s.DisableTotp(t.Context(), turn, by); !errors.Is(err, auth.ErrBadTotp) {
			t.Fatalf("%+v: %v", by, err)
		}
	}
	last, _ := s.LastChange(t.Context())
	gone, err := s.DisableTotp(t.Context(), turn, auth.Proof{Recovery: []byte("one")})
	if err != nil || len(gone) != 1 {
		t.Fatal(gone, err)
	}
	if _, err := s.Totp(t.Context(), a.ID); !errors.Is(err, auth.ErrTotpOff) {
		t.Fatal(err)
	}
	if n, err := s.RecoveryCodes(t.Context(), a.ID); err != nil || n != 0 {
		t.Fatal(n, err)
	}
	changes, err := s.Changes(t.Context(), last, 10)
	if err != nil || len(changes) != 2 || !bytes.Equal(changes[0].Payload, auth.TotpChange(a.ID, false, began).Payload) {
		t.Fatalf("%+v %v", changes, err)
	}
	if _, err := s.DisableTotp(t.Context(), turn, auth.Proof{Step: 102}); !errors.Is(err, auth.ErrBadTotp) {
		t.Fatal(err)
	}
	if _, err := s.CreateSessionBy(t.Context(), session(a.ID, began), nil, 10, auth.Proof{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DisableTotp(t.Context(), turn, auth.Proof{Lost: true}); !errors.Is(err, auth.ErrTotpOff) {
		t.Fatal(err)
	}
	if _, err := s.CreateSessionBy(t.Context(), session(other.ID, began), nil, 10, auth.Proof{}); !errors.Is(err, auth.ErrTotpRequired) {
		t.Fatalf("another's: %v", err)
	}
	// Who has lost it all ends every session, and the next needs no proof.
	if gone, err := s.DisableTotp(t.Context(), auth.TotpTurn{User: other.ID, At: began}, auth.Proof{Lost: true}); err != nil || len(gone) != 1 {
		t.Fatal(gone, err)
	}
	if _, err := s.CreateSessionBy(t.Context(), session(other.ID, began), nil, 10, auth.Proof{}); err != nil {
		t.Fatal(err)
	}
}
