package auth

import (
	"context"
	"encoding/base64"
	"fmt"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/passwords"
	"chatd/internal/platform/principal"
)

// What whoever runs the server does, on its machine and without an account:
// the audit log names no actor. Nodes that are running read of it as of what
// other nodes do.

// AddAccount makes an account with a role and its profile, and no session,
// whatever the server says of registration. The errors are those of BadInput
// and Conflict with their field.
func (s *Service) AddAccount(ctx context.Context, in RegisterInput, role principal.Role) (Account, error) {
	if !role.Known() || role == principal.Bot {
		return Account{}, ErrBotRole
	}
	a, err := s.newAccount(in)
	if err != nil {
		return Account{}, err
	}
	a.Role = role
	if a.PasswordHash, err = s.hasher.Hash(ctx, in.Password); err != nil {
		return Account{}, fmt.Errorf("add an account: %w", err)
	}
	made, err := s.deps.Accounts.CreateAccount(ctx, a, Session{}, s.act(ctx, ActRegistered, ids.User{}, a.ID))
	if err != nil {
		return Account{}, fmt.Errorf("add an account: %w", err)
	}
	return made, s.profile(ctx, a)
}

// Accounts lists accounts by username, those after one (empty: all).
func (s *Service) Accounts(ctx context.Context, after string, limit int) ([]Account, error) {
	list, err := s.deps.Standings.AccountPage(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	return list, nil
}

// Find returns the account of a username, an address or an identifier;
// ErrNoAccount.
func (s *Service) Find(ctx context.Context, login string) (Account, error) {
	if id, ok := ids.ParseUser(login); ok {
		a, err := s.deps.Accounts.Account(ctx, id)
		if err != nil {
			return Account{}, fmt.Errorf("find %s: %w", login, err)
		}
		return a, nil
	}
	login, find := s.finder(login)
	c, err := find(ctx, login)
	if err != nil {
		return Account{}, fmt.Errorf("find the account: %w", err)
	}
	return c.Account, nil
}

// GiveRole is SetRole without an actor.
func (s *Service) GiveRole(ctx context.Context, user ids.User, role principal.Role) (Account, error) {
	return s.setRole(ctx, ids.User{}, user, role)
}

// SuspendFor is Suspend without an actor.
func (s *Service) SuspendFor(ctx context.Context, user ids.User, reason string) (Account, error) {
	return s.suspend(ctx, ids.User{}, user, reason)
}

// ReinstateFor is Reinstate without an actor.
func (s *Service) ReinstateFor(ctx context.Context, user ids.User) (Account, error) {
	return s.reinstate(ctx, ids.User{}, user)
}

// CreateInviteFor is CreateInvite without an actor.
func (s *Service) CreateInviteFor(ctx context.Context, n NewInvite) (Invitation, string, error) {
	return s.createInvite(ctx, ids.User{}, n)
}

// ResetPassword gives an account another password and ends its sessions.
// passwords.ErrBadLength, passwords.ErrCommon, ErrBotRole, ErrNoAccount.
func (s *Service) ResetPassword(ctx context.Context, a Account, password string) error {
	if err := passwords.Check(password, a.Username, a.Email); err != nil {
		return err
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return fmt.Errorf("reset a password: %w", err)
	}
	gone, err := s.deps.Standings.SetPassword(ctx, hash, s.act(ctx, ActPasswordReset, ids.User{}, a.ID))
	if err != nil {
		return fmt.Errorf("reset a password: %w", err)
	}
	s.ended(gone)
	return nil
}

// ResetTotp takes away the second factor of somebody who has lost it, recovery
// codes too, and ends all his sessions: he signs in by his password alone then
// and may set up another. ErrTotpOff.
func (s *Service) ResetTotp(ctx context.Context, user ids.User) error {
	gone, err := s.deps.Factors.DisableTotp(ctx, TotpTurn{User: user, At: s.now()}, Proof{Lost: true},
		s.act(ctx, ActFactorOff, ids.User{}, user))
	if err != nil {
		return fmt.Errorf("reset a second factor: %w", err)
	}
	s.ended(gone)
	return nil
}

// RandomPassword makes a password that nobody guesses, for who is to change it.
func RandomPassword() string { return base64.RawURLEncoding.EncodeToString(keys.Random(15)) }
