package user

import (
	"context"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
)

// Store is what user needs of storage. Methods may be called at once by any
// number of goroutines and nodes; each is one atomic step. Times come back in
// UTC, exact to the microsecond. A store that cannot be reached or written is
// errs.ErrUnavailable.
type Store interface {
	Names
	Presences
	Preferences
	Relations
	Erasing
	Log

	// Create stores a profile; when one with its id is there already, that is
	// left as it is and no error. ErrUsernameTaken when another has the name.
	Create(ctx context.Context, p Profile) error
	// Profiles returns those of the profiles that exist, in any order.
	Profiles(ctx context.Context, of []ids.User) ([]Profile, error)
	// ByUsername returns the profile with the lower-case name; ErrNoUser.
	ByUsername(ctx context.Context, username string) (Profile, error)
	// Named returns who has one of the lower-case names, by name, in as few
	// reads as statements allow.
	Named(ctx context.Context, usernames []string) (map[string]ids.User, error)
	// Update calls change with a profile and stores what it made of it, with
	// the event of Updated in the same commit; nobody else changes the profile
	// meanwhile. When change fails nothing is stored and its error returned.
	// It may be called again after a conflict, so it must have no other
	// effect. ErrNoUser, and ErrUsernameTaken when it has another username that
	// is somebody else's.
	Update(ctx context.Context, id ids.User, change func(*Profile) error) (Profile, error)
}

// Erasing stores that there was somebody.
type Erasing interface {
	// Erase makes a profile the one that Gone makes of it, and makes that where
	// there is none, in one commit with the events of Updated, Chosen,
	// SettingsChanged, and of Related for others. What he is to others and they
	// to him is gone, and his presence; of his settings it is left that he does
	// not share read receipts; no term finds him, and what the log said of his
	// profile is what Gone says. From then on he is ErrNoUser to every method
	// that changes something, to ByUsername and to Named. Of one who is gone
	// already nothing changes, and false is returned.
	Erase(ctx context.Context, id ids.User, at time.Time) (Profile, bool, error)
}

// Preferences stores how users want to have things.
type Preferences interface {
	// Settings returns those of the users, DefaultSettings of whoever has
	// changed nothing or does not exist.
	Settings(ctx context.Context, of []ids.User) (map[ids.User]Settings, error)
	// UpdateSettings calls change with a user's settings and stores what it
	// made of them, with the event of SettingsChanged in the same commit;
	// nobody else changes them meanwhile. It may be called again after a
	// conflict. ErrNoUser.
	UpdateSettings(ctx context.Context, id ids.User, change func(*Settings)) (Settings, error)
	// HidingReads returns those who do not share read receipts, by rising
	// id, after the one, at most limit.
	HidingReads(ctx context.Context, after ids.User, limit int) ([]ids.User, error)
}

// Relations stores what users are to each other.
type Relations interface {
	// Relate calls change with what two users are to each other, the first of
	// them acting, and stores what it made of it, with an event of Related for
	// each of them to whom that shows, in the same commit; nobody else changes
	// either direction meanwhile. What stays as it was is not stored, and has
	// the time of before. It returns both. When change fails nothing is stored
	// and its error returned; it may be called again after a conflict.
	// ErrNoUser when one of them does not exist.
	Relate(ctx context.Context, actor, other ids.User, at time.Time, change func(Pair) (Pair, error)) (before, after Pair, err error)
	// Relationships returns what users are to the viewer as it is stored,
	// Blocked also of whom he is blocked by; nothing of strangers.
	Relationships(ctx context.Context, viewer ids.User, of []ids.User) (map[ids.User]Relationship, error)
	// Contacts returns contacts without those who have blocked the viewer, the
	// newest first, those of one moment by falling id.
	Contacts(ctx context.Context, q ContactQuery) ([]Contact, error)
	// CountContacts returns how many contacts of a kind a user has, at most
	// most.
	CountContacts(ctx context.Context, user ids.User, is Relationship, most int) (int, error)
	// Blocks returns blocks by rising By, then Of, after the one, at most
	// limit.
	Blocks(ctx context.Context, after Block, limit int) ([]Block, error)
	// Related returns a viewer's events of Related with after < Pos <= upTo, in
	// order, at most limit.
	Related(ctx context.Context, viewer ids.User, after, upTo int64, limit int) ([]bus.Envelope, error)
}

// Log is the context's events in the order of their commits.
type Log interface {
	// Read returns up to limit events after a position of the log, in the
	// order of their commits, and the position of the last; after itself when
	// there are none. An event becomes visible only after all before it.
	Read(ctx context.Context, after int64, limit int) ([]bus.Envelope, int64, error)
	// LastChange returns the position of the newest event; 0 when there is none.
	LastChange(ctx context.Context) (int64, error)
}

// Presences stores how users want to be seen and when they were last active.
type Presences interface {
	// Sightings returns what is kept of the users, in any order; nothing of
	// those of whom nothing is.
	Sightings(ctx context.Context, of []ids.User) ([]Sighting, error)
	// Choose stores a choice with the time of its making as the last activity,
	// and the event of Chosen in the same commit. ErrNoUser.
	Choose(ctx context.Context, s Sighting) error
	// Saw stores when users were last active, but nothing of those who have
	// chosen to be Offline, of whom later is known, or who do not exist.
	Saw(ctx context.Context, seen map[ids.User]time.Time) error
}

// Sighting is what a store keeps of somebody's presence.
type Sighting struct {
	User         ids.User
	Choice       Availability // Online: as his sockets say
	LastActiveAt time.Time
}
