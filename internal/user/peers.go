package user

import (
	"context"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
)

// Circle is what user needs to know of who may see whose presence. It is the
// same the other way round. Everybody may see his own, which is not asked.
type Circle interface {
	// Companions returns those who hear of the user's presence without asking
	// for it, each once, in any order; the user himself may be among them.
	Companions(ctx context.Context, user ids.User) ([]ids.User, error)
	// Together returns those of the users who may ask for the user's presence,
	// each once, in any order.
	Together(ctx context.Context, user ids.User, of []ids.User) ([]ids.User, error)
}

// Crier tells all nodes of an event, perhaps. It must not block.
type Crier interface {
	PublishLossy(ctx context.Context, e bus.Envelope)
}

// Board is where nodes leave their reports for each other.
type Board interface {
	// Exchange leaves a node's report in place of its last one, for as long as
	// lasts (0: takes it away), and returns those of the other nodes. An error
	// means that the board is away.
	Exchange(ctx context.Context, node string, report []byte, lasts time.Duration) ([]Notice, error)
}

// Notice is a report that another node has left.
type Notice struct {
	Report []byte
	Age    time.Duration
}

// Shelf is where nodes leave profiles that they have read for each other. It
// may forget, and may hold what is too old: who takes a profile decides by its
// stamp. Methods take no longer than a moment, also when the shelf is away.
type Shelf interface {
	// Take returns those that are there, in any order, in one exchange.
	Take(ctx context.Context, of []ids.User) []Kept
	// Put leaves profiles, but none in place of a newer one: one with a later
	// UpdatedAt, or with the same and a higher stamp.
	Put(ctx context.Context, profiles []Kept)
}

// Kept is a profile that was read from the store after all changes up to the
// position Stamp.
type Kept struct {
	Profile
	Stamp int64
}
