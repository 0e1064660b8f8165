package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authhttp"
	"chatd/internal/auth/authoidc"
	"chatd/internal/auth/authredis"
	"chatd/internal/chat"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/lifecycle"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/limit/redislimit"
	"chatd/internal/platform/links"
	"chatd/internal/platform/mail"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/zipdir"
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
	links   *links.Signer
	signIns *authoidc.Face
	exports *links.Signer
}

func newContexts(cfg Config, s *stores, b bus.Bus, shared *redisdb.DB, l *limits, log zerolog.Logger) (*contexts, error) {
	post, err := newPost(cfg, s, log)
	if err != nil {
		return nil, err
	}
	c := &contexts{cursors: page.NewSealer(s.ring.Derive("list cursors"))}
	c.user = user.New(user.Deps{
		Store: s.user, Cursors: c.cursors, Log: log, Shelf: shelf(s, shared, log),
		Chosen:  func(u ids.User) { c.present.Reread(u) },
		Parted:  func(a, b ids.User) { c.present.Parted(a, b) },
		Related: func(viewer, other ids.User, is user.Relationship) { c.present.Related(viewer, other, is) },
		Settle:  func(a, b ids.User) { c.chat.Settle(a, b) },
		Company: company{c}, Wardrobe: wardrobe{c},
	}, user.Config{})
	c.auth = auth.New(auth.Deps{
		Accounts: s.auth, Standings: s.auth, Sessions: s.auth, Invites: s.auth, Audit: s.auth, Keys: s.auth, Changes: s.auth,
		Factors: s.auth, Tokens: s.auth, Identities: s.auth, Outbox: s.auth, Links: s.auth, Mail: post,
		Deletions: s.auth, Erasers: []auth.Eraser{c.user, messages{c, s}},
		Exports: s.auth, Exporters: []auth.Exporter{c.user, messages{c, s}}, Archives: s.archives(cfg),
		Profiles: profiles{c.user}, Ring: s.ring, Limiter: l.checker, Log: log,
	}, auth.Config{
		Env: auth.Env(cfg.Env), Registration: auth.Registration(cfg.Accounts.Registration), Issuer: cfg.Network.PublicURL,
		AuditLife: time.Duration(cfg.Accounts.AuditDays) * 24 * time.Hour, Rates: l.signIn(),
		Providers: cfg.Accounts.Providers.Public(),
		Site:      cfg.site(), VerifyEmail: cfg.Mail.VerifyEmail == "required",
	})
	c.chat = chat.New(chat.Deps{
		Store: s.chat, Directory: c.user, Secret: s.ring.Derive("chat input hashes"), Log: log, Crier: crier(cfg, b),
		Limiter:    l.checker,
		Meter:      l.meter,
		Discretion: c.user,
		Walls:      c.user,
		Blobs:      s.blobs(),
		Faces:      c.user,
	}, chat.Config{
		Files: filesLimits(cfg), Codes: l.table.Budget("invite-codes").Rate,
		Sends: l.table.Budget("sends"), Uploads: l.table.Budget("uploads"),
	})
	c.signIns = authoidc.New(authoidc.Deps{SignIns: c.auth, Ring: s.ring, Log: log}, authoidc.Config{
		PublicURL: cfg.Network.PublicURL, Providers: cfg.Accounts.Providers, ReturnURLs: cfg.Accounts.ReturnURLs,
	})
	c.links = links.New(strings.TrimSuffix(cfg.Network.PublicURL, "/"), s.ring.Derive("file links"), links.Config{})
	c.exports = links.New(strings.TrimSuffix(cfg.Network.PublicURL, "/"), s.ring.Derive("export links"), links.Config{})
	c.present = user.NewPresence(user.PresenceDeps{
		Store: s.user, Circle: c.chat, Relations: s.user, Log: log, Crier: userCrier(cfg, b), Board: board(cfg, shared), Walls: c.user,
	}, user.PresenceConfig{Lasts: cfg.Bus.PresenceTTL, Beat: cfg.Bus.PresenceTTL / 3})
	codec, err := feed.NewCodec(s.ring.Derive("event cursors"), nil)
	if err != nil {
		return nil, fmt.Errorf("event cursors: %w", err)
	}
	c.viewers = feed.NewViewers(codec, feed.Config{Signals: c.present}, c.chat.Source(), c.user.Source())
	return c, nil
}

