package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/passwords"
)

func TestLoginIsByUsernameOrAddressInAnyCase(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		a := h.Register(t).Account
		for _, login := range []string{a.Username, a.Email, strings.ToUpper(a.Username), strings.ToUpper(a.Email), " " + a.Email + " "} {
			got, err := h.Service.Login(t.Context(), auth.LoginInput{Login: login, Password: authtest.Password})
			if err != nil || got.Account != a {
				t.Errorf("%q: %+v %v", login, got.Account, err)
			}
		}
	})
}

func TestUnknownAndWrongGetOneAnswerAndCostTheSame(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		a := h.Register(t).Account
		var answers []string
		for _, login := range []string{a.Username, a.Email, "nobody", "nobody@example.org", "no\x00body", "", strings.Repeat("x", 10_000)} {
			before := h.HashRuns()
			_, err := h.Service.Login(t.Context(), auth.LoginInput{Login: login, Password: "not the password"})
			if e := errs.Of(err); e != nil {
				answers = append(answers, e.Error())
			}
			if !errors.Is(err, auth.ErrBadCredentials) || h.HashRuns() != before+1 {
				t.Errorf("%.20q: %v, %d hashes", login, err, h.HashRuns()-before)
			}
		}
		for _, answer := range answers {
			if answer != answers[0] {
				t.Errorf("%q is not %q", answer, answers[0])
			}
		}
	})
}

func TestLongPasswordsAreRefusedWithoutAHash(t *testing.T) {
	t.Parallel()
	h := setup(t)
	a := h.Register(t).Account
	before := h.HashRuns()
	for _, login := range []string{a.Username, "nobody"} {
		_, err := h.Service.Login(t.Context(), auth.LoginInput{Login: login, Password: strings.Repeat("x", 1<<20)})
		if !errors.Is(err, auth.ErrBadCredentials) {
			t.Error(err)
		}
	}
	if h.HashRuns() != before {
		t.Error("a megabyte was hashed")
	}
}

func TestOfManyGuessesAtOnceOnlyTheBudgetIsChecked(t *testing.T) {
	t.Parallel()
	h := setup(t, authtest.WithLimits, config(func(c *auth.Config) { c.HashQueue = 1000 }))
	a := h.Register(t).Account
	before := h.HashRuns()
	var limited atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			_, err := h.Service.Login(authtest.From(t.Context(), "192.0.2.66"), auth.LoginInput{Login: a.Username, Password: "a wrong password"})
			if errors.Is(err, auth.ErrTooMany) && errs.Of(err).Extensions()["retryAfterMs"].(int64) > 0 {
				limited.Add(1)
			}
		})
	}
	wg.Wait()
	if checked := h.HashRuns() - before; checked != 10 || limited.Load() != 90 {
		t.Fatalf("%d guesses were checked, %d refused", checked, limited.Load())
	}
}

func TestStrangersCannotLockSomebodyOutOfHisOwnAddress(t *testing.T) {
	t.Parallel()
	h := setup(t, authtest.WithLimits)
	home := authtest.From(t.Context(), "2001:db8:1::5")
	in := authtest.Input()
	if _, err := h.Service.Register(home, in); err != nil {
		t.Fatal(err)
	}
	try := func(ctx context.Context, password string) error {
		_, err := h.Service.Login(ctx, auth.LoginInput{Login: in.Username, Password: password})
		return err
	}
	// From his own address too: a neighbour behind the same translator.
	for _, from := range []string{"203.0.113.9", "203.0.113.10"} {
		for range 200 {
			_ = try(authtest.From(t.Context(), from), "a wrong password")
		}
	}
	if err := try(authtest.From(t.Context(), "198.51.100.1"), in.Password); !errors.Is(err, auth.ErrTooMany) {
		t.Fatalf("a new address while strangers guess: %v", err)
	}
	same64 := authtest.From(t.Context(), "2001:db8:1::99")
	if err := try(same64, in.Password); err != nil {
		t.Fatalf("the own network: %v", err)
	}
	h.Clock.Add(31 * 24 * time.Hour)
	if err := try(home, in.Password); !errors.Is(err, auth.ErrTooMany) {
		t.Fatalf("after 31 days: %v", err)
	}
}

