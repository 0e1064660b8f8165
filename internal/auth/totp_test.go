package auth_test

import (
	"encoding/base32"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/limit"
)

// Of RFC 6238, appendix B, for SHA-1, the last six of the eight digits.
func TestCodesAreThoseOfTheRFC(t *testing.T) {
	t.Parallel()
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := auth.TotpCode([]byte("12345678901234567890"), at/30); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

// phone is an authenticator with a secret.
type phone struct {
	secret   []byte
	recovery []string
}

// code is what it shows so many steps from now.
func (p phone) code(h *authtest.House, steps int64) string {
	return auth.TotpCode(p.secret, h.Clock.Now().Unix()/30+steps)
}

// secured sets up a second factor.
func secured(t *testing.T, h *authtest.House, in auth.SignIn) phone {
	t.Helper()
	p := h.Caller(t, in)
	setup, err := h.BeginTotp(t.Context(), p, authtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(setup.Secret)
	if err != nil {
		t.Fatal(err)
	}
	of := phone{secret: secret}
	if of.recovery, err = h.ConfirmTotp(t.Context(), p, of.code(h, 0)); err != nil {
		t.Fatal(err)
	}
	return of
}

func loginWith(t *testing.T, h *authtest.House, a auth.Account, code string) (auth.SignIn, error) {
	t.Helper()
	return h.Service.Login(t.Context(), auth.LoginInput{Login: a.Username, Password: authtest.Password, Totp: code})
}

func TestASecondFactorIsAskedForAfterThePassword(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		in := h.Register(t)
		a := in.Account
		of := secured(t, h, in)
		for _, code := range []string{"", of.code(h, 0), of.recovery[0]} {
			before := h.HashRuns()
			_, err := h.Service.Login(t.Context(), auth.LoginInput{Login: a.Username, Password: "not the password", Totp: code})
			if !errors.Is(err, auth.ErrBadCredentials) || h.HashRuns() != before+1 {
				t.Errorf("a wrong password with the code %q: %v, %d hashes", code, err, h.HashRuns()-before)
			}
		}
		_, err := loginWith(t, h, a, "")
		if !errors.Is(err, auth.ErrTotpRequired) || errs.Of(err).Extensions()["reason"] != "TOTP_REQUIRED" {
			t.Errorf("without a code: %v", err)
		}
		for name, code := range map[string]string{
			"that confirmed it": of.code(h, 0), "of an hour ago": of.code(h, -120), "of two steps ahead": of.code(h, 2),
			"that is none": "none", "of another length": of.code(h, 1)[:5], "that is long": strings.Repeat("1", 100_000),
		} {
			if _, err := loginWith(t, h, a, code); !errors.Is(err, auth.ErrBadTotp) {
				t.Errorf("a code %s: %v", name, err)
			}
		}
		got, err := loginWith(t, h, a, of.code(h, 1)[:3]+" "+of.code(h, 1)[3:])
		if err != nil {
			t.Fatalf("of a clock that is ahead: %v", err)
		}
		h.Caller(t, got)
		h.Clock.Add(2 * time.Minute)
		for _, want := range []error{nil, auth.ErrBadTotp} {
			if _, err := loginWith(t, h, a, of.code(h, -1)); !errors.Is(err, want) {
				t.Errorf("of a clock that is behind: %v, want %v", err, want)
			}
		}
		if _, err := loginWith(t, h, a, of.code(h, 0)); err != nil {
			t.Error("the next code:", err)
		}
		if _, err := loginWith(t, h, a, of.code(h, -1)); !errors.Is(err, auth.ErrBadTotp) {
			t.Error("an older code than the last:", err)
		}
	})
}

func TestACodeIsTakenOnce(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		in := h.Register(t)
		of := secured(t, h, in)
		h.Clock.Add(time.Minute)
		for _, code := range []string{of.code(h, 0), of.recovery[3]} {
			var winners atomic.Int64
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if _, err := loginWith(t, h, in.Account, code); err == nil {
						winners.Add(1)
					} else if !errors.Is(err, auth.ErrBadTotp) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if winners.Load() != 1 {
				t.Errorf("%s was taken %d times", code, winners.Load())
			}
		}
	})
}

