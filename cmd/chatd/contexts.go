package main

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authredis"
	"chatd/internal/chat"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/limit/redislimit"
	"chatd/internal/platform/page"
	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/sqldb"
	"chatd/internal/user"
	"chatd/internal/user/userredis"
)

// contexts are the bounded contexts, each with the peers that it asks.
type contexts struct {
	user    *user.Service
	present *user.PresenceService
	auth    *auth.Service
	chat    *chat.Service
	viewers *feed.Viewers
	cursors *page.Sealer
}

func newContexts(cfg Config, s *stores, b bus.Bus, shared *redisdb.DB, limiter limit.Checker, log zerolog.Logger) (*contexts, error) {
	c := &contexts{cursors: page.NewSealer(s.ring.Derive("list cursors"))}
	c.user = user.New(user.Deps{
		Store: s.user, Cursors: c.cursors, Log: log, Shelf: shelf(s, shared, log),
		Chosen: func(u ids.User) { c.present.Reread(u) },
	}, user.Config{})
	c.auth = auth.New(auth.Deps{
		Accounts: s.auth, Sessions: s.auth, Keys: s.auth, Changes: s.auth,
		Profiles: profiles{c.user}, Ring: s.ring, Limiter: limiter, Log: log,
	}, auth.Config{
		Env: auth.Env(cfg.Env), Registration: auth.Registration(cfg.Accounts.Registration), Issuer: cfg.Network.PublicURL,
	})
	c.chat = chat.New(chat.Deps{
		Store: s.chat, Directory: c.user, Secret: s.ring.Derive("chat input hashes"), Log: log, Crier: crier(cfg, b),
		Limiter:    limiter,
		Discretion: c.user,
	}, chat.Config{})
	c.present = user.NewPresence(user.PresenceDeps{
		Store: s.user, Circle: c.chat, Log: log, Crier: userCrier(cfg, b), Board: board(cfg, shared),
	}, user.PresenceConfig{Lasts: cfg.Bus.PresenceTTL, Beat: cfg.Bus.PresenceTTL / 3})
	codec, err := feed.NewCodec(s.ring.Derive("event cursors"), nil)
	if err != nil {
		return nil, fmt.Errorf("event cursors: %w", err)
	}
	c.viewers = feed.NewViewers(codec, feed.Config{Signals: c.present}, c.chat.Source())
	return c, nil
}

// parts are the contexts as the GraphQL face knows them.
func (c *contexts) parts() parts {
	return parts{auth: c.auth, user: c.user, present: c.present, chat: c.chat, feed: c.viewers, cursors: c.cursors}
}

// profiles is auth's view of user: registering makes a profile at once.
type profiles struct{ users *user.Service }

func (p profiles) Create(ctx context.Context, n auth.NewProfile) error {
	return p.users.Create(ctx, user.NewProfile(n))
}

// newLimiter counts for all nodes, in this process, or not at all.
func newLimiter(cfg Config, shared *redisdb.DB, log zerolog.Logger, reg prometheus.Registerer) limit.Checker {
	switch {
	case cfg.Limits.RateLimits == Off:
		return limit.Off{}
	case shared != nil:
		return redislimit.New(redislimit.Deps{Redis: shared, Log: log, Metrics: reg}, limit.Config{})
	default:
		return limit.NewLocal(limit.Config{})
	}
}

// newEnded lets nodes tell each other at once of sessions that have ended;
// nil without Redis, when the store's log alone tells, within a second.
func newEnded(c *contexts, shared *redisdb.DB, log zerolog.Logger) *authredis.Ended {
	if shared == nil {
		return nil
	}
	ended := authredis.New(authredis.Deps{Redis: shared, Hear: c.auth.Hear, Log: log})
	c.auth.OnEndedHere(ended.Tell)
	return ended
}

// shelf is where nodes keep profiles in Redis; nil without, and where the store
// is embedded: reading that costs less than asking Redis.
func shelf(s *stores, shared *redisdb.DB, log zerolog.Logger) user.Shelf {
	if shared == nil || s.db.Engine() != sqldb.PostgreSQL {
		return nil
	}
	return userredis.NewShelf(shared, log)
}

// board is where nodes tell each other by Redis who is there; nil without, and
// where there are no others.
func board(cfg Config, shared *redisdb.DB) user.Board {
	if shared == nil || !cfg.several() {
		return nil
	}
	return userredis.NewBoard(shared)
}
