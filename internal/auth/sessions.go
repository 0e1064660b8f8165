package auth

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Sessions returns the caller's sessions, the last used first.
func (s *Service) Sessions(ctx context.Context, p principal.Principal) ([]Session, error) {
	list, err := s.deps.Sessions.UserSessions(ctx, p.User, s.now())
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// Session returns one of the caller's sessions; ErrNoSession for another's as
// for one that is not there.
func (s *Service) Session(ctx context.Context, p principal.Principal, id ids.Session) (Session, error) {
	session, err := s.deps.Sessions.Session(ctx, id, s.now())
	if err != nil {
		return Session{}, fmt.Errorf("session: %w", err)
	}
	if session.User != p.User {
		return Session{}, ErrNoSession
	}
	return session, nil
}

// Logout ends the caller's session. When it returns, no token of the session
// is good on this node, and its sockets are told.
func (s *Service) Logout(ctx context.Context, p principal.Principal) error {
	return s.end(ctx, p.User, Which{Session: p.Session, Reason: LoggedOut, At: s.now()},
		s.act(ctx, ActSignedOut, p.User, p.User).of(p.Session))
}

// LogoutEverywhere ends all sessions of the caller, this one too.
func (s *Service) LogoutEverywhere(ctx context.Context, p principal.Principal) error {
	return s.end(ctx, p.User, Which{Reason: LoggedOut, At: s.now()},
		s.act(ctx, ActSignedOut, p.User, p.User).saying("EVERYWHERE"))
}

// RevokeSession ends one of the caller's sessions; ErrNoSession for another's
// as for one that is not there.
func (s *Service) RevokeSession(ctx context.Context, p principal.Principal, id ids.Session) error {
	if _, err := s.Session(ctx, p, id); err != nil {
		return err
	}
	return s.end(ctx, p.User, Which{Session: id, Reason: Revoked, At: s.now()},
		s.act(ctx, ActSessionRevoked, p.User, p.User).of(id))
}

// end ends sessions in the store and on this node, and records the acts.
func (s *Service) end(ctx context.Context, user ids.User, w Which, acts ...Act) error {
	gone, err := s.deps.Sessions.EndSessions(ctx, user, w, acts...)
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	s.ended(gone)
	return nil
}

// Renew puts a newer access token of the same user and session in force on
// the socket that ctx came in by, and returns what the token proves.
// ErrNotASocket, ErrBadToken, ErrOtherSession.
func (s *Service) Renew(ctx context.Context, p principal.Principal, token string) (principal.Principal, error) {
	conn, ok := principal.ConnectionFrom(ctx)
	if !ok {
		return principal.Principal{}, ErrNotASocket
	}
	next, err := s.Authenticate(ctx, token)
	if err != nil {
		return principal.Principal{}, err
	}
	if next.User != p.User || next.Session != p.Session {
		return principal.Principal{}, ErrOtherSession
	}
	if err := conn.Renew(next); err != nil {
		return principal.Principal{}, fmt.Errorf("renew the connection: %w", err)
	}
	return next, nil
}

// Account returns an account to its owner and to administrators;
// errs.ErrForbidden for others, whether it is there or not.
func (s *Service) Account(ctx context.Context, p principal.Principal, id ids.User) (Account, error) {
	if p.User != id && !p.May(principal.Administer) {
		return Account{}, errs.ErrForbidden
	}
	a, err := s.deps.Accounts.Account(ctx, id)
	if err != nil {
		return Account{}, fmt.Errorf("account: %w", err)
	}
	return a, nil
}

// Session is one signed-in device.
type Session struct {
	ID         ids.Session
	User       ids.User
	Device     string // the User-Agent that was last seen; may be empty
	Address    string // the address that was last seen; may be empty
	CreatedAt  time.Time
	LastUsedAt time.Time // the last sign-in or refresh
	ExpiresAt  time.Time // slides forward with every refresh, never past EndsAt
	EndsAt     time.Time // the absolute end

	Refresh Refresh
}

// Refresh is what a session remembers of its refresh tokens: hashes only.
type Refresh struct {
	Generation uint32    // of the current token: 0 at sign-in
	Current    []byte    // hash of the one token that is unused
	Parent     []byte    // hash of the token that Current was given for; nil at first
	RotatedAt  time.Time // when Parent was used; zero at first
}

// Access is what the store knows of a session when a token of it is checked.
type Access struct {
	User  ids.User
	Role  principal.Role
	State State
}

// Reason says why a session ended.
type Reason string

// The reasons.
const (
	LoggedOut   Reason = "LOGGED_OUT"            // logout, logoutEverywhere
	Revoked     Reason = "REVOKED"               // from another session of the same user
	Reused      Reason = "TOKEN_REUSED"          // a used refresh token came again
	Crowded     Reason = "CROWDED_OUT"           // too many sessions; it was the one unused longest
	StateLocked Reason = "SUSPENDED"             // the account may not be used
	FactorMoved Reason = "SECOND_FACTOR_CHANGED" // a second factor was set up or disabled from another session
	// PasswordChanged ends all sessions but the one that changed it.
	PasswordChanged Reason = "PASSWORD_CHANGED"
	// PasswordReset ends all sessions, by the command line.
	PasswordReset Reason = "PASSWORD_RESET"
)
