package user

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/auth/authv1"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
)

// MaxIDs is how many users may be asked for at once.
const MaxIDs = 100

// Deps are what a Service works with; Store and Cursors are required.
type Deps struct {
	Store   Store
	Cursors *page.Sealer
	Log     zerolog.Logger
	// Shelf has profiles that nodes have read; nil for none. It needs Run.
	Shelf Shelf
	// Company says who is with whom; nil: guests are with nobody.
	Company Company
	// Wardrobe has the files of pictures; nil: nobody has one.
	Wardrobe Wardrobe
	// Chosen is told of users who have chosen another presence, by Run.
	Chosen func(ids.User)
	// Parted is told of two users who are kept apart from now on, or no longer,
	// once this node goes by it (Apart).
	Parted func(a, b ids.User)
	// Related is told that somebody is something else to a viewer from now on,
	// on every node, once it goes by it, and maybe more than once.
	Related func(viewer, other ids.User, is Relationship)
	// Settle waits until what two users had under way with each other on this
	// node is done.
	Settle func(a, b ids.User)
}

// Config tunes a Service; zero values are the defaults.
type Config struct {
	Now   func() time.Time // time.Now
	Cache int              // profiles kept in memory; 16,384
	Poll  time.Duration    // between Run's readings of the log; 500 ms
}

// Service is user's use cases. Its methods may be called by any number of
// goroutines. Callers have made sure that the viewer is signed in; beyond
// that, every profile is everybody's to see, but for those whom its user has
// blocked (See), and its user's alone to change.
type Service struct {
	Deps
	now    func() time.Time
	poll   time.Duration
	cache  *cache
	handle bus.Handler
	puts   chan []Kept  // that wait for the shelf
	began  time.Time    // times inside are durations since
	fresh  atomic.Int64 // when the log was read to its end the last time
	hiding hiding

	blocks  blocks
	follows follows
	news    chan struct{} // the log has grown, on this node
}

// shelving is how many reads may wait to be put on the shelf; more are not.
const shelving = 64

// New makes a Service. It starts nothing.
func New(deps Deps, cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Cache <= 0 {
		cfg.Cache = 16_384
	}
	if cfg.Poll <= 0 {
		cfg.Poll = 500 * time.Millisecond
	}
	s := &Service{
		Deps: deps, now: cfg.Now, poll: cfg.Poll, cache: newCache(cfg.Cache),
		puts: make(chan []Kept, shelving), began: time.Now(),
		news: make(chan struct{}, 1),
	}
	s.fresh.Store(int64(-2 * staleAfter)) // not yet
	s.handle = bus.Each(
		bus.On(authv1.AccountRegisteredName, s.accountRegistered),
		bus.On(authv1.UsernameChangedName, s.usernameChanged),
		bus.On(authv1.AccountDeletedName, s.accountDeleted),
	)
	return s
}

// Now is the service's clock, in UTC and exact to what stores keep.
func (s *Service) Now() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// Create makes a profile that can be read once it returns; one that is there
// already is left as it is and no error.
func (s *Service) Create(ctx context.Context, n NewProfile) error {
	at := n.CreatedAt.UTC().Truncate(time.Microsecond)
	err := s.Store.Create(ctx, Profile{
		ID: n.User, Username: n.Username, DisplayName: n.DisplayName, CreatedAt: at, UpdatedAt: at, Bot: n.Bot,
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

// Users returns those of the profiles that exist. What neither the cache nor
// the shelf has is one read of the store.
func (s *Service) Users(ctx context.Context, of []ids.User) (map[ids.User]Profile, error) {
	found := make(map[ids.User]Profile, len(of))
	missing, mark := s.cache.find(of, func(p Profile) { found[p.ID] = p })
	if len(missing) == 0 {
		return found, nil
	}
	stamp := s.cache.position()
	shelved := s.onShelf(ctx, missing)
	for _, p := range shelved {
		found[p.ID] = p
	}
	missing = slices.DeleteFunc(missing, func(id ids.User) bool { _, ok := found[id]; return ok })
	var read []Profile
	if len(missing) > 0 {
		var err error
		if read, err = s.Store.Profiles(ctx, missing); err != nil {
			return nil, fmt.Errorf("read %d profiles: %w", len(missing), err)
		}
	}
	s.cache.keep(mark, append(shelved, read...))
	s.shelve(read, stamp)
	for _, p := range read {
		found[p.ID] = p
	}
	return found, nil
}

// Known returns those of the users that exist and are not deleted, each once, in
// any order.
func (s *Service) Known(ctx context.Context, of []ids.User) ([]ids.User, error) {
	found, err := s.Users(ctx, of)
	if err != nil {
		return nil, err
	}
	known := make([]ids.User, 0, len(found))
	for id, p := range found {
		if p.DeletedAt.IsZero() {
			known = append(known, id)
		}
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

// Named returns the users of those of the lower-case usernames that somebody
// has, in a read or two.
func (s *Service) Named(ctx context.Context, usernames []string) (map[string]ids.User, error) {
	found, err := s.Store.Named(ctx, usernames)
	if err != nil {
		return nil, fmt.Errorf("users by %d names: %w", len(usernames), err)
	}
	return found, nil
}

// couldBeUsername spares stores what nobody can have, such as texts that are
// no UTF-8.
func couldBeUsername(s string) bool {
	const longest = 32
	unfit := func(r rune) bool { return r <= ' ' || r > '~' }
	return s != "" && len(s) <= longest && !strings.ContainsFunc(s, unfit)
}
