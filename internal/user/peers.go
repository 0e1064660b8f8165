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
