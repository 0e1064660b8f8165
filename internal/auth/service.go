package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/mail"
	"chatd/internal/platform/passwords"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/signing"
	"chatd/internal/platform/zipdir"
)

// Env is what the server is for.
type Env string

// The environments.
const (
	Dev        Env = "dev"        // the first account of an empty server is an administrator
	Production Env = "production" // the first administrator needs the setup token
)

// Registration says who may make an account.
type Registration string

// The ways of registration.
const (
	Open   Registration = "open"
	Invite Registration = "invite" // whoever has the code of an invitation
	Closed Registration = "closed"
)

// Deps is what a Service needs; all of it.
type Deps struct {
	Accounts  Accounts
	Standings Standings
	Sessions  Sessions
	Invites   Invites
	Audit     Audit
	Keys      Keys
	Changes   Changes
	Factors   Factors
	Tokens    Tokens
	Deletions Deletions
	Exports   Exports
	// Identities of other providers.
	Identities Identities
	Outbox     Outbox
	Links      Links
	Profiles   Profiles
	Erasers    []Eraser // those who have something of users, the profile first
	Exporters  []Exporter
	Archives   *zipdir.Dir // of exports; nil: none are made
	Mail       mail.Sender
	Ring       *keys.Ring
	Limiter    limit.Checker
	Log        zerolog.Logger
}

// Config of a Service. Zero values are the defaults that are named.
type Config struct {
	Env          Env          // Dev
	Registration Registration // Open
	// Issuer is the public URL of this server; tokens of others are refused.
	// "chatd".
	Issuer string
	// Site is what links in mails begin with: "http://127.0.0.1:4000".
	Site         string
	VerifyEmail  bool             // who registers proves the address first
	Audience     string           // "chatd"
	AccessTTL    time.Duration    // of an access token: 15 minutes
	SessionIdle  time.Duration    // a session unused for so long ends: 30 days
	SessionLife  time.Duration    // a session ends however it is used: 180 days
	SessionLimit int              // sessions a user; the one unused longest goes: 100
	TokenLimit   int              // personal tokens a user: 50
	RefreshGrace time.Duration    // a lost answer may be asked for again: 10 s
	KeyEvery     time.Duration    // a new signing key: 30 days
	PollEvery    time.Duration    // revocations of other nodes are read: 500 ms
	StaleAfter   time.Duration    // without that for so long nobody is let in: 1 s
	MailEvery    time.Duration    // mail of other nodes and later tries are looked for: 5 s
	CachedTokens int              // verified tokens remembered: 65,536
	Hash         passwords.Params // 19 MiB, 2 passes, 1 lane
	HashSlots    int              // hashes at once: half of the processors
	HashQueue    int              // sign-ins that wait for a slot: 256; further ones get passwords.ErrBusy
	Rates        Rates            // see Rates
	AuditLife    time.Duration    // entries of the audit log are kept: for ever
	Now          func() time.Time
	Providers    []Provider // whom one can sign in by: none
}

