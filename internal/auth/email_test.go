package auth_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mail"
	"chatd/internal/platform/passwords"
	"chatd/internal/platform/principal"
)

// delivered has what is due sent, and returns what was.
func delivered(t *testing.T, h *authtest.House) []mail.Message {
	t.Helper()
	if err := h.DeliverMail(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h.Mail.Take()
}

// one is the only mail that is sent, and the token of its link.
func one(t *testing.T, h *authtest.House) (mail.Message, string) {
	t.Helper()
	all := delivered(t, h)
	if len(all) != 1 {
		t.Fatalf("%d mails: %+v", len(all), all)
	}
	return all[0], authtest.Token(all[0])
}

// reset asks for a link and returns its token.
func reset(t *testing.T, h *authtest.House, a auth.Account) string {
	t.Helper()
	if err := h.RequestPasswordReset(t.Context(), a.Email); err != nil {
		t.Fatal(err)
	}
	m, token := one(t, h)
	if m.To != a.Email || token == "" {
		t.Fatalf("to %s: %s", m.To, m.Text)
	}
	return token
}

// signs says whether somebody can sign in.
func signs(t *testing.T, h *authtest.House, login, password string) bool {
	t.Helper()
	_, err := h.Service.Login(t.Context(), auth.LoginInput{Login: login, Password: password})
	if err != nil && !errors.Is(err, auth.ErrBadCredentials) {
		t.Fatal(err)
	}
	return err == nil
}

func TestALinkSetsAnotherPasswordOnceAndEndsAllSessions(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		mine := h.Register(t)
		other := h.Login(t, mine.Account)
		bystander := h.Register(t)
		token := reset(t, h, mine.Account)
		h.Caller(t, mine) // asking ends nothing
		for password, want := range map[string]error{"short": passwords.ErrBadLength, mine.Account.Username: passwords.ErrBadLength, mine.Account.Email: passwords.ErrCommon} {
			if err := h.ResetByLink(t.Context(), token, password); !errors.Is(err, want) || field(err) != "newPassword" {
				t.Errorf("%q: %v of %v", password, err, field(err))
			}
		}
		var won, lost atomic.Int64
		var tries sync.WaitGroup
		for range 100 {
			tries.Go(func() {
				switch err := h.ResetByLink(t.Context(), token, nextPassword); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, auth.ErrBadLink):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		tries.Wait()
		if won.Load() != 1 || lost.Load() != 99 {
			t.Fatalf("%d of 100 won, %d lost", won.Load(), lost.Load())
		}
		dead(t, h, mine)
		dead(t, h, other)
		h.Caller(t, bystander)
		if signs(t, h, mine.Account.Username, authtest.Password) || !signs(t, h, mine.Account.Username, nextPassword) {
			t.Error("the password is not the new one alone")
		}
		if m, token := one(t, h); m.To != mine.Account.Email || token != "" || m.Subject == "" {
			t.Errorf("the notice is %+v", m)
		}
		if a, err := h.Store.Account(t.Context(), mine.Account.ID); err != nil || !a.EmailVerified {
			t.Errorf("who had the mail has the address: %+v %v", a, err)
		}
		acts, err := h.Store.AuditPage(t.Context(), auth.AuditFilter{Actions: []auth.Action{auth.ActPasswordLink}}, ids.Audit{}, 10)
		if err != nil || len(acts) != 1 || acts[0].Target != mine.Account.ID || acts[0].Detail != "" {
			t.Errorf("%+v %v", acts, err)
		}
	})
}

func TestALinkToResetEndsByItsAgeANewerOneAndEveryChange(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		refused := func(why, token string) {
			t.Helper()
			if err := h.ResetByLink(t.Context(), token, "a password of an old link"); !errors.Is(err, auth.ErrBadLink) || field(err) != "token" {
				t.Errorf("%s: %v", why, err)
			}
		}
		mine := h.Register(t)
		first := reset(t, h, mine.Account)
		second := reset(t, h, mine.Account)
		refused("an older one", first)
		h.Clock.Add(30 * time.Minute)
		refused("one of half an hour", second)
		h.Clock.Add(-time.Second)
		if err := h.ResetByLink(t.Context(), second, nextPassword); err != nil {
			t.Fatalf("one of less: %v", err)
		}
		refused("a used one", second)
		delivered(t, h)

		mine = h.Register(t)
		p := h.Caller(t, mine)
		token := reset(t, h, mine.Account)
		if err := h.RequestPasswordReset(t.Context(), mine.Account.Email); err != nil { // and one that waits
			t.Fatal(err)
		}
		if err := h.ChangePassword(t.Context(), p, auth.ChangePasswordInput{Current: authtest.Password, Next: nextPassword}); err != nil {
			t.Fatal(err)
		}
		refused("one before a change of the password", token)
		if m, token := one(t, h); token != "" {
			t.Errorf("a link that was asked for before the change: %s", m.Text)
		}
		token = reset(t, h, mine.Account)
		if err := h.ResetPassword(t.Context(), mine.Account, authtest.Password); err != nil {
			t.Fatal(err)
		}
		refused("one before the command line set it", token)

		mine = h.Register(t)
		p = h.Caller(t, mine)
		token = reset(t, h, mine.Account)
		if err := h.ChangeEmail(t.Context(), p, auth.ChangeEmailInput{Email: "new" + mine.Account.Email, Password: authtest.Password}); err != nil {
			t.Fatal(err)
		}
		for _, m := range delivered(t, h) {
			if link := authtest.Token(m); link != "" {
				if err := h.VerifyEmail(t.Context(), link); err != nil {
					t.Fatal(err)
				}
			}
		}
		refused("one before a change of the address", token)
		for _, token := range []string{"", "x", token + "x"} {
			refused("one that is none", token)
		}
	})
}

