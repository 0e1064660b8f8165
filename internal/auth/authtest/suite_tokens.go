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
	"chatd/internal/platform/principal"
)

func personal(user, by ids.User, at time.Time) auth.PersonalToken {
	return auth.PersonalToken{
		ID: ids.New[ids.PersonalToken](), User: user, MadeBy: by, Name: "a script", CreatedAt: at,
		Scopes: principal.ScopeRead | principal.ScopeAdmin, Hash: []byte("hash"),
	}
}

func sameToken(a, b auth.PersonalToken) bool {
	return a.ID == b.ID && a.User == b.User && a.MadeBy == b.MadeBy && a.Name == b.Name && a.Scopes == b.Scopes &&
		bytes.Equal(a.Hash, b.Hash) && a.CreatedAt.Equal(b.CreatedAt) && a.ExpiresAt.Equal(b.ExpiresAt) &&
		a.ExpiresAt.IsZero() == b.ExpiresAt.IsZero() && a.LastUsedAt.Equal(b.LastUsedAt)
}

func addTokens(t *testing.T, s Store, list ...auth.PersonalToken) {
	t.Helper()
	for _, p := range list {
		if err := s.CreateToken(t.Context(), p, 100); err != nil {
			t.Fatal(err)
		}
	}
}

func tokensComeBack(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	older, newer := personal(a.ID, a.ID, began), personal(a.ID, a.ID, began.Add(time.Second))
	newer.ExpiresAt = began.Add(time.Hour)
	addTokens(t, s, older, newer)
	list, err := s.UserTokens(t.Context(), a.ID, began)
	if err != nil || len(list) != 2 || !sameToken(list[0], newer) || !sameToken(list[1], older) {
		t.Fatalf("%+v %v", list, err)
	}
	want := auth.Access{User: a.ID, Role: principal.Member, State: auth.Active}
	got, access, err := s.Token(t.Context(), newer.ID, began)
	if err != nil || !sameToken(got, newer) || access != want {
		t.Fatalf("%+v %+v %v", got, access, err)
	}
	for _, id := range []ids.PersonalToken{newer.ID, ids.New[ids.PersonalToken]()} {
		if _, _, err := s.Token(t.Context(), id, newer.ExpiresAt); !errors.Is(err, auth.ErrNoToken) {
			t.Fatal(err)
		}
	}
	if list, err := s.UserTokens(t.Context(), a.ID, newer.ExpiresAt); err != nil || len(list) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
	if err := s.CreateToken(t.Context(), personal(ids.New[ids.User](), a.ID, began), 10); !errors.Is(err, auth.ErrNoAccount) {
		t.Fatal(err)
	}
	if err := s.CreateToken(t.Context(), personal(a.ID, ids.New[ids.User](), began), 10); !errors.Is(err, auth.ErrNoAccount) {
		t.Fatal("made by nobody:", err)
	}
	var made atomic.Int64
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() { // one of the two has expired by then
			err := s.CreateToken(t.Context(), personal(a.ID, a.ID, newer.ExpiresAt), 5)
			if err == nil {
				made.Add(1)
			} else if !errors.Is(err, auth.ErrTooManyTokens) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 4 {
		t.Fatalf("%d were made", made.Load())
	}
	for _, want := range []int{1, 0} {
		if n, err := s.PurgeTokens(t.Context(), newer.ExpiresAt, 10); err != nil || n != want {
			t.Fatal(n, err)
		}
	}
}

func tokensEnd(t *testing.T, s Store) {
	a, ses := create(t, s, auth.NeverAdmin)
	other, _ := create(t, s, auth.NeverAdmin)
	bot, err := s.CreateBot(t.Context(), auth.NewBot{ID: ids.New[ids.User](), Owner: a.ID, Username: Input().Username, CreatedAt: began})
	if err != nil {
		t.Fatal(err)
	}
	mine, also, his, bots := personal(a.ID, a.ID, began), personal(a.ID, a.ID, began), personal(other.ID, other.ID, began), personal(bot.ID, a.ID, began)
	addTokens(t, s, mine, also, his, bots)
	w := auth.WhichTokens{Token: his.ID, Reason: auth.Revoked, At: began}
	if gone, err := s.EndTokens(t.Context(), a.ID, w); err != nil || len(gone) != 0 {
		t.Fatalf("another's: %v %v", gone, err)
	}
	last, _ := s.LastChange(t.Context())
	w.Token = mine.ID
	for _, want := range []int{1, 0} {
		if gone, err := s.EndTokens(t.Context(), a.ID, w); err != nil || len(gone) != want {
			t.Fatalf("%v %v", gone, err)
		}
	}
	changes, err := s.Changes(t.Context(), last, 10)
	want := auth.TokenEndedChange(mine.ID, a.ID, auth.Revoked, began)
	if err != nil || len(changes) != 1 || changes[0].Name != authv1.TokenEndedName || changes[0].Key != want.Key ||
		!bytes.Equal(changes[0].Payload, want.Payload) {
		t.Fatalf("%+v %v", changes, err)
	}
	// A logout everywhere leaves programs alone; a suspension does not, nor
	// those that he made for a bot.
	if gone, err := s.EndSessions(t.Context(), a.ID, auth.Which{Reason: auth.LoggedOut, At: began}); err != nil || len(gone) != 1 || gone[0] != ses.ID {
		t.Fatalf("%v %v", gone, err)
	}
	if _, _, err := s.Token(t.Context(), also.ID, began); err != nil {
		t.Fatal(err)
	}
	gone, err := s.EndSessions(t.Context(), a.ID, auth.Which{Reason: auth.StateLocked, At: began})
	if err != nil || len(gone) != 2 {
		t.Fatalf("%v %v", gone, err)
	}
	for _, id := range []ids.PersonalToken{also.ID, bots.ID} {
		if _, _, err := s.Token(t.Context(), id, began); !errors.Is(err, auth.ErrNoToken) || gone[0] != auth.Handle(id) && gone[1] != auth.Handle(id) {
			t.Fatalf("%v %v", gone, err)
		}
	}
	if _, _, err := s.Token(t.Context(), his.ID, began); err != nil {
		t.Fatalf("another's: %v", err)
	}
}

func tokensUsed(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	p := personal(a.ID, a.ID, began)
	addTokens(t, s, p)
	for _, c := range []struct{ at, want time.Duration }{{time.Hour, time.Hour}, {time.Minute, time.Hour}, {2 * time.Hour, 2 * time.Hour}} {
		used := map[ids.PersonalToken]time.Time{p.ID: began.Add(c.at), ids.New[ids.PersonalToken](): began}
		if err := s.TokensUsed(t.Context(), used); err != nil {
			t.Fatal(err)
		}
		if got, _, err := s.Token(t.Context(), p.ID, began); err != nil || !got.LastUsedAt.Equal(began.Add(c.want)) {
			t.Fatalf("%v %v", got.LastUsedAt, err)
		}
	}
}

func botsHaveOwners(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	n := auth.NewBot{ID: ids.New[ids.User](), Owner: a.ID, Username: Input().Username, DisplayName: "Bot", CreatedAt: began}
	bot, err := s.CreateBot(t.Context(), n)
	want := auth.Account{ID: n.ID, Username: n.Username, Role: principal.Bot, State: auth.Active, CreatedAt: began}
	if err != nil || bot != want {
		t.Fatalf("%+v %v", bot, err)
	}
	c, err := s.CredentialByUsername(t.Context(), n.Username)
	if err != nil || c.Account != want || c.PasswordHash != "" {
		t.Fatalf("%+v %v", c, err)
	}
	if owner, err := s.BotOwner(t.Context(), bot.ID); err != nil || owner != a.ID {
		t.Fatal(owner, err)
	}
	if _, err := s.BotOwner(t.Context(), a.ID); !errors.Is(err, auth.ErrNoBot) {
		t.Fatal(err)
	}
	changes, err := s.Changes(t.Context(), 1, 10)
	if err != nil || len(changes) != 1 || !bytes.Equal(changes[0].Payload, auth.RegisteredChange(want, "Bot").Payload) {
		t.Fatalf("%+v %v", changes, err)
	}
	second := n
	second.ID = ids.New[ids.User]()
	if _, err := s.CreateBot(t.Context(), second); !errors.Is(err, auth.ErrUsernameTaken) {
		t.Fatal(err)
	}
	second.Username = Input().Username
	if _, err := s.CreateBot(t.Context(), second); err != nil {
		t.Fatal("a second bot has no address either:", err)
	}
}
