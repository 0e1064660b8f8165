package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/passwords"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/signing"
)

// LoginInput is who somebody says he is.
type LoginInput struct {
	Login    string // e-mail address or username, in any case
	Password string
	Totp     string // a code or a recovery code of the second factor; may be empty
}

// Login checks a password and begins a session. Unknown login, wrong password,
// a bot and an account that may not be used are ErrBadCredentials and cost one hash
// each. ErrTooMany when a budget of Rates is used up: then nothing was
// checked. passwords.ErrBusy when too many sign in at once. Where the account has a second
// factor, whoever has shown the password gets ErrTotpRequired without a code
// and ErrBadTotp for a wrong one; a code is spent with the session's commit.
func (s *Service) Login(ctx context.Context, in LoginInput) (SignIn, error) {
	login, find := s.finder(in.Login)
	cred, err := find(ctx, login)
	if errors.Is(err, ErrNoAccount) {
		cred, err = Credential{}, nil
	}
	if err != nil {
		return SignIn{}, fmt.Errorf("login: %w", err)
	}
	now := s.now()
	client := principal.ClientFrom(ctx)
	network := s.network(client)
	known := false
	if network != nil { // for unknown logins too: they cost the same reads
		if known, err = s.deps.Accounts.KnowsNetwork(ctx, cred.ID, network, now.Add(-networkMemory)); err != nil {
			return SignIn{}, fmt.Errorf("login: %w", err)
		}
	}
	if err := s.throttleLogin(ctx, login, network, known); err != nil {
		return SignIn{}, err
	}
	if !passwords.Fits(in.Password) {
		return SignIn{}, ErrBadCredentials // no account has it, known or not
	}
	right, err := s.hasher.Verify(ctx, cred.PasswordHash, in.Password)
	if err != nil {
		return SignIn{}, fmt.Errorf("login: %w", err)
	}
	if !right || cred.State != Active || cred.Role == principal.Bot {
		s.failed(ctx, cred, whyNot(right))
		return SignIn{}, ErrBadCredentials
	}
	by, err := s.prove(ctx, cred.ID, in.Totp)
	if errors.Is(err, ErrBadTotp) {
		s.failed(ctx, cred, "SECOND_FACTOR")
	}
	if err != nil {
		return SignIn{}, err
	}
	s.rehash(ctx, cred, in.Password)
	session, token := s.newSession(cred.ID, client, now)
	crowded, err := s.deps.Factors.CreateSessionBy(ctx, session, network, s.cfg.SessionLimit, by,
		s.act(ctx, ActSignedIn, cred.ID, cred.ID).of(session.ID))
	if errors.Is(err, ErrNoAccount) { // suspended since
		return SignIn{}, ErrBadCredentials
	}
	if err != nil {
		return SignIn{}, fmt.Errorf("login: %w", err)
	}
	s.ended(crowded)
	return s.signIn(cred.Account, session, token, now)
}

// whyNot tells the audit log why a sign-in failed.
func whyNot(right bool) string {
	if right {
		return "SUSPENDED"
	}
	return "PASSWORD"
}

// finder returns what a login is known by, in one form for all its spellings,
// and how its account is found.
func (s *Service) finder(login string) (string, func(context.Context, string) (Credential, error)) {
	if email, err := cleanEmail(login); err == nil {
		return emailKey(email), s.deps.Accounts.CredentialByEmail
	}
	login = strings.TrimSpace(login)
	if username, err := cleanUsername(login); err == nil {
		return username, s.deps.Accounts.CredentialByUsername
	}
	return login, func(context.Context, string) (Credential, error) { return Credential{}, ErrNoAccount }
}

// rehash brings an older hash up to what is asked for now. The sign-in does
// not depend on it: the next one tries again.
func (s *Service) rehash(ctx context.Context, c Credential, password string) {
	if !s.hasher.Outdated(c.PasswordHash) {
		return
	}
	next, err := s.hasher.Hash(ctx, password)
	if err == nil {
		err = s.deps.Accounts.ReplacePassword(ctx, c.ID, c.PasswordHash, next)
	}
	if err != nil {
		s.deps.Log.Warn().Err(err).Stringer("user_id", c.ID).Msg("a password hash was not renewed")
	}
}

// newSession makes a session that begins now and its first refresh token.
func (s *Service) newSession(user ids.User, c principal.Client, now time.Time) (Session, refreshToken) {
	id := ids.New[ids.Session]()
	token := s.refresh.first(id)
	return Session{
		ID: id, User: user, Device: device(c), Address: address(c),
		CreatedAt: now, LastUsedAt: now,
		ExpiresAt: now.Add(min(s.cfg.SessionIdle, s.cfg.SessionLife)), EndsAt: now.Add(s.cfg.SessionLife),
		Refresh: Refresh{Current: token.hash()},
	}, token
}

// signIn makes the pair of tokens of a session.
func (s *Service) signIn(a Account, session Session, token refreshToken, now time.Time) (SignIn, error) {
	expires := now.Add(s.cfg.AccessTTL)
	if session.ExpiresAt.Before(expires) {
		expires = session.ExpiresAt
	}
	expires = expires.Truncate(time.Second) // all that a JWT can say
	access, err := s.tokens.Mint(signing.Statement{User: session.User, Session: session.ID, Role: a.Role, Expires: expires}, now)
	if err != nil {
		return SignIn{}, err
	}
	return SignIn{
		Account: a, Session: session, AccessToken: access, AccessTokenExpires: expires,
		RefreshToken: s.refresh.text(token),
	}, nil
}