// parts are the contexts as the GraphQL face knows them.
func (c *contexts) parts() parts {
	return parts{auth: c.auth, user: c.user, present: c.present, chat: c.chat, feed: c.viewers, cursors: c.cursors, links: c.links, exports: c.exportLink}
}

// exportLink is where a user fetches an export.
func (c *contexts) exportLink(of ids.User, id ids.Export) string {
	return string(c.exports.AppendLink(nil, of, authhttp.PathOf(id)))
}

// company is user's view of chat, which is made after it.
type company struct{ c *contexts }

func (y company) Together(ctx context.Context, user ids.User, of []ids.User) ([]ids.User, error) {
	return y.c.chat.Together(ctx, user, of)
}

// wardrobe is user's view of chat's files.
type wardrobe struct{ c *contexts }

func (w wardrobe) Wear(ctx context.Context, u ids.User, id ids.Attachment) error {
	err := w.c.chat.WearAvatar(ctx, u, id)
	if errors.Is(err, chat.ErrNoFile) {
		return user.ErrBadAvatar
	}
	return err
}

// profiles is auth's view of user: registering makes a profile at once.
type profiles struct{ users *user.Service }

func (p profiles) Create(ctx context.Context, n auth.NewProfile) error {
	return p.users.Create(ctx, user.NewProfile(n))
}

// Erase leaves of a profile that there was one.
func (p profiles) Erase(ctx context.Context, of ids.User) error { return p.users.Erase(ctx, of) }

// messages is auth's view of chat, which is made after it.
type messages struct {
	c *contexts
	s *stores
}

// Erase takes away what somebody has left in conversations.
func (m messages) Erase(ctx context.Context, of ids.User) error { return m.c.chat.Erase(ctx, of) }

// Export adds what somebody has left in conversations, with his files.
func (m messages) Export(ctx context.Context, of ids.User, to *zipdir.Writer) error {
	return m.c.chat.Export(ctx, of, to, func(ctx context.Context, f chat.File) (io.ReadCloser, error) {
		if m.s.files == nil {
			return nil, chat.ErrNoFile
		}
		return m.s.files.Open(ctx, f.ID, false)
	})
}

// exportsLock is held by the node that makes exports.
const exportsLock = "chatd exports"

// exporter makes what users ask to be given of their data, on one node at a
// time, and removes it when its time is over.
func exporter(s *stores, a *auth.Service, log zerolog.Logger) lifecycle.Part {
	return turns("exports", a.WantsExport(), func(ctx context.Context) error { return alone(ctx, s, exportsLock, a.MakeExports) }, log)
}

// erasesLock is held by the node that erases what deleted accounts have left.
const erasesLock = "chatd erasures"

// eraser erases what deleted accounts have left, on one node at a time. What
// was begun goes on at the next start, or on another node.
func eraser(s *stores, a *auth.Service, log zerolog.Logger) lifecycle.Part {
	return turns("erasures", a.Deletes(), func(ctx context.Context) error { return alone(ctx, s, erasesLock, a.EraseAll) }, log)
}

