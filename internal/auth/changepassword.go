package auth

import (
	"context"
	"errors"
	"fmt"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/passwords"
	"chatd/internal/platform/principal"
)

// ChangePasswordInput is a password and what is to take its place.
type ChangePasswordInput struct {
	Current string
	Next    string // 10 to 128 code points, not a common one
}

// ChangePassword gives the caller another password and ends all his sessions
// but this one, and tells him by mail; when it returns, their tokens are refused on this node and
// their sockets told. A session alone is not enough: the current password is
// asked for, with a budget of the account's own, so that whoever holds a
// stolen session cannot guess it. ErrWrongPassword, passwords.ErrBadLength and
// passwords.ErrCommon (of newPassword), ErrTooMany, passwords.ErrBusy.
func (s *Service) ChangePassword(ctx context.Context, p principal.Principal, in ChangePasswordInput) error {
	account, err := s.deps.Accounts.Account(ctx, p.User)
	if err != nil {
		return fmt.Errorf("change a password: %w", err)
	}
	if err := passwords.Check(in.Next, account.Username, account.Email); err != nil {
		return errs.Of(err).With(errs.Field("newPassword"))
	}
	cred, err := s.ownPassword(ctx, p, in.Current)
	if errors.Is(err, ErrWrongPassword) {
		return ErrWrongPassword.With(errs.Field("currentPassword"))
	}
	if err != nil {
		return fmt.Errorf("change a password: %w", err)
	}
	next, err := s.hasher.Hash(ctx, in.Next)
	if err != nil {
		return fmt.Errorf("change a password: %w", err)
	}
	gone, err := s.deps.Accounts.ChangePassword(ctx, PasswordChange{
		User: p.User, Old: cred.PasswordHash, Next: next, Keep: p.Session, At: s.now(),
		Mail: s.newMail(MailPasswordDone, p.User, account.Email),
	}, s.act(ctx, ActPasswordChange, p.User, p.User).of(p.Session))
	if errors.Is(err, ErrWrongPassword) { // another change came before this one
		return ErrWrongPassword.With(errs.Field("currentPassword"))
	}
	if err != nil {
		return fmt.Errorf("change a password: %w", err)
	}
	s.ended(gone)
	s.promised()
	return nil
}