func TestRecoveryCodesStandInForThePhoneOnceEach(t *testing.T) {
	t.Parallel()
	h := setup(t)
	in, other := h.Register(t), h.Register(t)
	of, others := secured(t, h, in), secured(t, h, other)
	if len(of.recovery) != 10 {
		t.Fatal(of.recovery)
	}
	if _, err := loginWith(t, h, in.Account, others.recovery[0]); !errors.Is(err, auth.ErrBadTotp) {
		t.Errorf("another's: %v", err)
	}
	for i, code := range of.recovery {
		on, left, err := h.SecondFactor(t.Context(), h.Caller(t, in), in.Account.ID)
		if err != nil || !on || left != 10-i {
			t.Fatal(on, left, err)
		}
		written := []string{code, strings.ToUpper(code), strings.ReplaceAll(code, "-", ""), strings.ReplaceAll(code, "-", " ")}[i%4]
		for _, want := range []error{nil, auth.ErrBadTotp} {
			if _, err := loginWith(t, h, in.Account, written); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", written, err, want)
			}
		}
	}
}

func TestASecondFactorNeedsThePasswordAgain(t *testing.T) {
	t.Parallel()
	h := setup(t)
	in := h.Register(t)
	p := h.Caller(t, in)
	for _, password := range []string{"", "not the password", strings.Repeat("x", 1<<20)} {
		if _, err := h.BeginTotp(t.Context(), p, password); !errors.Is(err, auth.ErrWrongPassword) {
			t.Errorf("%.20q: %v", password, err)
		}
	}
	if _, err := h.ConfirmTotp(t.Context(), p, "123456"); !errors.Is(err, auth.ErrTotpOff) {
		t.Errorf("not begun: %v", err)
	}
	setup, err := h.BeginTotp(t.Context(), p, authtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(setup.URL)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Query().Get("secret") != setup.Secret || len(setup.Secret) != 32 ||
		!strings.HasSuffix(u.Path, ":"+in.Account.Username) || u.Query().Get("issuer") != "chatd" {
		t.Errorf("%s %s", setup.URL, setup.Secret)
	}
	if _, err := h.ConfirmTotp(t.Context(), p, "none"); !errors.Is(err, auth.ErrBadCode) || field(err) != "code" {
		t.Errorf("a wrong code: %v", err)
	}
	h.Login(t, in.Account) // it waits, and is not asked for
	h.Clock.Add(31 * time.Minute)
	if _, err := h.ConfirmTotp(t.Context(), h.Caller(t, h.Login(t, in.Account)), "none"); !errors.Is(err, auth.ErrTotpOff) {
		t.Errorf("half an hour later: %v", err)
	}
}

func TestOtherSessionsEndWhenTheSecondFactorChanges(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		in := h.Register(t)
		also, bystander := h.Login(t, in.Account), h.Register(t)
		of := secured(t, h, in)
		dead(t, h, also)
		p := h.Caller(t, in)
		if _, err := h.BeginTotp(t.Context(), p, authtest.Password); !errors.Is(err, auth.ErrTotpOn) {
			t.Errorf("a second one: %v", err)
		}
		h.Clock.Add(time.Minute)
		later, err := loginWith(t, h, in.Account, of.code(h, 0))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			password, code string
			want           error
		}{
			{"not the password", of.recovery[0], auth.ErrWrongPassword},
			{authtest.Password, "", auth.ErrBadCode},
			{authtest.Password, of.code(h, 0), auth.ErrBadCode}, // of the sign-in
			{authtest.Password, "none", auth.ErrBadCode},
		} {
			if err := h.DisableTotp(t.Context(), p, c.password, c.code); !errors.Is(err, c.want) {
				t.Errorf("%q: %v, want %v", c.code, err, c.want)
			}
		}
		if err := h.DisableTotp(t.Context(), p, authtest.Password, of.recovery[0]); err != nil {
			t.Fatal(err)
		}
		dead(t, h, later)
		h.Caller(t, in)
		h.Caller(t, bystander)
		h.Login(t, in.Account)
		if err := h.DisableTotp(t.Context(), p, authtest.Password, ""); !errors.Is(err, auth.ErrTotpOff) {
			t.Errorf("again: %v", err)
		}
	})
}

