package bus

import (
	"context"
	"errors"
	"slices"
	"time"
)

// ErrStopped is what publishers get from a bus that has stopped, or that
// stopped before their events were safe: they must be offered again.
var ErrStopped = errors.New("the bus has stopped")

// Envelope is one event on its way. Names are "<topic>.<what happened>.v<n>".
type Envelope struct {
	ID      string    // names the event, the same at every repetition
	Name    string    // "auth.account_registered.v1"
	Topic   string    // the publishing context, "auth"
	Key     string    // order is kept per topic and key
	Pos     int64     // the position in the publisher's log; 0 when it has none
	Time    time.Time // when it happened
	Trace   string    // the trace that it belongs to; may be empty
	Payload []byte    // JSON of the publisher's v1 package
}

// Clone returns a copy that shares no bytes with e.
func (e Envelope) Clone() Envelope {
	e.Payload = slices.Clone(e.Payload)
	return e
}

// Handler takes one event of a group. It may see an event more than once and
// must then do nothing further. An error or panic means: again, later. Events
// of different keys are handled at the same time; ctx ends when the bus must
// stop and its time is up.
type Handler func(ctx context.Context, e Envelope) error

// Publisher takes events for groups.
type Publisher interface {
	// Offer hands over events in order and returns when they are accepted,
	// which waits while the receiver is behind, or when ctx ends: then some of
	// them may be on their way. They are safe when the receipt says so, and
	// must be offered again when that ends in an error.
	Offer(ctx context.Context, events ...Envelope) (*Receipt, error)
}

// Receiver is one place that events are relayed to: a group of a bus within
// one process, or a broker that stands for all groups.
type Receiver interface {
	Publisher
	// Name is stable: positions are stored by it.
	Name() string
	// Hears says whether events of the topic are for this receiver.
	Hears(topic string) bool
}

// Bus joins publishers and groups. Methods may be called by any number of
// goroutines, Group and Broadcast before Start only.
type Bus interface {
	// Group has h handle every event of the topics. The name is unique.
	Group(name string, topics []string, h Handler) error
	// Broadcast has h told what PublishLossy sends on the topics. h is called
	// by one goroutine; what arrives while its queue is full is lost.
	Broadcast(topics []string, h func(Envelope)) error
	// Receivers are where the relays must bring each log, each by itself, so
	// that no group waits for another. Known when all groups are.
	Receivers() []Receiver
	// Publish offers events to all receivers that hear their topics and
	// returns when they are safe with every one of them.
	Publish(ctx context.Context, events ...Envelope) error
	// PublishLossy tells all nodes, perhaps. It never blocks.
	PublishLossy(ctx context.Context, e Envelope)
	// Aside returns the latest events that were put aside, oldest first.
	Aside() []Aside
	// Start begins to hand out events.
	Start(ctx context.Context) error
	// Stop accepts nothing more, finishes the events in hand and returns. What
	// is accepted but not safe is given up: its receipts end with ErrStopped.
	// When ctx ends first the handlers' contexts end too.
	Stop(ctx context.Context) error
}

// Aside is an event that a group could not handle and went on without.
type Aside struct {
	Group string
	Event Envelope
	Tries int
	Err   string // of the last try
	At    time.Time
}

// Receipt tells when offered events are safe.
type Receipt struct {
	done chan struct{}
	err  error
}

// NewReceipt returns a receipt and the function that settles it, which must be
// called exactly once.
func NewReceipt() (r *Receipt, settle func(error)) {
	r = &Receipt{done: make(chan struct{})}
	return r, func(err error) {
		r.err = err
		close(r.done)
	}
}

// Done is closed when the receipt is settled.
func (r *Receipt) Done() <-chan struct{} { return r.done }

// Err returns nil when the events are safe, else why they must be offered
// again. It may be called after Done is closed only.
func (r *Receipt) Err() error { return r.err }

// Wait returns Err when the receipt is settled, or ctx's error before.
func (r *Receipt) Wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
