package user

import (
	"context"
	"fmt"
	"strings"
	"time"

	"chatd/internal/auth/authv1"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
)

// MaxIDs is how many users may be asked for at once.
const MaxIDs = 100

// Deps are what a Service works with; all are required.
type Deps struct {
	Store   Store
	Cursors *page.Sealer
}

// Config tunes a Service; zero values are the defaults.
type Config struct {
	Now   func() time.Time // time.Now
	Cache int              // profiles kept in memory; 16,384
}

// Service is user's use cases. Its methods may be called by any number of
// goroutines. Callers have made sure that the viewer is signed in; beyond
// that, every profile is everybody's to see and its user's alone to change.
type Service struct {
	Deps
	now    func() time.Time
	cache  *cache
	handle bus.Handler
}

// New makes a Service. It starts nothing.
func New(deps Deps, cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Cache <= 0 {
		cfg.Cache = 16_384
	}
	s := &Service{Deps: deps, now: cfg.Now, cache: newCache(cfg.Cache)}
	s.handle = bus.On(authv1.AccountRegisteredName, s.accountRegistered)
	return s
}

// Now is the service's clock, in UTC and exact to what stores keep.
func (s *Service) Now() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// Create makes a profile that can be read once it returns; one that is there
// already is left as it is and no error.
func (s *Service) Create(ctx context.Context, n NewProfile) error {
	at := n.CreatedAt.UTC().Truncate(time.Microsecond)
	err := s.Store.Create(ctx, Profile{
		ID: n.User, Username: n.Username, DisplayName: n.DisplayName, CreatedAt: at, UpdatedAt: at,
	})
	if err != nil {
		return fmt.Errorf("create the profile of %s: %w", n.User, err)
	}
	return nil
}

// User returns a profile; ErrNoUser.
func (s *Service) User(ctx context.Context, id ids.User) (Profile, error) {
	found, err := s.Users(ctx, []ids.User{id})
	if err != nil {
		return Profile{}, err
	}
	p, ok := found[id]
	if !ok {
		return Profile{}, fmt.Errorf("user %s: %w", id, ErrNoUser)
	}
	return p, nil
}

// Remembered returns a profile that is in memory, and reads nothing.
func (s *Service) Remembered(id ids.User) (Profile, bool) {
	var p Profile
	missing, _ := s.cache.find([]ids.User{id}, func(found Profile) { p = found })
	return p, len(missing) == 0
}

// Users returns those of the profiles that exist. What the cache does not have
// is one read of the store.
func (s *Service) Users(ctx context.Context, of []ids.User) (map[ids.User]Profile, error) {
	found := make(map[ids.User]Profile, len(of))
	missing, mark := s.cache.find(of, func(p Profile) { found[p.ID] = p })
	if len(missing) == 0 {
		return found, nil
	}
	read, err := s.Store.Profiles(ctx, missing)
	if err != nil {
		return nil, fmt.Errorf("read %d profiles: %w", len(missing), err)
	}
	s.cache.keep(mark, read)
	for _, p := range read {
		found[p.ID] = p
	}
	return found, nil
}

// Known returns those of the users that exist, each once, in any order.
func (s *Service) Known(ctx context.Context, of []ids.User) ([]ids.User, error) {
	found, err := s.Users(ctx, of)
	if err != nil {
		return nil, err
	}
	known := make([]ids.User, 0, len(found))
	for id := range found {
		known = append(known, id)
	}
	return known, nil
}

// ByUsername returns the profile with a username, in upper or lower case;
// ErrNoUser.
func (s *Service) ByUsername(ctx context.Context, username string) (Profile, error) {
	username = strings.ToLower(username)
	if !couldBeUsername(username) {
		return Profile{}, fmt.Errorf("user by name: %w", ErrNoUser)
	}
	p, err := s.Store.ByUsername(ctx, username)
	if err != nil {
		return Profile{}, fmt.Errorf("user by name: %w", err)
	}
	return p, nil
}

// couldBeUsername spares stores what nobody can have, such as texts that are
// no UTF-8.
func couldBeUsername(s string) bool {
	const longest = 32
	unfit := func(r rune) bool { return r <= ' ' || r > '~' }
	return s != "" && len(s) <= longest && !strings.ContainsFunc(s, unfit)
}
