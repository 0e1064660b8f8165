package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// NewToken is a personal token to be made.
type NewToken struct {
	User      ids.User        // a bot that the caller owns; zero: the caller himself
	Name      string          // 1 to 64 code points on one line
	ExpiresAt time.Time       // zero: never
	Scopes    principal.Scope // at least one; ScopeAdmin for administrators alone
}

// CreatePersonalToken makes a token and returns its text, which is nowhere
// kept. The errors are those of BadInput with their field, ErrNoAdminScope,
// ErrTooManyTokens, and ErrNoBot for a user who is not a bot of the caller's.
func (s *Service) CreatePersonalToken(ctx context.Context, p principal.Principal, n NewToken) (PersonalToken, string, error) {
	role := p.Role
	if n.User.IsZero() || n.User == p.User {
		n.User = p.User
	} else {
		if err := s.mayManage(ctx, p, n.User, false); err != nil {
			return PersonalToken{}, "", err
		}
		role = principal.Bot
	}
	return s.createToken(ctx, p.User, p.User, role, n)
}

// CreateTokenFor makes a token for any account that may be used, on behalf of
// whoever runs the server. ErrNoAccount.
func (s *Service) CreateTokenFor(ctx context.Context, username string, n NewToken) (PersonalToken, string, error) {
	username, err := cleanUsername(username)
	if err != nil {
		return PersonalToken{}, "", err
	}
	c, err := s.deps.Accounts.CredentialByUsername(ctx, username)
	if err != nil {
		return PersonalToken{}, "", fmt.Errorf("token for %s: %w", username, err)
	}
	if c.State != Active {
		return PersonalToken{}, "", fmt.Errorf("token for %s, who is suspended: %w", username, ErrNoAccount)
	}
	n.User = c.ID
	return s.createToken(ctx, ids.User{}, c.ID, c.Role, n)
}

func (s *Service) createToken(ctx context.Context, actor, by ids.User, role principal.Role, n NewToken) (PersonalToken, string, error) {
	name, err := cleanDisplayName(n.Name)
	if err != nil {
		return PersonalToken{}, "", ErrBadTokenName
	}
	now := s.now()
	expires := n.ExpiresAt.UTC().Truncate(time.Millisecond) // all that clients are told
	switch {
	case !n.ExpiresAt.IsZero() && !expires.After(now):
		return PersonalToken{}, "", ErrBadExpiry
	case n.Scopes == 0 || !(principal.ScopeRead | principal.ScopeWrite | principal.ScopeAdmin).Has(n.Scopes):
		return PersonalToken{}, "", ErrBadScopes
	case n.Scopes.Has(principal.ScopeAdmin) && role != principal.Admin:
		return PersonalToken{}, "", ErrNoAdminScope
	}
	t := PersonalToken{
		ID: ids.New[ids.PersonalToken](), User: n.User, MadeBy: by, Name: name, Scopes: n.Scopes,
		CreatedAt: now, ExpiresAt: expires,
	}
	var text string
	text, t.Hash = s.personal.make(t.ID)
	if err := s.deps.Tokens.CreateToken(ctx, t, s.cfg.TokenLimit,
		s.act(ctx, ActTokenCreated, actor, t.User).with(t.ID).saying(scopesText(t.Scopes))); err != nil {
		return PersonalToken{}, "", fmt.Errorf("create a personal token: %w", err)
	}
	return t, text, nil
}

// scopesText names scopes for the audit log.
func scopesText(of principal.Scope) string {
	var names []string
	for _, s := range []struct {
		scope principal.Scope
		name  string
	}{{principal.ScopeRead, "READ"}, {principal.ScopeWrite, "WRITE"}, {principal.ScopeAdmin, "ADMIN"}} {
		if of.Has(s.scope) {
			names = append(names, s.name)
		}
	}
	return strings.Join(names, " ")
}