func TestNoMailGoesToStrangersSpellingsOrWhoMayNotComeIn(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		mine := h.Register(t)
		at := mine.Account.Email
		for _, odd := range []string{
			at + "\r\nBcc: eve@example.com", at + ",eve@example.com", at + " eve@example.com", "[\"" + at + "\",\"eve@example.com\"]",
			"<" + at + ">", "\"" + at, at + "\x00", "us\u0435r1@example.org", "a@b@" + at, "",
		} {
			if err := h.RequestPasswordReset(t.Context(), odd); !errors.Is(err, auth.ErrBadEmail) {
				t.Errorf("%q: %v", odd, err)
			}
		}
		for _, other := range []string{"x" + at, "a+" + at, at + ".com", "nobody@example.org"} {
			if err := h.RequestPasswordReset(t.Context(), other); err != nil {
				t.Errorf("%q: %v", other, err)
			}
		}
		if all := delivered(t, h); len(all) != 0 {
			t.Fatalf("mail went to %+v", all)
		}
		if err := h.RequestPasswordReset(t.Context(), " USER"+at[len("user"):]+" "); err != nil {
			t.Fatal(err)
		}
		if m, _ := one(t, h); m.To != at {
			t.Errorf("to %q, not %q", m.To, at)
		}

		token := reset(t, h, mine.Account)
		if err := h.RequestPasswordReset(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if _, err := h.SuspendFor(t.Context(), mine.Account.ID, ""); err == nil {
			t.Fatal("the only administrator was suspended")
		}
		h.Register(t)
		if _, err := h.GiveRole(t.Context(), h.Register(t).Account.ID, principal.Admin); err != nil {
			t.Fatal(err)
		}
		if _, err := h.SuspendFor(t.Context(), mine.Account.ID, ""); err != nil {
			t.Fatal(err)
		}
		if err := h.RequestPasswordReset(t.Context(), at); err != nil { // says what it always says
			t.Fatal(err)
		}
		if all := delivered(t, h); len(all) != 0 {
			t.Errorf("a suspended account gets %+v", all)
		}
		if err := h.ResetByLink(t.Context(), token, nextPassword); !errors.Is(err, auth.ErrBadLink) {
			t.Errorf("the link of a suspended account: %v", err)
		}
	})
}

