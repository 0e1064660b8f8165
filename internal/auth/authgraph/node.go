package authgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/auth"
	"chatd/internal/platform/gqlx"
	"chatd/internal/user/usergraph"
)

// AuthPayload is a sign-in.
type AuthPayload struct {
	in    auth.SignIn
	users Users
}

// User resolves AuthPayload.user.
func (p *AuthPayload) User(ctx context.Context) (*usergraph.User, error) {
	return p.users.One(ctx, p.in.Account.ID)
}

// AccessToken resolves AuthPayload.accessToken.
func (p *AuthPayload) AccessToken() string { return p.in.AccessToken }

// AccessTokenExpiresAt resolves AuthPayload.accessTokenExpiresAt.
func (p *AuthPayload) AccessTokenExpiresAt() gqlx.Time { return gqlx.TimeOf(p.in.AccessTokenExpires) }

// RefreshToken resolves AuthPayload.refreshToken.
func (p *AuthPayload) RefreshToken() string { return p.in.RefreshToken }

// Session resolves AuthPayload.session.
func (p *AuthPayload) Session() *Session { return &Session{session: p.in.Session, current: true} }

// Session is one signed-in device, as it was when it was loaded.
type Session struct {
	session auth.Session
	current bool
}

// ID resolves Session.id.
func (s *Session) ID() graphql.ID { return graphql.ID(s.session.ID.String()) }

// Device resolves Session.device.
func (s *Session) Device() *string { return orNull(s.session.Device) }

// Address resolves Session.address.
func (s *Session) Address() *string { return orNull(s.session.Address) }

// CreatedAt resolves Session.createdAt.
func (s *Session) CreatedAt() gqlx.Time { return gqlx.TimeOf(s.session.CreatedAt) }

// LastUsedAt resolves Session.lastUsedAt.
func (s *Session) LastUsedAt() gqlx.Time { return gqlx.TimeOf(s.session.LastUsedAt) }

// ExpiresAt resolves Session.expiresAt.
func (s *Session) ExpiresAt() gqlx.Time { return gqlx.TimeOf(s.session.ExpiresAt) }

// Current resolves Session.current.
func (s *Session) Current() bool { return s.current }

// Account is the private side of a user.
type Account struct {
	account auth.Account
	service *auth.Service
}

// Email resolves Account.email.
func (a *Account) Email() string { return a.account.Email }

// EmailVerified resolves Account.emailVerified.
func (a *Account) EmailVerified() bool { return a.account.EmailVerified }

// Role resolves Account.role.
func (a *Account) Role() string { return string(a.account.Role) }

// CreatedAt resolves Account.createdAt.
func (a *Account) CreatedAt() gqlx.Time { return gqlx.TimeOf(a.account.CreatedAt) }

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