// mayManage says whether p may see and end the tokens of a bot, and unless
// looking, make them: its owner may, as long as he administers the server;
// every administrator may see and end them. ErrNoBot for all others.
func (s *Service) mayManage(ctx context.Context, p principal.Principal, bot ids.User, looking bool) error {
	if !p.IsAdmin() {
		return ErrNoBot
	}
	owner, err := s.deps.Tokens.BotOwner(ctx, bot)
	if err != nil {
		return fmt.Errorf("tokens of a bot: %w", err)
	}
	if owner != p.User && !looking {
		return ErrNoBot
	}
	return nil
}

// PersonalTokens returns the tokens of the caller, or of a bot that he may
// manage, the newest first; ErrNoBot.
func (s *Service) PersonalTokens(ctx context.Context, p principal.Principal, of ids.User) ([]PersonalToken, error) {
	if of.IsZero() {
		of = p.User
	}
	if of != p.User {
		if err := s.mayManage(ctx, p, of, true); err != nil {
			return nil, err
		}
	}
	list, err := s.deps.Tokens.UserTokens(ctx, of, s.now())
	if err != nil {
		return nil, fmt.Errorf("list personal tokens: %w", err)
	}
	for i := range list {
		list[i].LastUsedAt = s.uses.latest(list[i].ID, list[i].LastUsedAt)
	}
	return list, nil
}

// PersonalToken returns one token that the caller may manage; ErrNoToken.
func (s *Service) PersonalToken(ctx context.Context, p principal.Principal, id ids.PersonalToken) (PersonalToken, error) {
	t, _, err := s.deps.Tokens.Token(ctx, id, s.now())
	if err != nil {
		return PersonalToken{}, fmt.Errorf("personal token: %w", err)
	}
	if t.User != p.User {
		err := s.mayManage(ctx, p, t.User, true)
		if errors.Is(err, ErrNoBot) {
			return PersonalToken{}, ErrNoToken
		}
		if err != nil {
			return PersonalToken{}, err
		}
	}
	t.LastUsedAt = s.uses.latest(t.ID, t.LastUsedAt)
	return t, nil
}

// RevokePersonalToken ends a token that the caller may manage. When it
// returns, it is not good on this node, and its sockets are told. ErrNoToken
// for others' as for what is not there.
func (s *Service) RevokePersonalToken(ctx context.Context, p principal.Principal, id ids.PersonalToken) error {
	t, err := s.PersonalToken(ctx, p, id)
	if err != nil {
		return err
	}
	gone, err := s.deps.Tokens.EndTokens(ctx, t.User, WhichTokens{Token: id, Reason: Revoked, At: s.now()},
		s.act(ctx, ActTokenRevoked, p.User, t.User).with(id))
	if err != nil {
		return fmt.Errorf("revoke a personal token: %w", err)
	}
	handles := make([]ids.Session, len(gone))
	for i, g := range gone {
		handles[i] = Handle(g)
	}
	s.ended(handles)
	return nil
}

// Handle is what revocations and sockets know a personal token by: they take
// it for a session.
func Handle(id ids.PersonalToken) ids.Session {
	s, _ := ids.FromBytes[ids.Session](id.Bytes()) // sixteen
	return s
}

// authenticatePersonal is Authenticate for a personal token that is not whole
// in the cache: it costs one read.
func (s *Service) authenticatePersonal(ctx context.Context, text string, key [32]byte) (principal.Principal, error) {
	id, hash, err := s.personal.parse(text)
	if err != nil {
		return principal.Principal{}, err
	}
	now, epoch := s.now(), s.verified.now()
	t, a, err := s.deps.Tokens.Token(ctx, id, now)
	if errors.Is(err, ErrNoToken) {
		return principal.Principal{}, ErrBadToken
	}
	if err != nil {
		return principal.Principal{}, fmt.Errorf("authenticate by a personal token: %w", err)
	}
	if subtle.ConstantTimeCompare(hash, t.Hash) != 1 || a.State != Active {
		return principal.Principal{}, ErrBadToken
	}
	v := verified{
		user: t.User, session: Handle(id), expires: t.ExpiresAt, token: id, scopes: t.Scopes, use: &use{},
	}
	if !t.LastUsedAt.IsZero() {
		v.use.minute.Store(minuteOf(t.LastUsedAt))
	}
	s.verified.add(key, v, a, epoch)
	return s.principal(v, a, now), nil
}

