package auth_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func middle(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func proving(_ *auth.Deps, c *auth.Config) { c.VerifyEmail = true }

// enlist registers and returns the token of the mail; empty when it has none.
func enlist(t *testing.T, h *authtest.House, in auth.RegisterInput) string {
	t.Helper()
	if _, err := h.Service.Register(t.Context(), in); !errors.Is(err, auth.ErrVerifyFirst) {
		t.Fatal(err)
	}
	_, token := one(t, h)
	return token
}

func TestARegistrationBecomesAnAccountByItsLinkAlone(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		in := authtest.Input()
		token := enlist(t, h, in)
		if signs(t, h, in.Email, in.Password) || signs(t, h, in.Username, in.Password) {
			t.Fatal("signed in without a proof")
		}
		if last, err := h.Store.LastChange(t.Context()); err != nil || last != 0 {
			t.Errorf("%d events, %v", last, err)
		}
		var won atomic.Int64
		var tries sync.WaitGroup
		for range 20 {
			tries.Go(func() {
				switch err := h.VerifyEmail(t.Context(), token); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, auth.ErrBadLink):
					t.Error(err)
				}
			})
		}
		tries.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of 20 won", won.Load())
		}
		if !signs(t, h, in.Email, in.Password) {
			t.Error("cannot sign in")
		}
		a, err := h.Find(t.Context(), in.Username)
		if err != nil || !a.EmailVerified || a.Role != principal.Admin { // the first of an empty server in Dev
			t.Errorf("%+v %v", a, err)
		}
		if p := h.Profiles.Of(a.ID); p.Username != a.Username || p.DisplayName != in.DisplayName {
			t.Errorf("the profile is %+v", p)
		}
		acts, err := h.Store.AuditPage(t.Context(), auth.AuditFilter{Target: a.ID}, ids.Audit{}, 10)
		if err != nil || !slices.ContainsFunc(acts, func(a auth.Act) bool { return a.Action == auth.ActRegistered }) {
			t.Errorf("%+v %v", acts, err)
		}
	}, proving)
}

func TestARegistrationOfAKnownAddressIsToldToItsOwner(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		first := authtest.Input()
		if err := h.VerifyEmail(t.Context(), enlist(t, h, first)); err != nil {
			t.Fatal(err)
		}
		in := authtest.Input()
		in.Email = strings.ToUpper(first.Email)
		if _, err := h.Service.Register(t.Context(), in); !errors.Is(err, auth.ErrVerifyFirst) {
			t.Fatal(err)
		}
		if m, token := one(t, h); m.To != first.Email || token != "" || !strings.Contains(m.Text, first.Username) || strings.Contains(m.Text, in.Username) {
			t.Errorf("told %s: %s", m.To, m.Text)
		}

		// Two registrations of one address, each with a link of its own: the
		// account has the password of the one that was opened.
		mine, other := authtest.Input(), authtest.Input()
		other.Email, other.Password = mine.Email, "a password of an attacker"
		token, later := enlist(t, h, mine), enlist(t, h, other)
		if err := h.VerifyEmail(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		if err := h.VerifyEmail(t.Context(), later); !errors.Is(err, auth.ErrEmailTaken) {
			t.Errorf("the second: %v", err)
		}
		if !signs(t, h, mine.Email, mine.Password) || signs(t, h, mine.Email, other.Password) {
			t.Error("it has the other's password")
		}

		third := authtest.Input()
		third.Username = mine.Username
		if _, err := h.Service.Register(t.Context(), third); !errors.Is(err, auth.ErrUsernameTaken) {
			t.Errorf("a taken name: %v", err)
		}
		late := authtest.Input()
		token = enlist(t, h, late)
		h.Clock.Add(24 * time.Hour)
		if err := h.VerifyEmail(t.Context(), token); !errors.Is(err, auth.ErrBadLink) {
			t.Errorf("after a day: %v", err)
		}
		if err := h.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if signs(t, h, late.Email, late.Password) {
			t.Error("it became an account")
		}
	}, proving)
}

func TestAnInvitationIsUsedWhenTheAddressIsProven(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		uses := 1
		_, code, err := h.CreateInviteFor(t.Context(), auth.NewInvite{ExpiresAt: h.Clock.Now().Add(time.Hour), MaxUses: &uses, Role: principal.Guest})
		if err != nil {
			t.Fatal(err)
		}
		in, second := authtest.Input(), authtest.Input()
		in.InviteCode, second.InviteCode = code, code
		token, other := enlist(t, h, in), enlist(t, h, second)
		if err := h.VerifyEmail(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		if a, err := h.Find(t.Context(), in.Username); err != nil || a.Role != principal.Guest {
			t.Errorf("%+v %v", a, err)
		}
		if err := h.VerifyEmail(t.Context(), other); !errors.Is(err, auth.ErrBadInvite) {
			t.Errorf("one too many: %v", err)
		}
	}, proving, config(func(c *auth.Config) { c.Registration = auth.Invite }))
}

func TestTheSetupTokenNeedsNoMail(t *testing.T) {
	t.Parallel()
	h := setup(t, proving, config(func(c *auth.Config) { c.Env = auth.Production }))
	token, err := h.SetupToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in := authtest.Input()
	in.SetupToken = token
	if a, err := h.Service.Register(t.Context(), in); err != nil || a.Account.Role != principal.Admin || a.Account.EmailVerified {
		t.Fatal(a, err)
	}
}

// Who registers learns by no cost whether the address has an account.
func TestARegistrationToBeProvenCostsTheSameWhetherThereIsAnAccount(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		h := authtest.New(t, open(t, db), proving)
		first := authtest.Input()
		if err := h.VerifyEmail(t.Context(), enlist(t, h, first)); err != nil {
			t.Fatal(err)
		}
		register := func(email string) {
			in := authtest.Input()
			in.Email = email
			if _, err := h.Service.Register(t.Context(), in); !errors.Is(err, auth.ErrVerifyFirst) {
				t.Error(err)
			}
		}
		cost := func(email string) [3]int64 {
			before, hashed := db.Stats(), h.HashRuns()
			register(email)
			after := db.Stats()
			return [3]int64{int64(after.Reads - before.Reads), int64(after.Jobs - before.Jobs), h.HashRuns() - hashed}
		}
		known, unknown := cost(first.Email), cost("x"+first.Email)
		if known != unknown || known[2] != 1 {
			t.Errorf("reads, writes and hashes: %v of a known address, %v of an unknown one", known, unknown)
		}
		var took [2][]time.Duration
		for range 60 {
			for i, email := range []string{first.Email, "x" + first.Email} {
				begun := time.Now()
				register(email)
				took[i] = append(took[i], time.Since(begun))
			}
		}
		one, other := middle(took[0]), middle(took[1])
		t.Logf("known %v, unknown %v", one, other)
		if one > 4*other+10*time.Millisecond || other > 4*one+10*time.Millisecond {
			t.Errorf("known takes %v, unknown %v", one, other)
		}
	})
}
