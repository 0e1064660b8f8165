package authtest

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/passwords"
	"chatd/internal/platform/principal"
)

// Store is one value that is all of auth's storage.
type Store interface {
	accounts
	auth.Standings
	auth.Sessions
	auth.Invites
	auth.Audit
	auth.Keys
	auth.Changes
	auth.Factors
	auth.Tokens
	auth.Outbox
	auth.Links
	auth.Identities
}

// accounts are kept from the first day to the last.
type accounts interface {
	auth.Accounts
	auth.Deletions
	auth.Exports
}

// Password is a good one.
const Password = "a fine long passphrase"

// CheapHash costs next to nothing.
var CheapHash = passwords.Params{MemoryKiB: 8, Passes: 1, Lanes: 1}

// Secret is the master secret of houses.
var Secret = strings.Repeat("s", keys.MinSecret)

// Clock is a time that stands still until it is turned on by hand.
type Clock struct {
	began  time.Time
	offset atomic.Int64
}

// Now is the time of the house's building and what was added.
func (c *Clock) Now() time.Time { return c.began.Add(time.Duration(c.offset.Load())) }

// Add turns the clock on.
func (c *Clock) Add(d time.Duration) { c.offset.Add(int64(d)) }

// Profiles remembers the profiles that were made.
type Profiles struct {
	mu   sync.Mutex
	made map[ids.User]auth.NewProfile
	// Err is what Create returns, when it is not nil.
	Err error
}

// Create remembers a profile.
func (p *Profiles) Create(_ context.Context, n auth.NewProfile) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Err != nil {
		return p.Err
	}
	if p.made == nil {
		p.made = make(map[ids.User]auth.NewProfile)
	}
	p.made[n.User] = n
	return nil
}

// Erase forgets a profile.
func (p *Profiles) Erase(_ context.Context, user ids.User) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.made, user)
	return p.Err
}

// Rename remembers another username.
func (p *Profiles) Rename(_ context.Context, id ids.User, was, is string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Err != nil {
		return p.Err
	}
	if n := p.made[id]; n.Username == was {
		n.Username = is
		p.made[id] = n
	}
	return nil
}

// Of returns a profile; the zero one when there is none.
func (p *Profiles) Of(id ids.User) auth.NewProfile {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made[id]
}

// House is a started Service and what is around it.
type House struct {
	*auth.Service
	Store    Store
	Clock    *Clock
	Profiles *Profiles
	Mail     *Postman

	mu    sync.Mutex
	ended []ids.Session
}

// Setup may change what a house is built of.
type Setup func(*auth.Deps, *auth.Config)

// WithLimits counts budgets, which houses do not do otherwise.
func WithLimits(d *auth.Deps, _ *auth.Config) { d.Limiter = limit.NewLocal(limit.Config{}) }

// New builds and starts a Service over a storage. Its Run is not running: the
// revocations of others are read when a token is checked after StaleAfter.
func New(t testing.TB, store Store, setup ...Setup) *House {
	t.Helper()
	ring, err := keys.Open("", Secret)
	if err != nil {
		t.Fatal(err)
	}
	h := &House{Store: store, Clock: &Clock{began: time.Now()}, Profiles: &Profiles{}, Mail: &Postman{}}
	deps := auth.Deps{
		Accounts: store, Standings: store, Sessions: store, Invites: store, Audit: store, Keys: store, Changes: store, Factors: store, Tokens: store, Identities: store,
		Outbox: store, Links: store, Mail: h.Mail, Deletions: store, Exports: store,
		Profiles: h.Profiles, Ring: ring, Limiter: limit.Off{}, Log: zerolog.Nop(),
	}
	cfg := auth.Config{Hash: CheapHash, HashQueue: 1000, Now: h.Clock.Now}
	for _, s := range setup {
		s(&deps, &cfg)
	}
	h.Service = auth.New(deps, cfg)
	h.OnEnded(func(list []ids.Session) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ended = append(h.ended, list...)
	})
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// Told says how often OnEnded heard of a session.
func (h *House) Told(id ids.Session) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, e := range h.ended {
		if e == id {
			n++
		}
	}
	return n
}

var serial atomic.Int64

// Input is an input of register that nobody else has.
func Input() auth.RegisterInput {
	name := "user" + strconv.FormatInt(serial.Add(1), 10)
	return auth.RegisterInput{Email: name + "@example.org", Username: name, Password: Password, DisplayName: "User"}
}

// Register makes an account.
func (h *House) Register(t *testing.T) auth.SignIn {
	t.Helper()
	in, err := h.Service.Register(t.Context(), Input())
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// Login signs in to an account with Password.
func (h *House) Login(t *testing.T, a auth.Account) auth.SignIn {
	t.Helper()
	in, err := h.Service.Login(t.Context(), auth.LoginInput{Login: a.Username, Password: Password})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// Caller is who a sign-in's access token speaks for.
func (h *House) Caller(t *testing.T, in auth.SignIn) principal.Principal {
	t.Helper()
	p, err := h.Authenticate(t.Context(), in.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// From returns a context of a client at an address.
func From(ctx context.Context, address string) context.Context {
	return principal.WithClient(ctx, principal.Client{Address: netip.MustParseAddr(address), Device: "test"})
}
