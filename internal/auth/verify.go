package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/signing"
)

// Authenticate returns who an access token or a personal token speaks for,
// with the role that the account has now. ErrBadToken for every token that is not good: forged,
// another server's, expired, of a session that has ended. ErrNotCaughtUp when
// this node cannot know which sessions have ended. What was verified is
// remembered by hash until the token or its session ends, so the usual call
// reads nothing.
func (s *Service) Authenticate(ctx context.Context, token string) (principal.Principal, error) {
	if len(token) > signing.Longest {
		return principal.Principal{}, ErrBadToken
	}
	if err := s.fresh(ctx); err != nil {
		return principal.Principal{}, err
	}
	hash := hashOf(token)
	v, a, hit := s.verified.find(hash)
	if hit != whole && isPersonal(token) {
		return s.authenticatePersonal(ctx, token, hash)
	}
	if hit == miss {
		said, err := s.tokens.Read(ctx, token)
		if errors.Is(err, signing.ErrForeign) {
			return principal.Principal{}, ErrBadToken
		}
		if err != nil {
			return principal.Principal{}, fmt.Errorf("authenticate: %w", err)
		}
		v = verified{user: said.User, session: said.Session, expires: said.Expires}
	}
	now := s.cfg.Now()
	if !v.expires.IsZero() && !now.Before(v.expires) {
		return principal.Principal{}, ErrBadToken
	}
	if hit != whole {
		epoch := s.verified.now()
		var err error
		a, err = s.deps.Sessions.SessionAccess(ctx, v.session, s.now())
		if errors.Is(err, ErrNoSession) {
			return principal.Principal{}, ErrBadToken
		}
		if err != nil {
			return principal.Principal{}, fmt.Errorf("authenticate: %w", err)
		}
		if a.User != v.user || a.State != Active {
			return principal.Principal{}, ErrBadToken
		}
		s.verified.add(hash, v, a, epoch)
	}
	return s.principal(v, a, now), nil
}

// verified is what a good token proves.
type verified struct {
	user    ids.User
	session ids.Session
	expires time.Time // zero: never

	// Of personal tokens only; session is the token's Handle then.
	token  ids.PersonalToken
	scopes principal.Scope
	use    *use
}

// hashOf copies the token to the stack: the usual call allocates nothing.
func hashOf(token string) [sha256.Size]byte {
	var buf [512]byte
	return sha256.Sum256(append(buf[:0], token...))
}

// cache remembers verified tokens and what their sessions may, both bounded:
// what was used longest ago goes first and is read again when needed.
type cache struct {
	mu     sync.Mutex
	tokens *simplelru.LRU[[sha256.Size]byte, verified]
	access *simplelru.LRU[ids.Session, Access]
	epoch  uint64 // raised by every revocation
}

type hit uint8

const (
	miss  hit = iota
	token     // the token is known, its session must be read
	whole
)

func newCache(size int) *cache {
	c := &cache{}
	// Errors are for sizes below one only.
	c.tokens, _ = simplelru.NewLRU[[sha256.Size]byte, verified](max(size, 1), nil)
	c.access, _ = simplelru.NewLRU[ids.Session, Access](max(size, 1), nil)
	return c
}

func (c *cache) find(hash [sha256.Size]byte) (verified, Access, hit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.tokens.Get(hash)
	if !ok {
		return v, Access{}, miss
	}
	a, ok := c.access.Get(v.session)
	if !ok {
		return v, a, token
	}
	return v, a, whole
}

func (c *cache) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

// add remembers what was read since epoch; when a session has been revoked
// meanwhile, the reading may be older than that and is not remembered.
func (c *cache) add(hash [sha256.Size]byte, v verified, a Access, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	c.tokens.Add(hash, v)
	c.access.Add(v.session, a)
}

func (c *cache) forget(sessions []ids.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, id := range sessions {
		c.access.Remove(id)
	}
}

// forgetUsers forgets what the sessions of users may. It looks at all that is
// remembered: roles change seldom.
func (c *cache) forgetUsers(users []ids.User) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, id := range c.access.Keys() {
		if a, ok := c.access.Peek(id); ok && slices.Contains(users, a.User) {
			c.access.Remove(id)
		}
	}
}