func TestUnknownLoginsAreThrottledLikeKnownOnes(t *testing.T) {
	t.Parallel()
	h := setup(t, authtest.WithLimits)
	known := h.Register(t).Account.Username
	count := func(login string) (n int) {
		for range 30 {
			_, err := h.Service.Login(authtest.From(t.Context(), "192.0.2.66"), auth.LoginInput{Login: login, Password: "a wrong password"})
			if errors.Is(err, auth.ErrBadCredentials) {
				n++
			}
		}
		return n
	}
	if a, b := count(known), count("nobody"); a != b {
		t.Fatalf("known %d, unknown %d", a, b)
	}
}

func TestHashesAreRenewedWhenTheyShouldCostMore(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		a := h.Register(t).Account
		before, err := h.Store.CredentialByUsername(t.Context(), a.Username)
		if err != nil || !strings.HasPrefix(before.PasswordHash, "$argon2id$v=19$m=8,t=1,p=1$") {
			t.Fatal(before.PasswordHash, err)
		}
		raised := authtest.New(t, h.Store, config(func(c *auth.Config) {
			c.Hash = passwords.Params{MemoryKiB: 16, Passes: 2, Lanes: 1}
		}))
		raised.Login(t, a)
		after, err := h.Store.CredentialByUsername(t.Context(), a.Username)
		if err != nil || !strings.HasPrefix(after.PasswordHash, "$argon2id$v=19$m=16,t=2,p=1$") {
			t.Fatal(after.PasswordHash, err)
		}
		raised.Login(t, a)
		if again, _ := h.Store.CredentialByUsername(t.Context(), a.Username); again.PasswordHash != after.PasswordHash {
			t.Fatal("a hash that costs enough was renewed")
		}
	})
}

func TestTooManyHashesAtOnceAreRefused(t *testing.T) {
	t.Parallel()
	h := setup(t, config(func(c *auth.Config) {
		c.HashSlots, c.HashQueue = 1, 3
		c.Hash = passwords.Params{MemoryKiB: 4096, Passes: 3, Lanes: 1}
	}))
	var busy, wrong atomic.Int32
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			_, err := h.Service.Login(t.Context(), auth.LoginInput{Login: "nobody", Password: "a wrong password"})
			switch {
			case errors.Is(err, passwords.ErrBusy) && errs.KindOf(err) == errs.Unavailable:
				busy.Add(1)
			case errors.Is(err, auth.ErrBadCredentials):
				wrong.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if busy.Load() == 0 || wrong.Load() == 0 {
		t.Fatalf("%d refused, %d checked", busy.Load(), wrong.Load())
	}
}

// However often somebody signs in, his sessions are bounded, and the device
// that he goes on using stays.
func TestAThousandSignInsLeaveTheDeviceInUse(t *testing.T) {
	t.Parallel()
	h := setup(t)
	used := h.Register(t)
	for n := range 1000 {
		h.Clock.Add(time.Minute)
		h.Login(t, used.Account)
		if n%50 == 0 {
			used = refresh(t, h, used.RefreshToken)
		}
	}
	used = refresh(t, h, used.RefreshToken)
	list, err := h.Sessions(t.Context(), h.Caller(t, used))
	if err != nil || len(list) != 100 || !slices.ContainsFunc(list, func(s auth.Session) bool { return s.ID == used.Session.ID }) {
		t.Fatal(len(list), err)
	}
}

func TestTheSessionUnusedLongestMakesRoom(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		first := h.Register(t)
		h.Clock.Add(time.Second)
		second := h.Login(t, first.Account)
		h.Clock.Add(time.Second)
		kept, err := h.Refresh(t.Context(), first.RefreshToken)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			h.Clock.Add(time.Second)
			h.Login(t, first.Account)
		}
		list, err := h.Sessions(t.Context(), h.Caller(t, kept))
		if err != nil || len(list) != 6 {
			t.Fatal(len(list), err)
		}
		h.Login(t, first.Account)
		if _, err := h.Authenticate(t.Context(), second.AccessToken); !errors.Is(err, auth.ErrBadToken) || h.Told(second.Session.ID) == 0 {
			t.Fatalf("the second: %v", err)
		}
		h.Caller(t, kept)
	}, config(func(c *auth.Config) { c.SessionLimit = 6 }))
}
