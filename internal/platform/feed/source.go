package feed

import (
	"context"

	"chatd/internal/platform/ids"
)

// Source is one context's part of a viewer's stream: a log of events with
// rising positions, and whoever watches it live.
type Source interface {
	// Follow hands the viewer's live events to the function, in position
	// order and from one goroutine at a time, until unfollow is called:
	// all that is committed after Follow has returned. The function does not
	// block.
	Follow(ctx context.Context, viewer ids.User, to func(Entry)) (unfollow func(), err error)
	// Position returns the newest position, at or before which everything
	// is visible, and the epoch of the data: empty where another source's
	// tells of both.
	Position(ctx context.Context) (epoch string, pos int64, err error)
	// Missed returns references to the viewer's events with after < pos <=
	// upTo, by rising position; ErrTooMany when there are more than limit.
	Missed(ctx context.Context, viewer ids.User, after, upTo int64, limit int) ([]Ref, error)
	// Load turns references into events, in the same order, without those
	// that are not the viewer's to see any more.
	Load(ctx context.Context, viewer ids.User, refs []Ref) ([]Entry, error)
}

// Ref is a source's own reference to one event.
type Ref struct {
	Pos int64
	Key any
}

// Entry is one event of a source for one viewer.
type Entry struct {
	Pos    int64 // 0: a signal, not replayed
	Event  any   // see Item.Event
	Size   int
	Unread int32 // see Local.UnreadCount
}

// Signals is a part of a viewer's stream that has no positions: it tells what
// is so now, is not replayed, and its events are passed over by cursors.
type Signals interface {
	// Follow hands the viewer's signals to the function, in order, from one
	// goroutine at a time, until unfollow is called. The function does not
	// block.
	Follow(viewer ids.User, to func(Signal)) (unfollow func())
	// Snapshot is one signal that says for the viewer all that signals would
	// have told him so far.
	Snapshot(ctx context.Context, viewer ids.User) (Signal, error)
}

// Signal is one event of Signals.
type Signal struct {
	Event any // see Item.Event
	Size  int
}

// The events that a stream itself adds.
type (
	// Started is the first event of every stream.
	Started struct{}
	// CaughtUp follows the replayed events.
	CaughtUp struct{}
	// Reset stands for what cannot be replayed exactly: read afresh.
	Reset struct{ Reason ResetReason }
)

// ResetReason says why a stream could not be resumed.
type ResetReason string

// The reasons.
const (
	Expired ResetReason = "EXPIRED"  // the cursor is older than GoodFor
	TooMany ResetReason = "TOO_MANY" // more events were missed than are replayed
	Unknown ResetReason = "UNKNOWN"  // forged, another viewer's, or of other data
)
