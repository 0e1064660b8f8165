package user

import (
	"context"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
)

// Store is what user needs of storage. Methods may be called at once by any
// number of goroutines and nodes; each is one atomic step. Times come back in
// UTC, exact to the microsecond. A store that cannot be reached or written is
// errs.ErrUnavailable.
type Store interface {
	// Create stores a profile; when one with its id is there already, that is
	// left as it is and no error. ErrUsernameTaken when another has the name.
	Create(ctx context.Context, p Profile) error
	// Profiles returns those of the profiles that exist, in any order.
	Profiles(ctx context.Context, of []ids.User) ([]Profile, error)
	// ByUsername returns the profile with the lower-case name; ErrNoUser.
	ByUsername(ctx context.Context, username string) (Profile, error)
	// Search returns profiles by rising username, as bytes sort.
	Search(ctx context.Context, q Query) ([]Profile, error)
	// Update calls change with a profile and stores what it made of it, with
	// the event of Updated in the same commit; nobody else changes the profile
	// meanwhile. When change fails nothing is stored and its error returned.
	// It may be called again after a conflict, so it must have no other
	// effect. ErrNoUser.
	Update(ctx context.Context, id ids.User, change func(*Profile) error) (Profile, error)
	// Read returns up to limit events after a position of the log, in the
	// order of their commits, and the position of the last; after itself when
	// there are none. An event becomes visible only after all before it.
	Read(ctx context.Context, after int64, limit int) ([]bus.Envelope, int64, error)
}

// Query is a search as a store runs it.
type Query struct {
	// Words are folded; a profile is found when each is the beginning of one
	// of its Terms. At least one.
	Words []string
	After string // only usernames that sort after this one
	Limit int
}