func (c Config) withDefaults() Config {
	def(&c.Env, Dev)
	def(&c.Registration, Open)
	def(&c.Issuer, "chatd")
	def(&c.Audience, "chatd")
	def(&c.Site, "http://127.0.0.1:4000")
	c.Site = strings.TrimSuffix(c.Site, "/")
	def(&c.MailEvery, 5*time.Second)
	def(&c.AccessTTL, 15*time.Minute)
	def(&c.SessionIdle, 30*24*time.Hour)
	def(&c.SessionLife, 180*24*time.Hour)
	def(&c.SessionLimit, 100)
	def(&c.TokenLimit, 50)
	def(&c.RefreshGrace, 10*time.Second)
	def(&c.KeyEvery, 30*24*time.Hour)
	def(&c.PollEvery, 500*time.Millisecond)
	def(&c.StaleAfter, time.Second)
	def(&c.CachedTokens, 65_536)
	c.Rates = c.Rates.withDefaults()
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Service has the use cases of auth. Its methods may be called at once by any
// number of goroutines. Start it, then keep Run running.
type Service struct {
	deps     Deps
	cfg      Config
	hasher   *passwords.Hasher
	signers  *signing.Keys
	tokens   *signing.Tokens
	refresh  refreshKeys
	personal personalKeys
	recovery []byte // key of the hashes of recovery codes
	names    []byte // key of the hashes of networks and logins
	verified *cache
	revoked  revocations
	uses     uses
	failures chan Act // sign-ins that failed and are not stored yet
	erase    chan struct{}
	export   chan struct{}

	erasedOnce map[ids.User]bool // belongs to EraseAll
	mailNews   chan struct{}
	mailed     func(MailEnd)

	claimMu sync.Mutex // see claim
	setupMu sync.Mutex
	setup   []byte // hash of the setup token; nil when there is none
}

// New makes a Service. Nothing is read or started.
func New(deps Deps, cfg Config) *Service {
	cfg = cfg.withDefaults()
	s := &Service{
		deps:     deps,
		cfg:      cfg,
		hasher:   passwords.NewHasher(cfg.Hash, cfg.HashSlots, cfg.HashQueue),
		refresh:  newRefreshKeys(deps.Ring),
		personal: newPersonalKeys(deps.Ring),
		recovery: deps.Ring.Derive("auth/recovery"),
		names:    deps.Ring.Derive("auth/names"),
		verified: newCache(cfg.CachedTokens),
		failures: make(chan Act, failQueue),
		erase:    make(chan struct{}, 1), export: make(chan struct{}, 1), erasedOnce: map[ids.User]bool{},
		mailNews: make(chan struct{}, 1), mailed: func(MailEnd) {},
		signers: signing.NewKeys(deps.Keys, deps.Ring, cfg.KeyEvery, cfg.AccessTTL),
	}
	s.tokens = signing.NewTokens(s.signers, cfg.Issuer, cfg.Audience, cfg.Now)
	s.revoked = newRevocations(cfg.Now())
	return s
}

// Signers returns the signing keys, which serve their JWKS.
func (s *Service) Signers() *signing.Keys { return s.signers }

// OnEnded has f told of sessions that ended before their time, on any node:
// at once of those that end here, before that is acknowledged. f must not
// block, may be called at once by several goroutines, and hears of a session
// more than once. Before Start only.
func (s *Service) OnEnded(f func([]ids.Session)) { s.revoked.tell = f }

// OnEndedHere has f told of sessions that were ended on this node, once each
// and after their commit, so that other nodes can Hear of them before they
// read it. f must not block, may be called at once by several goroutines, and
// may lose what it is told: the other nodes read it within PollEvery. Before
// Start only.
func (s *Service) OnEndedHere(f func([]ids.Session)) { s.revoked.share = f }

// Start makes or loads the signing keys and finds where the revocations are
// to be read from. Keys that were sealed with another secret are an error.
func (s *Service) Start(ctx context.Context) error {
	last, err := s.deps.Changes.LastChange(ctx)
	if err != nil {
		return fmt.Errorf("start auth: %w", err)
	}
	s.revoked.begin(last)
	if err := s.signers.Rotate(ctx, s.now()); err != nil {
		return fmt.Errorf("start auth: %w", err)
	}
	return s.catchUp(ctx)
}

// Run reads revocations and changes of roles, renews signing keys, stores
// failed sign-ins and when personal tokens were used, delivers mail, and forgets what has expired, until ctx ends. It returns ctx's error.
func (s *Service) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { s.keepFailures(ctx) })
	beside.Go(func() { s.keepDelivering(ctx) })
	poll := time.NewTicker(s.cfg.PollEvery)
	defer poll.Stop()
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	defer s.lastUses(ctx)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
			if err := s.catchUp(ctx); err != nil && ctx.Err() == nil {
				s.deps.Log.Warn().Err(err).Msg("revocations cannot be read; nobody is let in until they are")
			}
		case <-flush.C:
			if err := s.flushUses(ctx); err != nil && ctx.Err() == nil {
				s.deps.Log.Warn().Err(err).Msg("when tokens were used could not be stored; it is tried again")
			}
		case <-tidy.C:
			if err := s.tidy(ctx); err != nil && ctx.Err() == nil {
				s.deps.Log.Warn().Err(err).Msg("auth could not tidy up; it tries again within the hour")
			}
		}
	}
}

// lastUses stores what is left when Run ends.
func (s *Service) lastUses(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if err := s.flushUses(ctx); err != nil {
		s.deps.Log.Warn().Err(err).Msg("when tokens were used last was not stored")
	}
}

const (
	// flushEvery is how late the store hears that a token was used.
	flushEvery = 20 * time.Second
	tidyEvery  = signing.RotateEvery
	// networkMemory is how long an address counts as the account's own.
	networkMemory = 30 * 24 * time.Hour
	tidyBatch     = 500
)

func (s *Service) tidy(ctx context.Context) error {
	now := s.now()
	if err := s.signers.Rotate(ctx, now); err != nil {
		return err
	}
	old := []func() (int, error){
		func() (int, error) {
			return s.deps.Sessions.PurgeSessions(ctx, now, now.Add(-networkMemory), tidyBatch)
		},
		func() (int, error) { return s.deps.Tokens.PurgeTokens(ctx, now, tidyBatch) },
		func() (int, error) { return s.deps.Outbox.PurgeLinks(ctx, now, tidyBatch) },
		func() (int, error) { return s.deps.Invites.PurgeInvites(ctx, now.Add(-inviteMemory), tidyBatch) },
		func() (int, error) { return s.deps.Identities.PurgeSignInCodes(ctx, now, tidyBatch) },
	}
	if s.cfg.AuditLife > 0 {
		old = append(old, func() (int, error) {
			return s.deps.Audit.PurgeAudit(ctx, now.Add(-s.cfg.AuditLife), tidyBatch)
		})
	}
	for _, purge := range old {
		for n := tidyBatch; n >= tidyBatch; {
			var err error
			if n, err = purge(); err != nil {
				return fmt.Errorf("forget what has expired: %w", err)
			}
		}
	}
	return nil
}

// now is the time as stores keep it.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// mask hashes a name with a key of the server, so that neither the store nor
// the limiter holds addresses and logins.
func (s *Service) mask(name string) []byte {
	h := hmac.New(sha256.New, s.names)
	h.Write([]byte(name))
	return h.Sum(nil)[:16]
}

// network is the masked network of the caller; nil when unknown.
func (s *Service) network(c principal.Client) []byte {
	if n := c.Network(); n != "" {
		return s.mask(n)
	}
	return nil
}

// device is the caller's User-Agent as stores take it.
func device(c principal.Client) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(c.Device, ""))
}

func address(c principal.Client) string {
	if !c.Address.IsValid() {
		return ""
	}
	return c.Address.Unmap().WithZone("").String()
}