// principal is who speaks by v, and notes that it was used.
func (s *Service) principal(v verified, a Access, now time.Time) principal.Principal {
	p := principal.Principal{User: v.user, Session: v.session, Role: a.Role, Expires: v.expires}
	if v.use == nil {
		return p
	}
	p.Token, p.Scopes = v.token, v.scopes
	if p.IsAdmin() && !p.Holds(principal.ScopeAdmin) {
		p.Role = principal.Member
	}
	if m := minuteOf(now); v.use.minute.Load() < m && v.use.minute.Swap(m) < m {
		s.uses.note(v.token, m)
	}
	return p
}

// use is the minute in which a token was last used, as this node knows.
type use struct{ minute atomic.Int64 }

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// uses are those that the store has not been told of: at most one a token.
type uses struct {
	mu sync.Mutex
	at map[ids.PersonalToken]int64
}

func (u *uses) note(id ids.PersonalToken, minute int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = make(map[ids.PersonalToken]int64)
	}
	u.at[id] = max(u.at[id], minute)
}

func (u *uses) latest(id ids.PersonalToken, stored time.Time) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	if m, ok := u.at[id]; ok && (stored.IsZero() || m > minuteOf(stored)) {
		return time.Unix(m*60, 0).UTC()
	}
	return stored
}

func (u *uses) take() map[ids.PersonalToken]int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := u.at
	u.at = nil
	return all
}

// flushUses tells the store when tokens were last used. What it does not take
// is kept for the next time.
func (s *Service) flushUses(ctx context.Context) error {
	all := s.uses.take()
	if len(all) == 0 {
		return nil
	}
	at := make(map[ids.PersonalToken]time.Time, len(all))
	for id, m := range all {
		at[id] = time.Unix(m*60, 0).UTC()
	}
	if err := s.deps.Tokens.TokensUsed(ctx, at); err != nil {
		for id, m := range all {
			s.uses.note(id, m)
		}
		return fmt.Errorf("store when tokens were used: %w", err)
	}
	return nil
}

// CreateBot makes an account that has no password and comes in by personal
// tokens alone, which the caller, who owns it, makes. For administrators;
// errs.ErrForbidden for others. The errors are those of BadInput and
// ErrUsernameTaken.
func (s *Service) CreateBot(ctx context.Context, p principal.Principal, username, displayName string) (Account, error) {
	if !p.IsAdmin() {
		return Account{}, errs.ErrForbidden
	}
	username, err := cleanUsername(username)
	if err != nil {
		return Account{}, err
	}
	display := username
	if displayName != "" {
		if display, err = cleanDisplayName(displayName); err != nil {
			return Account{}, err
		}
	}
	b := NewBot{ID: ids.New[ids.User](), Owner: p.User, Username: username, NameKey: s.nameKey(username), DisplayName: display, CreatedAt: s.now()}
	a, err := s.deps.Tokens.CreateBot(ctx, b, s.act(ctx, ActBotCreated, p.User, b.ID))
	if err != nil {
		return Account{}, fmt.Errorf("create a bot: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), profileTime)
	defer cancel()
	err = s.deps.Profiles.Create(ctx, NewProfile{
		User: b.ID, Username: username, DisplayName: display, CreatedAt: b.CreatedAt, Bot: true,
	})
	if err != nil {
		return Account{}, fmt.Errorf("make the profile of %s: %w", b.ID, err)
	}
	return a, nil
}