// The limiter's budgets refill by the wall clock, which is why only what is
// certain within a moment is asked.
func TestCodesCannotBeGuessed(t *testing.T) {
	t.Parallel()
	h := setup(t, authtest.WithLimits, config(func(c *auth.Config) {
		c.Rates.Account, c.Rates.Network, c.Rates.Known = limit.Rate{Burst: 1000, Per: time.Second}, limit.Rate{Burst: 1000, Per: time.Second}, limit.Rate{Burst: 1000, Per: time.Second}
		c.Rates.Totp = limit.Rate{Burst: 5, Per: time.Hour}
	}))
	in, other := h.Register(t), h.Register(t)
	of, others := secured(t, h, in), secured(t, h, other) // one of the five
	var checked, refused atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := loginWith(t, h, in.Account, "none")
			switch {
			case errors.Is(err, auth.ErrBadTotp):
				checked.Add(1)
			case errors.Is(err, auth.ErrTooMany) && errs.Of(err).Extensions()["retryAfterMs"] != nil:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if checked.Load() != 4 || refused.Load() != 46 {
		t.Errorf("%d checked, %d refused", checked.Load(), refused.Load())
	}
	h.Clock.Add(time.Minute)
	if _, err := loginWith(t, h, in.Account, of.code(h, 0)); !errors.Is(err, auth.ErrTooMany) {
		t.Errorf("the right one: %v", err)
	}
	if _, err := loginWith(t, h, in.Account, of.recovery[0]); err != nil {
		t.Errorf("who guesses keeps the owner out: %v", err)
	}
	if _, err := loginWith(t, h, other.Account, others.code(h, 0)); err != nil {
		t.Errorf("another account pays: %v", err)
	}
	var wrong int
	for range 10 {
		if _, err := h.BeginTotp(t.Context(), h.Caller(t, other), "not the password"); errors.Is(err, auth.ErrWrongPassword) {
			wrong++
		}
	}
	if wrong < 4 || wrong > 6 {
		t.Errorf("%d passwords were tried by one who was signed in", wrong)
	}
}

func TestASecretIsSealedToItsUser(t *testing.T) {
	t.Parallel()
	h := setup(t)
	in, other := h.Register(t), h.Register(t)
	of := secured(t, h, in)
	stored, err := h.Store.Totp(t.Context(), in.Account.ID)
	if err != nil || strings.Contains(string(stored.Sealed), string(of.secret)) {
		t.Fatal("not sealed", err)
	}
	// Whoever can write the store cannot make another's secret a third one's.
	stored.User = other.Account.ID
	if err := h.Store.BeginTotp(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	h.Clock.Add(time.Minute)
	if _, err := h.ConfirmTotp(t.Context(), h.Caller(t, other), of.code(h, 0)); err == nil || errs.Of(err) != nil {
		t.Errorf("%v", err)
	}
}

func TestOnlyOwnersAndAdministratorsSeeASecondFactor(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin, member, other := h.Register(t), h.Register(t), h.Register(t)
	secured(t, h, member)
	for _, in := range []auth.SignIn{admin, member} {
		if on, left, err := h.SecondFactor(t.Context(), h.Caller(t, in), member.Account.ID); err != nil || !on || left != 10 {
			t.Error(on, left, err)
		}
	}
	for _, id := range []ids.User{member.Account.ID, ids.New[ids.User]()} {
		if _, _, err := h.SecondFactor(t.Context(), h.Caller(t, other), id); !errors.Is(err, errs.ErrForbidden) {
			t.Error(err)
		}
	}
}
