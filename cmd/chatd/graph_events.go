package main

import (
	"context"
	"fmt"

	"chatd/internal/chat"
	"chatd/internal/chat/chatgraph"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
	"chatd/internal/user/usergraph"
)

// openEvents opens the stream of everything that concerns the viewer.
func (g *graph) openEvents(ctx context.Context, a gqlx.Args) (feed.Stream, error) {
	p, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	// Stock clients send the variables of their first subscription for ever,
	// and the newest position with each connection; or the other way round.
	given := a.String("after")
	if a["after"] != nil && given == "" {
		given = feed.Garbled
	}
	after := g.feed.Further(p.User, given, feed.ResumeFrom(ctx).Cursor)
	return g.feed.Open(ctx, p.User, after)
}

// Events resolves the subscription events: the renderer feeds the channel.
func (*Subscription) Events(ctx context.Context, _ struct{ After *string }) (<-chan *Event, error) {
	return gqlx.Channel[*Event](ctx)
}

// Events resolves the query events.
func (q *Query) Events(ctx context.Context, args struct {
	After *string
	First *int32
},
) (*EventConnection, error) {
	p, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	s, err := page.Args{First: args.First, After: args.After}.Check()
	if err != nil {
		return nil, err
	}
	items, end, more, err := q.g.feed.Poll(ctx, p.User, s.After, s.Limit)
	if err != nil {
		return nil, err
	}
	return &EventConnection{q.g, items, end, more}, nil
}

// EventConnection is a page of events.
type EventConnection struct {
	g     *graph
	items []feed.Item
	end   string
	more  bool
}

// Edges resolves edges.
func (c *EventConnection) Edges() []*EventEdge {
	out := make([]*EventEdge, len(c.items))
	for i, it := range c.items {
		out[i] = &EventEdge{c.g.event(it.Event, it.Local)}
	}
	return out
}

// PageInfo resolves pageInfo.
func (c *EventConnection) PageInfo() *EventPageInfo { return &EventPageInfo{c} }

// EventPageInfo tells where a page of events lies.
type EventPageInfo struct{ of *EventConnection }

// HasNextPage resolves hasNextPage.
func (p *EventPageInfo) HasNextPage() bool { return p.of.more }

// HasPreviousPage resolves hasPreviousPage: nobody polls backwards.
func (p *EventPageInfo) HasPreviousPage() bool { return false }

// StartCursor resolves startCursor.
func (p *EventPageInfo) StartCursor() *string {
	if len(p.of.items) == 0 {
		return nil
	}
	c := mark{p.of.items[0].Local}.Cursor()
	return &c
}

// EndCursor resolves endCursor.
func (p *EventPageInfo) EndCursor() *string { return &p.of.end }

// EventEdge is an event in its page.
type EventEdge struct{ node *Event }

// Cursor resolves cursor.
func (e *EventEdge) Cursor() string { return e.node.Cursor() }

// Node resolves node.
func (e *EventEdge) Node() *Event { return e.node }

// Event is an event of any type.
type Event struct{ node interface{ Cursor() string } }

// event makes the node of an event of a viewer's stream. Without local its
// cursor is the placeholder that is filled in for each subscriber.
func (g *graph) event(event any, local feed.Local) *Event {
	switch e := event.(type) {
	case *chat.Event:
		return &Event{g.chat.EventNode(e, local)}
	case *user.RelationshipChanged:
		return &Event{g.people.Related(e, local)}
	case *user.PresenceChanged:
		return &Event{g.people.Changed(e, local)}
	case *user.PresenceSnapshot:
		return &Event{g.people.Snapshot(e, local)}
	case *feed.Started:
		return &Event{&StreamStarted{mark{local}}}
	case *feed.CaughtUp:
		return &Event{&CaughtUp{mark{local}}}
	case *feed.Reset:
		return &Event{&Reset{mark{local}, e.Reason}}
	}
	panic(fmt.Sprintf("no node for an event of type %T", event)) // The sources are the program's own.
}

// mark is an event of the stream itself.
type mark struct{ local feed.Local }

// Cursor resolves cursor.
func (m mark) Cursor() string {
	if m.local == nil {
		return gqlx.CursorPlaceholder
	}
	return string(m.local.AppendCursor(nil))
}

type (
	// StreamStarted tells that the subscription is in force.
	StreamStarted struct{ mark }
	// CaughtUp tells that all missed events have come.
	CaughtUp struct{ mark }
	// Reset tells that missed events cannot be told.
	Reset struct {
		mark
		reason feed.ResetReason
	}
)

// Reason resolves reason.
func (r *Reset) Reason() feed.ResetReason { return r.reason }

// Cursor resolves cursor.
func (e *Event) Cursor() string { return e.node.Cursor() }

// ToStreamStarted tells whether it is that type.
func (e *Event) ToStreamStarted() (*StreamStarted, bool) { return is[*StreamStarted](e.node) }

// ToCaughtUp tells whether it is that type.
func (e *Event) ToCaughtUp() (*CaughtUp, bool) { return is[*CaughtUp](e.node) }

// ToReset tells whether it is that type.
func (e *Event) ToReset() (*Reset, bool) { return is[*Reset](e.node) }

// ToMessageAdded tells whether it is that type.
func (e *Event) ToMessageAdded() (*chatgraph.MessageAdded, bool) {
	return is[*chatgraph.MessageAdded](e.node)
}

// ToMessageChanged tells whether it is that type.
func (e *Event) ToMessageChanged() (*chatgraph.MessageChanged, bool) {
	return is[*chatgraph.MessageChanged](e.node)
}

// ToMembershipChanged tells whether it is that type.
func (e *Event) ToMembershipChanged() (*chatgraph.MembershipChanged, bool) {
	return is[*chatgraph.MembershipChanged](e.node)
}

// ToConversationChanged tells whether it is that type.
func (e *Event) ToConversationChanged() (*chatgraph.ConversationChanged, bool) {
	return is[*chatgraph.ConversationChanged](e.node)
}

// ToReceiptChanged tells whether it is that type.
func (e *Event) ToReceiptChanged() (*chatgraph.ReceiptChanged, bool) {
	return is[*chatgraph.ReceiptChanged](e.node)
}

// ToTypingChanged tells whether it is that type.
func (e *Event) ToTypingChanged() (*chatgraph.TypingChanged, bool) {
	return is[*chatgraph.TypingChanged](e.node)
}

// ToConversationSettingsChanged tells whether it is that type.
func (e *Event) ToConversationSettingsChanged() (*chatgraph.ConversationSettingsChanged, bool) {
	return is[*chatgraph.ConversationSettingsChanged](e.node)
}

// ToRelationshipChanged tells whether it is that type.
func (e *Event) ToRelationshipChanged() (*usergraph.RelationshipChanged, bool) {
	return is[*usergraph.RelationshipChanged](e.node)
}

// ToPresenceChanged tells whether it is that type.
func (e *Event) ToPresenceChanged() (*usergraph.PresenceChanged, bool) {
	return is[*usergraph.PresenceChanged](e.node)
}

// ToPresenceSnapshot tells whether it is that type.
func (e *Event) ToPresenceSnapshot() (*usergraph.PresenceSnapshot, bool) {
	return is[*usergraph.PresenceSnapshot](e.node)
}

func is[T any](node any) (T, bool) {
	t, ok := node.(T)
	return t, ok
}