func TestAnAddressIsProvenByItsLink(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		mine := h.Register(t)
		p := h.Caller(t, mine)
		if err := h.RequestEmailVerification(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		_, token := one(t, h)
		if err := h.ResetByLink(t.Context(), token, nextPassword); !errors.Is(err, auth.ErrBadLink) {
			t.Errorf("as a link to reset: %v", err)
		}
		if err := h.VerifyEmail(t.Context(), reset(t, h, mine.Account)); !errors.Is(err, auth.ErrBadLink) {
			t.Errorf("a link to reset as this: %v", err)
		}
		h.Clock.Add(24*time.Hour - time.Second)
		if err := h.VerifyEmail(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		if err := h.VerifyEmail(t.Context(), token); !errors.Is(err, auth.ErrBadLink) {
			t.Errorf("a second time: %v", err)
		}
		if a, err := h.Store.Account(t.Context(), p.User); err != nil || !a.EmailVerified {
			t.Errorf("%+v %v", a, err)
		}
		if err := h.RequestEmailVerification(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if all := delivered(t, h); len(all) != 0 {
			t.Errorf("what is proven is proven again: %+v", all)
		}
	})
}

func TestAnotherAddressIsConfirmedAndTheOldOneIsTold(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		mine, other := h.Register(t), h.Register(t)
		p := h.Caller(t, mine)
		next := "Next." + mine.Account.Email
		for _, c := range []struct {
			in   auth.ChangeEmailInput
			want error
		}{
			{auth.ChangeEmailInput{Email: "none", Password: authtest.Password}, auth.ErrBadEmail},
			{auth.ChangeEmailInput{Email: next, Password: nextPassword}, auth.ErrWrongPassword},
			{auth.ChangeEmailInput{Email: next}, auth.ErrWrongPassword}, // a stolen session is not enough
		} {
			if err := h.ChangeEmail(t.Context(), p, c.in); !errors.Is(err, c.want) {
				t.Errorf("%+v: %v", c.in, err)
			}
		}
		if all := delivered(t, h); len(all) != 0 {
			t.Fatalf("mail of refusals: %+v", all)
		}
		ask := func(email string) (token string, to map[string]bool) {
			t.Helper()
			if err := h.ChangeEmail(t.Context(), p, auth.ChangeEmailInput{Email: email, Password: authtest.Password}); err != nil {
				t.Fatal(err)
			}
			to = map[string]bool{}
			for _, m := range delivered(t, h) {
				to[m.To] = true
				if link := authtest.Token(m); link != "" {
					token = link
					if m.To != email {
						t.Errorf("the link went to %s", m.To)
					}
				}
			}
			return token, to
		}
		if token, to := ask(other.Account.Email); token != "" || !to[other.Account.Email] || !to[mine.Account.Email] {
			t.Errorf("an address that somebody has: link %q, mail to %v", token, to)
		}
		token, to := ask(next)
		if !to[next] || !to[mine.Account.Email] || len(to) != 2 {
			t.Fatalf("mail to %v", to)
		}
		if a, err := h.Store.Account(t.Context(), p.User); err != nil || a.Email != mine.Account.Email {
			t.Errorf("changed before it is confirmed: %+v %v", a, err)
		}
		if err := h.VerifyEmail(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		if a, err := h.Store.Account(t.Context(), p.User); err != nil || a.Email != next || !a.EmailVerified {
			t.Errorf("%+v %v", a, err)
		}
		if m, link := one(t, h); m.To != mine.Account.Email || link != "" {
			t.Errorf("the old address is told %+v", m)
		}
		if signs(t, h, mine.Account.Email, authtest.Password) || !signs(t, h, next, authtest.Password) {
			t.Error("the new address does not sign in, or the old one does")
		}
		h.Caller(t, mine) // his sessions stay

		// Somebody else was quicker, and one who resets his password ends it.
		token, _ = ask("third" + mine.Account.Email)
		in := authtest.Input()
		in.Email = "third" + mine.Account.Email
		if _, err := h.Service.Register(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		if err := h.VerifyEmail(t.Context(), token); !errors.Is(err, auth.ErrEmailTaken) {
			t.Errorf("an address that is somebody's by now: %v", err)
		}
		token, _ = ask("fourth" + mine.Account.Email)
		mine.Account.Email = next
		if err := h.ResetByLink(t.Context(), reset(t, h, mine.Account), nextPassword); err != nil {
			t.Fatal(err)
		}
		if err := h.VerifyEmail(t.Context(), token); !errors.Is(err, auth.ErrBadLink) {
			t.Errorf("a change that was asked for before the reset: %v", err)
		}
	})
}

func TestAnotherAddressAsksForTheSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		mine := h.Register(t)
		p := h.Caller(t, mine)
		phone := secured(t, h, mine)
		in := auth.ChangeEmailInput{Email: "new" + mine.Account.Email, Password: authtest.Password}
		if err := h.ChangeEmail(t.Context(), p, in); !errors.Is(err, auth.ErrTotpRequired) {
			t.Errorf("without a code: %v", err)
		}
		in.Totp = "12345" // too short for any
		if err := h.ChangeEmail(t.Context(), p, in); !errors.Is(err, auth.ErrBadTotp) {
			t.Errorf("with a wrong one: %v", err)
		}
		if all := delivered(t, h); len(all) != 0 {
			t.Fatalf("mail of refusals: %+v", all)
		}
		in.Totp = phone.recovery[0]
		if err := h.ChangeEmail(t.Context(), p, in); err != nil {
			t.Fatal(err)
		}
		if all := delivered(t, h); len(all) != 2 {
			t.Errorf("%d mails", len(all))
		}
		if err := h.ChangeEmail(t.Context(), p, in); !errors.Is(err, auth.ErrBadTotp) {
			t.Errorf("with a spent one: %v", err)
		}
	})
}

func TestAUsernameIsChangedForThePassword(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		mine, other := h.Register(t), h.Register(t)
		p := h.Caller(t, mine)
		for _, c := range []struct {
			name, password string
			want           error
		}{
			{"x", authtest.Password, auth.ErrBadUsername},
			{"а-homoglyph", authtest.Password, auth.ErrBadUsername},
			{"countess", nextPassword, auth.ErrWrongPassword},
			{other.Account.Username, authtest.Password, auth.ErrUsernameTaken},
		} {
			if _, err := h.ChangeUsername(t.Context(), p, c.name, c.password); !errors.Is(err, c.want) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		next := "Countess." + mine.Account.Username
		a, err := h.ChangeUsername(t.Context(), p, next, authtest.Password)
		if err != nil || a.Username != "countess."+mine.Account.Username {
			t.Fatal(a, err)
		}
		if got := h.Profiles.Of(p.User).Username; got != a.Username {
			t.Errorf("the profile has the name %s", got)
		}
		if signs(t, h, mine.Account.Username, authtest.Password) || !signs(t, h, next, authtest.Password) {
			t.Error("the old name signs in, or the new one does not")
		}
		if m, _ := one(t, h); m.To != mine.Account.Email {
			t.Errorf("told %s", m.To)
		}
		if _, err := h.ChangeUsername(t.Context(), h.Caller(t, other), mine.Account.Username, authtest.Password); err != nil {
			t.Errorf("a name that is free again: %v", err)
		}
	})
}
