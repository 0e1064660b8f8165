package usertest

import (
	"context"
	"slices"
	"sync"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/user"
)

// Fake is a user.Store in memory. Reads counts the calls of Profiles.
type Fake struct {
	mu       sync.Mutex
	profiles map[ids.User]user.Profile
	seen     map[ids.User]user.Sighting
	settings map[ids.User]user.Settings
	related  map[user.Block]related // by whom it is to whom
	log      []bus.Envelope
	reads    int
}

var _ user.Store = (*Fake)(nil)

// NewFake returns an empty store.
func NewFake() *Fake {
	return &Fake{profiles: make(map[ids.User]user.Profile), seen: make(map[ids.User]user.Sighting), settings: make(map[ids.User]user.Settings), related: make(map[user.Block]related)}
}

// Create implements user.Store.
func (f *Fake) Create(_ context.Context, p user.Profile) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.profiles[p.ID]; ok {
		return nil
	}
	for _, other := range f.profiles {
		if other.Username == p.Username {
			return user.ErrUsernameTaken
		}
	}
	f.profiles[p.ID] = p
	return nil
}

// Profiles implements user.Store.
func (f *Fake) Profiles(_ context.Context, of []ids.User) ([]user.Profile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	var found []user.Profile
	for id, p := range f.profiles {
		if slices.Contains(of, id) {
			found = append(found, p)
		}
	}
	return found, nil
}

// Reads returns how often Profiles was called.
func (f *Fake) Reads() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

// Named implements user.Store.
func (f *Fake) Named(_ context.Context, usernames []string) (map[string]ids.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]ids.User)
	for _, p := range f.profiles {
		if slices.Contains(usernames, p.Username) && p.DeletedAt.IsZero() {
			all[p.Username] = p.ID
		}
	}
	return all, nil
}

// ByUsername implements user.Store.
func (f *Fake) ByUsername(_ context.Context, username string) (user.Profile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.profiles {
		if p.Username == username && p.DeletedAt.IsZero() {
			return p, nil
		}
	}
	return user.Profile{}, user.ErrNoUser
}

// Update implements user.Store.
func (f *Fake) Update(_ context.Context, id ids.User, change func(*user.Profile) error) (user.Profile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.profiles[id]
	if !ok || !p.DeletedAt.IsZero() {
		return user.Profile{}, user.ErrNoUser
	}
	if err := change(&p); err != nil {
		return user.Profile{}, err
	}
	for _, other := range f.profiles {
		if other.ID != id && other.Username == p.Username {
			return user.Profile{}, user.ErrUsernameTaken
		}
	}
	f.profiles[id] = p
	f.add(user.Updated(p))
	return p, nil
}

// add puts an event into the log. f.mu is held.
func (f *Fake) add(e bus.Envelope) { f.log = append(f.log, user.At(int64(len(f.log)+1), e)) }

// LastChange implements user.Store.
func (f *Fake) LastChange(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.log)), nil
}

// Sightings implements user.Store.
func (f *Fake) Sightings(_ context.Context, of []ids.User) ([]user.Sighting, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []user.Sighting
	for id, s := range f.seen {
		if slices.Contains(of, id) {
			found = append(found, s)
		}
	}
	return found, nil
}

// Choose implements user.Store.
func (f *Fake) Choose(_ context.Context, s user.Sighting) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.there(s.User) {
		return user.ErrNoUser
	}
	f.seen[s.User] = s
	f.add(user.Chosen(s.User, s.LastActiveAt))
	return nil
}

// Saw implements user.Store.
func (f *Fake) Saw(_ context.Context, seen map[ids.User]time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, at := range seen {
		old, known := f.seen[id]
		if !f.there(id) || known && (old.Choice == user.Offline || !old.LastActiveAt.Before(at)) {
			continue
		}
		if !known {
			old = user.Sighting{User: id, Choice: user.Online}
		}
		old.LastActiveAt = at
		f.seen[id] = old
	}
	return nil
}

// Read implements user.Store.
func (f *Fake) Read(_ context.Context, after int64, limit int) ([]bus.Envelope, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	after = min(after, int64(len(f.log)))
	events := f.log[after:]
	events = slices.Clone(events[:min(len(events), limit)])
	return events, after + int64(len(events)), nil
}