// turns does something every few seconds, and when it is woken.
func turns(name string, woken <-chan struct{}, do func(context.Context) error, log zerolog.Logger) lifecycle.Part {
	return lifecycle.Part{Name: name, Run: until(func(ctx context.Context) error {
		tick := time.NewTicker(3 * time.Second)
		defer tick.Stop()
		for failing := false; ; {
			err := do(ctx)
			if err != nil && !failing && ctx.Err() == nil {
				log.Warn().Err(err).Str("part", name).Msg("some of it could not be done; it is tried until it goes")
			}
			failing = err != nil
			select {
			case <-tick.C:
			case <-woken:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})}
}

// alone does what one node at a time is to do; nothing while another is at it.
func alone(ctx context.Context, s *stores, name string, do func(context.Context) error) error {
	if s.db.Engine() == sqldb.SQLite {
		return do(ctx)
	}
	lock, ok, err := s.db.TryLock(ctx, name)
	if err != nil || !ok {
		return err
	}
	defer lock.Release()
	return do(ctx)
}

func (p profiles) Rename(ctx context.Context, id ids.User, was, is string) error {
	return p.users.Rename(ctx, id, was, is)
}

// newPost hands mail to the server that is named, or writes it into files.
func newPost(cfg Config, s *stores, log zerolog.Logger) (mail.Sender, error) {
	from := cmp.Or(cfg.Mail.From, "chatd <chatd@localhost>")
	if url := cfg.Mail.SMTPURL.Reveal(); url != "" {
		return mail.NewSMTP(mail.SMTPConfig{URL: url, From: from})
	}
	return mail.NewFiles(filepath.Join(s.dir.Path, "mail"), from, log), nil
}

// limits count: the checker what is tried seldom, exactly over all nodes; the
// meter what is done all the time, without asking anybody (ADR 37).
type limits struct {
	table   limit.Table
	checker limit.Checker
	meter   *limit.Meter        // nil with --rate-limits off
	settler *redislimit.Settler // nil without Redis
}

// newLimits counts for all nodes, in this process, or not at all.
func newLimits(cfg Config, shared *redisdb.DB, log zerolog.Logger, reg prometheus.Registerer) *limits {
	l := &limits{table: cfg.Limits.table(), checker: limit.Off{}}
	if cfg.Limits.RateLimits == Off {
		return l
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatd_limit_refused_total", Help: "Requests, messages, uploads and sockets that were refused, by the name of the limit.",
	}, []string{"limit"})
	reg.MustRegister(refused)
	l.meter = limit.NewMeter(limit.MeterConfig{Shared: shared != nil, Refused: func(name string) { refused.WithLabelValues(name).Inc() }})
	if shared == nil {
		l.checker = limit.NewLocal(limit.Config{})
		return l
	}
	l.checker = redislimit.New(redislimit.Deps{Redis: shared, Log: log, Metrics: reg}, limit.Config{})
	l.settler = redislimit.NewSettler(redislimit.SettlerDeps{Redis: shared, Meter: l.meter, Log: log, Metrics: reg})
	return l
}

// signIn is what auth counts.
func (l *limits) signIn() auth.Rates {
	rate := func(name string) limit.Rate { return l.table.Budget(name).Rate }
	return auth.Rates{
		Account: rate("login-account"), Network: rate("login-network"), Known: rate("login-known"),
		Provider: rate("provider-network"),
		Register: rate("register-network"), EmailTaken: rate("email-taken"),
		Totp: rate("totp"), TotpDay: rate("totp-day"), Password: rate("password"), MailAddress: rate("mail-address"), MailNetwork: rate("mail-network"),
	}
}

// requests bounds how often one user, one of his personal tokens, or one
// network that has not signed in may ask, over HTTP and WebSocket together.
func (l *limits) requests() func(context.Context) (time.Duration, bool) {
	user, token, network := l.table.Budget("requests-user"), l.table.Budget("requests-token"), l.table.Budget("requests-network")
	return func(ctx context.Context) (time.Duration, bool) {
		p, ok := principal.From(ctx)
		if !ok {
			return l.meter.Take(network, principal.ClientFrom(ctx).NetworkID())
		}
		if !p.Token.IsZero() {
			if wait, ok := l.meter.Take(token, p.Token.Array()); !ok {
				return wait, false
			}
		}
		return l.meter.Take(user, p.User.Array())
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

func filesLimits(cfg Config) chat.FilesConfig {
	f := cfg.Files
	return chat.FilesConfig{
		MaxSize: int64(f.MaxFile), PerMessage: f.PerMessage, Quota: int64(f.Quota), Unsent: f.MaxUnsent,
		KeepUnsent: f.KeepUnsent, Sweep: min(10*time.Minute, f.KeepUnsent), Grace: min(time.Minute, f.KeepUnsent),
	}
}

// filesLock is held by the node that sweeps.
const filesLock = "chatd files"

// sweeper removes files that nobody needs, on one node at a time.
func sweeper(s *stores, c *chat.Service, log zerolog.Logger) lifecycle.Part {
	return lifecycle.Part{Name: "files", Run: until(func(ctx context.Context) error {
		tick := time.NewTicker(c.SweepEvery())
		defer tick.Stop()
		for {
			if err := alone(ctx, s, filesLock, c.Sweep); err != nil && ctx.Err() == nil {
				log.Warn().Err(err).Msg("files that nobody needs stay until the next sweep")
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})}
}
