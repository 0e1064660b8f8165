package authtest

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
)

// signInCode is a stored code with a state of its own.
func signInCode(t *testing.T, s Store) auth.SignInCode {
	t.Helper()
	id := ids.New[ids.Identity]()
	c := auth.SignInCode{
		Hash: []byte("code " + id.String()), State: []byte("state " + id.String()), Sealed: []byte("sealed"),
		MadeAt: began, ExpiresAt: began.Add(time.Minute), PurgeAt: began.Add(time.Hour),
	}
	if err := s.AddSignInCode(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c
}

func identity(user ids.User, subject string) auth.Identity {
	return auth.Identity{
		ID: ids.New[ids.Identity](), User: user, Issuer: "https://id.example.org", Subject: subject, Provider: "example",
		Email: "ada@example.org", LinkedAt: began,
	}
}

func link(t *testing.T, s Store, i auth.Identity) error {
	t.Helper()
	_, err := s.LinkIdentity(t.Context(), auth.Linking{Code: signInCode(t, s).Hash, Identity: i, Limit: 20}, act(auth.ActIdentityLinked, i.User, i.User))
	return err
}

func codesAreSpentOnce(t *testing.T, s Store) {
	c := signInCode(t, s)
	got, err := s.SignInCode(t.Context(), c.Hash, began)
	if err != nil || string(got.State) != string(c.State) || string(got.Sealed) != "sealed" || !got.MadeAt.Equal(c.MadeAt) ||
		!got.ExpiresAt.Equal(c.ExpiresAt) || !got.PurgeAt.Equal(c.PurgeAt) {
		t.Fatalf("%+v %v", got, err)
	}
	again := c
	again.Hash = []byte("another")
	if err := s.AddSignInCode(t.Context(), again); !errors.Is(err, auth.ErrBadSignInCode) {
		t.Errorf("a state gave a second code: %v", err)
	}
	if _, err := s.SignInCode(t.Context(), c.Hash, c.ExpiresAt); !errors.Is(err, auth.ErrBadSignInCode) {
		t.Errorf("an expired code: %v", err)
	}
	if err := s.HoldSignInCode(t.Context(), c.Hash, began.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SignInCode(t.Context(), c.Hash, c.ExpiresAt); err != nil {
		t.Errorf("a held code: %v", err)
	}
	var wg sync.WaitGroup
	var spent atomic.Int32
	for range 20 {
		wg.Go(func() {
			switch err := s.SpendSignInCode(t.Context(), c.Hash); {
			case err == nil:
				spent.Add(1)
			case !errors.Is(err, auth.ErrBadSignInCode):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if spent.Load() != 1 {
		t.Errorf("spent %d times", spent.Load())
	}
	if err := s.HoldSignInCode(t.Context(), c.Hash, began.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SignInCode(t.Context(), c.Hash, began); !errors.Is(err, auth.ErrBadSignInCode) {
		t.Errorf("a spent code: %v", err)
	}
	if err := s.AddSignInCode(t.Context(), again); !errors.Is(err, auth.ErrBadSignInCode) {
		t.Errorf("the state of a spent code gave another: %v", err)
	}
	for _, step := range []struct {
		before time.Time
		want   int
	}{{c.PurgeAt, 0}, {c.PurgeAt.Add(time.Second), 1}} {
		if n, err := s.PurgeSignInCodes(t.Context(), step.before, 10); err != nil || n != step.want {
			t.Errorf("purged %d, want %d: %v", n, step.want, err)
		}
	}
}

func identitiesComeBack(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	b, _ := create(t, s, auth.NeverAdmin)
	i, j := identity(a.ID, "1"), identity(a.ID, "2")
	j.LinkedAt, j.LastUsedAt = began.Add(time.Second), began.Add(time.Minute)
	for _, i := range []auth.Identity{j, i} {
		if err := link(t, s, i); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.UserIdentities(t.Context(), a.ID); err != nil || len(list) != 2 || list[0] != i || list[1] != j {
		t.Fatalf("%+v %v", list, err)
	}
	if got, err := s.Identity(t.Context(), i.Issuer, i.Subject); err != nil || got != i {
		t.Fatalf("%+v %v", got, err)
	}
	for _, key := range [][2]string{{i.Issuer, "3"}, {i.Issuer + "/", "1"}, {"HTTPS://id.example.org", "1"}, {"", ""}} {
		if _, err := s.Identity(t.Context(), key[0], key[1]); !errors.Is(err, auth.ErrNoIdentity) {
			t.Errorf("%q: %v", key, err)
		}
	}
	if err := link(t, s, identity(b.ID, "1")); !errors.Is(err, auth.ErrIdentityTaken) {
		t.Errorf("another's identity: %v", err)
	}
	code := signInCode(t, s)
	again := identity(a.ID, "1")
	if got, err := s.LinkIdentity(t.Context(), auth.Linking{Code: code.Hash, Identity: again, Limit: 20}, act(auth.ActIdentityLinked, a.ID, a.ID)); err != nil || got != i {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := s.LinkIdentity(t.Context(), auth.Linking{Code: code.Hash, Identity: identity(a.ID, "3"), Limit: 20}); !errors.Is(err, auth.ErrBadSignInCode) {
		t.Errorf("a code linked twice: %v", err)
	}
	if _, err := s.LinkIdentity(t.Context(), auth.Linking{Code: signInCode(t, s).Hash, Identity: identity(a.ID, "3"), Limit: 2}); !errors.Is(err, auth.ErrTooManyIdentities) {
		t.Errorf("more than the limit: %v", err)
	}
	acts := audited(t, s, auth.AuditFilter{Actions: []auth.Action{auth.ActIdentityLinked}})
	if len(acts) != 2 {
		t.Errorf("%d entries of the audit log for two links", len(acts))
	}
	if _, _, err := s.Suspend(t.Context(), act(auth.ActSuspended, ids.User{}, b.ID)); err != nil {
		t.Fatal(err)
	}
	if err := link(t, s, identity(b.ID, "4")); !errors.Is(err, auth.ErrNoAccount) {
		t.Errorf("a suspended account: %v", err)
	}
}

func linkingProvesAnAddress(t *testing.T, s Store) {
	n, ses := account(auth.NeverAdmin)
	a, err := s.CreateAccount(t.Context(), n, ses)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := create(t, s, auth.NeverAdmin)
	for i, step := range []struct {
		proved string
		want   bool
	}{{"", false}, {"x" + n.EmailKey, false}, {n.EmailKey, true}, {"", true}} {
		l := auth.Linking{Code: signInCode(t, s).Hash, Identity: identity(a.ID, strconv.Itoa(i)), Proved: step.proved, Limit: 20}
		if _, err := s.LinkIdentity(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Account(t.Context(), a.ID); err != nil || got.EmailVerified != step.want {
			t.Errorf("%q: %+v %v", step.proved, got, err)
		}
	}
	if got, err := s.Account(t.Context(), other.ID); err != nil || got.EmailVerified {
		t.Errorf("%+v %v", got, err)
	}
}

func oneHasAnIdentity(t *testing.T, s Store) {
	var wg sync.WaitGroup
	var made atomic.Int32
	for range 20 {
		code := signInCode(t, s)
		wg.Go(func() {
			n, ses := account(auth.NeverAdmin)
			i := identity(n.ID, "1")
			n.Identity, n.Code, n.PasswordHash = &i, code.Hash, ""
			_, err := s.CreateAccount(t.Context(), n, ses)
			switch {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, auth.ErrIdentityTaken):
				t.Error(err)
			default:
				if _, err := s.Account(t.Context(), n.ID); !errors.Is(err, auth.ErrNoAccount) {
					t.Errorf("half an account: %v", err)
				}
				if _, err := s.SignInCode(t.Context(), code.Hash, began); err != nil {
					t.Errorf("the code is spent for nothing: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("%d accounts of one identity", made.Load())
	}
}

func sessionsOfIdentities(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	i := identity(a.ID, "1")
	if err := link(t, s, i); err != nil {
		t.Fatal(err)
	}
	at := began.Add(time.Second)
	come := func(code []byte, id ids.Identity, by auth.Proof) error {
		_, err := s.CreateSessionOf(t.Context(), code, id, session(a.ID, at), nil, 10, by)
		return err
	}
	code := signInCode(t, s)
	if err := come(code.Hash, ids.New[ids.Identity](), auth.Proof{}); !errors.Is(err, auth.ErrNoIdentity) {
		t.Errorf("no identity of his: %v", err)
	}
	var wg sync.WaitGroup
	var in atomic.Int32
	for range 20 {
		wg.Go(func() {
			if come(code.Hash, i.ID, auth.Proof{}) == nil {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 {
		t.Errorf("%d sessions by one code", in.Load())
	}
	if got, err := s.Identity(t.Context(), i.Issuer, i.Subject); err != nil || !got.LastUsedAt.Equal(at) {
		t.Errorf("%+v %v", got, err)
	}
	if err := s.BeginTotp(t.Context(), auth.Totp{User: a.ID, Sealed: []byte("x"), BegunAt: began}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ConfirmTotp(t.Context(), auth.TotpTurn{User: a.ID, At: began}, []byte("x"), 1, nil); err != nil {
		t.Fatal(err)
	}
	second := signInCode(t, s)
	for _, step := range []struct {
		by   auth.Proof
		want error
	}{{auth.Proof{}, auth.ErrTotpRequired}, {auth.Proof{Step: 1}, auth.ErrBadTotp}, {auth.Proof{Step: 2}, nil}, {auth.Proof{Step: 3}, auth.ErrBadSignInCode}} {
		if err := come(second.Hash, i.ID, step.by); !errors.Is(err, step.want) {
			t.Errorf("%+v: %v", step.by, err)
		}
	}
	if _, _, err := s.Suspend(t.Context(), act(auth.ActSuspended, ids.User{}, a.ID)); err != nil {
		t.Fatal(err)
	}
	if err := come(signInCode(t, s).Hash, i.ID, auth.Proof{Step: 4}); !errors.Is(err, auth.ErrNoAccount) {
		t.Errorf("a suspended account: %v", err)
	}
}

func lastWayInStays(t *testing.T, s Store) {
	n, ses := account(auth.NeverAdmin)
	i := identity(n.ID, "1")
	n.Identity, n.Code, n.PasswordHash = &i, signInCode(t, s).Hash, ""
	a, err := s.CreateAccount(t.Context(), n, ses)
	if err != nil {
		t.Fatal(err)
	}
	j := identity(a.ID, "2")
	if err := link(t, s, j); err != nil {
		t.Fatal(err)
	}
	b, _ := create(t, s, auth.NeverAdmin)
	if err := s.UnlinkIdentity(t.Context(), b.ID, i.ID); !errors.Is(err, auth.ErrNoIdentity) {
		t.Errorf("another's: %v", err)
	}
	var wg sync.WaitGroup
	var gone, stayed atomic.Int32
	for _, id := range []ids.Identity{i.ID, j.ID} {
		wg.Go(func() {
			switch err := s.UnlinkIdentity(t.Context(), a.ID, id, act(auth.ActIdentityUnlinked, a.ID, a.ID)); {
			case err == nil:
				gone.Add(1)
			case errors.Is(err, auth.ErrLastWayIn):
				stayed.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if gone.Load() != 1 || stayed.Load() != 1 {
		t.Errorf("%d went, %d stayed", gone.Load(), stayed.Load())
	}
	list, err := s.UserIdentities(t.Context(), a.ID)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
	if err := s.ReplacePassword(t.Context(), a.ID, "", "hash"); err != nil {
		t.Fatal(err)
	}
	if err := s.UnlinkIdentity(t.Context(), a.ID, list[0].ID, act(auth.ActIdentityUnlinked, a.ID, a.ID)); err != nil {
		t.Errorf("with a password: %v", err)
	}
	if acts := audited(t, s, auth.AuditFilter{Actions: []auth.Action{auth.ActIdentityUnlinked}}); len(acts) != 2 {
		t.Errorf("%d entries of the audit log for two", len(acts))
	}
}

// Whoever registered in another's name and linked himself is out when the
// address's owner resets the password.
func resetsUnlinkTheUnproved(t *testing.T, s Store) {
	for i, proved := range []bool{false, true} {
		a, _ := create(t, s, auth.NeverAdmin)
		other, _ := create(t, s, auth.NeverAdmin)
		for who, user := range []ids.User{a.ID, other.ID} {
			if err := link(t, s, identity(user, strconv.Itoa(2*i+who))); err != nil {
				t.Fatal(err)
			}
		}
		if proved {
			verify := linkOf(t, s, auth.MailVerify, a.ID)
			c, err := s.CredentialByUsername(t.Context(), a.Username)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.SpendVerify(t.Context(), verify.Hash, strings.ToLower(c.Email), byMail(auth.ActEmailVerified, began)); err != nil {
				t.Fatal(err)
			}
		}
		l := linkOf(t, s, auth.MailReset, a.ID)
		if _, err := s.SpendReset(t.Context(), l.Hash, "next", job(auth.MailResetDone, a.ID, began), byMail(auth.ActPasswordLink, began)); err != nil {
			t.Fatal(err)
		}
		for user, want := range map[ids.User]int{a.ID: i, other.ID: 1} {
			if list, err := s.UserIdentities(t.Context(), user); err != nil || len(list) != want {
				t.Errorf("proved before: %v: %d identities, want %d: %v", proved, len(list), want, err)
			}
		}
	}
}
