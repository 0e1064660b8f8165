package feed

import "context"

// Item is one event for one subscriber.
type Item struct {
	// Event is shared by all subscribers and immutable: renderers cache by
	// its identity, so it is a pointer.
	Event any
	// Size is about how many bytes the event takes when encoded; bounds
	// count it.
	Size int
	// Local is what differs from one subscriber to the next; nil when
	// nothing does.
	Local Local
}

// Local is the part of an event that is filled in for each subscriber.
type Local interface {
	// AppendCursor appends the sealed cursor of the position after this event.
	AppendCursor(dst []byte) []byte
	// UnreadCount is the viewer's unread count in the event's conversation.
	UnreadCount() int32
}

// Sink takes the live items of one stream, in order.
type Sink interface {
	// Offer hands over an item. It never blocks and may be called under the
	// stream's lock. False means that the sink is full or closed; it is
	// offered nothing more, and what it has not taken is lost to it: its
	// owner must end the subscriber so that he resumes.
	Offer(Item) bool
	// End tells that the stream ends by itself: nil when it is complete,
	// else why, as when the viewer's right has ended. It never blocks.
	End(error)
}

// Stream is one opened subscription. Start is called once; then CatchUp once,
// if it asks for it; Close at any time and more than once.
type Stream interface {
	// Start puts the stream in force: what is committed after it returns
	// reaches the sink. It does not block. It reports whether CatchUp must be
	// called before items are offered.
	Start(Sink) (behind bool)
	// CatchUp hands what was missed to emit, page by page and in order, then
	// lets live items through, and returns. emit may block to wait for room;
	// when it fails, so does CatchUp. No item is offered to the sink before
	// the last emit has returned.
	CatchUp(ctx context.Context, emit func([]Item) error) error
	// Close ends the stream; afterwards nothing is offered.
	Close()
}

// Resume is where a reconnecting client says it was, beside the positions in
// the variables of its documents.
type Resume struct {
	Cursor string           // of events; empty when not given
	Seq    map[string]int64 // of messageAdded, by conversation id
	Rev    map[string]int64 // of messageChanged, by conversation id
}

type resumeKey struct{}

// WithResume returns a context in which streams start no earlier than r.
func WithResume(ctx context.Context, r Resume) context.Context {
	return context.WithValue(ctx, resumeKey{}, r)
}

// ResumeFrom returns the connection's resume positions.
func ResumeFrom(ctx context.Context) Resume {
	r, _ := ctx.Value(resumeKey{}).(Resume)
	return r
}
