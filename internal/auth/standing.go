package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Standings changes what accounts may. Whoever is named as the actor must be an
// administrator who is not suspended when it is committed, else
// errs.ErrForbidden; the zero actor is the command line. ErrNoAccount. Where
// nothing changes nothing is stored, told or recorded. None of them leaves the
// server without an administrator who may sign in: ErrLastAdmin.
type Standings interface {
	// ChangeRole gives the account of a.Target a role, with the event
	// RoleChanged, and says whether it had another one.
	ChangeRole(ctx context.Context, role principal.Role, a Act) (Account, bool, error)
	// Suspend takes the account of a.Target out of use and ends its sessions,
	// with the events AccountSuspended and SessionEnded; it returns the sessions.
	Suspend(ctx context.Context, a Act) (Account, []ids.Session, error)
	// Reinstate puts it into use again, with the event AccountReinstated.
	Reinstate(ctx context.Context, a Act) (Account, error)
	// SetPassword puts a password in the place of that of a.Target, whatever
	// it was, and ends the sessions with the event SessionEnded; it returns
	// them. Links end as by ChangePassword.
	SetPassword(ctx context.Context, hash string, a Act) ([]ids.Session, error)
	// AccountPage returns accounts by rising username, those after one (empty:
	// all), at most limit; none that is deleted.
	AccountPage(ctx context.Context, after string, limit int) ([]Account, error)
}

// maxReason is the length of a reason, in code points.
const maxReason = 500

// SetRole gives another account a role, as an administrator. What runs on its
// sessions goes by it with the next request, and sockets are closed so that
// they come back with it: here before SetRole returns, on other nodes within
// PollEvery.
func (s *Service) SetRole(ctx context.Context, p principal.Principal, user ids.User, role principal.Role) (Account, error) {
	if err := mayAdminister(p, user); err != nil {
		return Account{}, err
	}
	return s.setRole(ctx, p.User, user, role)
}

func (s *Service) setRole(ctx context.Context, actor, user ids.User, role principal.Role) (Account, error) {
	if !role.Known() {
		return Account{}, errs.ErrBadInput.With(errs.Field("role"))
	}
	a, changed, err := s.deps.Standings.ChangeRole(ctx, role, s.act(ctx, ActRoleChanged, actor, user))
	if err != nil {
		return Account{}, fmt.Errorf("set the role of %s: %w", user, err)
	}
	if changed && s.catchUp(ctx) != nil { // read like any other's, so that it is not read again and closes a socket twice
		s.roleChanged([]ids.User{user})
	}
	return a, nil
}

// Suspend takes another account out of use, as an administrator: its sessions
// have ended when it returns, and it is signed in to no longer. The reason is
// for the audit log.
func (s *Service) Suspend(ctx context.Context, p principal.Principal, user ids.User, reason string) (Account, error) {
	if err := mayAdminister(p, user); err != nil {
		return Account{}, err
	}
	return s.suspend(ctx, p.User, user, reason)
}

func (s *Service) suspend(ctx context.Context, actor, user ids.User, reason string) (Account, error) {
	reason = strings.TrimSpace(reason)
	if !utf8.ValidString(reason) || utf8.RuneCountInString(reason) > maxReason || strings.ContainsFunc(reason, unicode.IsControl) {
		return Account{}, ErrBadReason
	}
	a, gone, err := s.deps.Standings.Suspend(ctx, s.act(ctx, ActSuspended, actor, user).saying(reason))
	if err != nil {
		return Account{}, fmt.Errorf("suspend %s: %w", user, err)
	}
	s.ended(gone)
	return a, nil
}

// Reinstate puts another account into use again, as an administrator. Its
// sessions stay ended.
func (s *Service) Reinstate(ctx context.Context, p principal.Principal, user ids.User) (Account, error) {
	if err := mayAdminister(p, user); err != nil {
		return Account{}, err
	}
	return s.reinstate(ctx, p.User, user)
}

func (s *Service) reinstate(ctx context.Context, actor, user ids.User) (Account, error) {
	a, err := s.deps.Standings.Reinstate(ctx, s.act(ctx, ActReinstated, actor, user))
	if err != nil {
		return Account{}, fmt.Errorf("reinstate %s: %w", user, err)
	}
	return a, nil
}

// mayAdminister says whether the caller may change what another may.
func mayAdminister(p principal.Principal, user ids.User) error {
	switch {
	case !p.May(principal.Administer):
		return ErrNotAdmin
	case p.User == user:
		return ErrOneself
	}
	return nil
}

// OnRoleChanged has f told of users who have got another role, on any node: at
// once of those who got it here, before that is acknowledged. f must not block
// and may be called at once by several goroutines. Before Start only.
func (s *Service) OnRoleChanged(f func([]ids.User)) { s.revoked.roles = f }

func (s *Service) roleChanged(users []ids.User) {
	if len(users) == 0 {
		return
	}
	s.verified.forgetUsers(users)
	s.revoked.roles(users)
}

// Stands returns who a user is without a session, as his account is stored now.
// errs.ErrUnauthenticated when there is none that may be used.
func (s *Service) Stands(ctx context.Context, user ids.User) (principal.Principal, error) {
	a, err := s.deps.Accounts.Account(ctx, user)
	if errors.Is(err, ErrNoAccount) || err == nil && a.State != Active {
		err = errs.ErrUnauthenticated
	}
	if err != nil {
		return principal.Principal{}, fmt.Errorf("account %s: %w", user, err)
	}
	return principal.Principal{User: user, Role: a.Role}, nil
}
