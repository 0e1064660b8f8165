package auth_test

import (
	"errors"
	"testing"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/passwords"
)

const nextPassword = "another long passphrase"

func TestAnotherPasswordIsTheOnlyOneAndEndsTheOthers(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		mine := h.Register(t)
		other := h.Login(t, mine.Account)
		bystander := h.Register(t)
		p := h.Caller(t, mine)
		for _, c := range []struct {
			in    auth.ChangePasswordInput
			want  error
			field string
		}{
			{auth.ChangePasswordInput{Current: nextPassword, Next: nextPassword}, auth.ErrWrongPassword, "currentPassword"},
			{auth.ChangePasswordInput{Next: nextPassword}, auth.ErrWrongPassword, "currentPassword"},
			{auth.ChangePasswordInput{Current: authtest.Password, Next: "short"}, passwords.ErrBadLength, "newPassword"},
			{auth.ChangePasswordInput{Current: authtest.Password, Next: mine.Account.Email}, passwords.ErrCommon, "newPassword"},
		} {
			if err := h.ChangePassword(t.Context(), p, c.in); !errors.Is(err, c.want) || field(err) != c.field {
				t.Errorf("%+v: %v of %v", c.in, err, field(err))
			}
		}
		h.Caller(t, other)
		if err := h.ChangePassword(t.Context(), p, auth.ChangePasswordInput{Current: authtest.Password, Next: nextPassword}); err != nil {
			t.Fatal(err)
		}
		dead(t, h, other)
		h.Caller(t, mine)
		h.Caller(t, bystander)
		if _, err := h.Service.Login(t.Context(), auth.LoginInput{Login: mine.Account.Username, Password: authtest.Password}); !errors.Is(err, auth.ErrBadCredentials) {
			t.Errorf("the old one: %v", err)
		}
		if _, err := h.Service.Login(t.Context(), auth.LoginInput{Login: mine.Account.Username, Password: nextPassword}); err != nil {
			t.Errorf("the new one: %v", err)
		}
	})
}

func TestACurrentPasswordCannotBeGuessed(t *testing.T) {
	t.Parallel()
	h := setup(t, authtest.WithLimits)
	mine := h.Register(t)
	p := h.Caller(t, mine)
	refused := 0
	for range 30 {
		err := h.ChangePassword(t.Context(), p, auth.ChangePasswordInput{Current: nextPassword, Next: nextPassword})
		if errors.Is(err, auth.ErrTooMany) {
			refused++
		} else if !errors.Is(err, auth.ErrWrongPassword) {
			t.Fatal(err)
		}
	}
	if refused < 15 {
		t.Errorf("only %d of 30 guesses were refused unchecked", refused)
	}
	h.Login(t, mine.Account) // his budget of sign-ins is untouched
}
