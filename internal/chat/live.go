package chat

import (
	"context"
	"crypto/rand"

	"chatd/internal/chat/chatv1"
	"chatd/internal/platform/bus"
)

// Crier tells all nodes of an event, perhaps. It must not block.
type Crier interface {
	PublishLossy(ctx context.Context, e bus.Envelope)
}

// announcements is how many commits may wait to be told to other nodes. What
// is not told they find in the journal by themselves, only later.
const announcements = 4096

// live tells other nodes what this one has committed, and of its signals.
type live struct {
	crier Crier  // nil: there are no other nodes
	node  string // tells this node's signals from others'
	queue chan []*Event
}

func newLive(crier Crier) *live {
	l := &live{crier: crier, node: rand.Text()}
	if crier != nil {
		l.queue = make(chan []*Event, announcements)
	}
	return l
}

// tell takes events to be told. It never blocks.
func (l *live) tell(events ...*Event) {
	if l.crier == nil {
		return
	}
	select {
	case l.queue <- events:
	default:
	}
}

func (l *live) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case events := <-l.queue:
			for _, e := range events {
				l.crier.PublishLossy(ctx, published(e, l.node))
			}
		}
	}
}

// committed takes the events of a commit of this node.
func (s *Service) committed(events []*Event) {
	s.tail.push(events)
	s.live.tell(events...)
}

// Broadcasts are the topics of which Hear wants to be told.
func Broadcasts() []string { return []string{chatv1.Topic} }

// Hear takes what a node tells all nodes, this one included. It does not
// block; what it does not understand comes from a newer version and is in the
// journal.
func (s *Service) Hear(in bus.Envelope) {
	if in.Pos > 0 && s.tail.has(in.Pos) {
		return // this node's own, or read already
	}
	e, ok := sketched(in)
	var node string
	var err error
	if !ok {
		e, node, err = heard(in)
	}
	switch {
	case err != nil:
		s.Log.Debug().Err(err).Str("name", in.Name).Msg("a broadcast is passed over")
	case e.Kind != TypingChanged:
		s.tail.push([]*Event{e})
	case node != s.live.node:
		s.strangers.set(standingKey{e.Conversation, e.Typing.User}, e.Typing.Typing)
	}
}

// whole fills in an event of which only the sketch was made, where somebody
// here listens; nil where nobody does. False says that it cannot be read.
func (s *Service) whole(e *Event) (*Event, bool) {
	switch {
	case e.told == nil:
		return e, true
	case s.hub.Subscribers(e.Conversation) == 0:
		return nil, true
	}
	full, _, err := heard(*e.told)
	if err != nil {
		s.Log.Warn().Err(err).Msg("a broadcast cannot be read")
		return nil, false
	}
	return full, true
}
