package chatgraph

import (
	"context"
	"fmt"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/user/usergraph"
)

// Event is the node of an event.
type Event interface{ Cursor() string }

// EventNode makes the node of an event: *MessageAdded, *MessageChanged,
// *MembershipChanged, *ConversationChanged, *ReceiptChanged or *TypingChanged.
// Without local its cursor and unread count are gqlx's placeholders, to be
// filled in for each subscriber.
func (g *Graph) EventNode(e *chat.Event, local feed.Local) Event {
	b := base{e, g, local}
	switch e.Kind {
	case chat.MessageAdded:
		return &MessageAdded{b}
	case chat.MessageChanged:
		return &MessageChanged{b}
	case chat.MembershipChanged:
		return &MembershipChanged{b}
	case chat.ConversationChanged:
		return &ConversationChanged{b}
	case chat.ReceiptChanged:
		return &ReceiptChanged{b}
	case chat.TypingChanged:
		return &TypingChanged{b}
	case chat.SettingsChanged:
		return &ConversationSettingsChanged{b}
	}
	panic(fmt.Sprintf("chat event of kind %d", e.Kind)) // The kinds are chat's, not a client's.
}

// base is what the events share.
type base struct {
	e     *chat.Event
	g     *Graph
	local feed.Local // nil while rendering for subscribers
}

// Cursor resolves cursor.
func (b *base) Cursor() string {
	if b.local == nil {
		return gqlx.CursorPlaceholder
	}
	return string(b.local.AppendCursor(nil))
}

// ConversationID resolves conversationId.
func (b *base) ConversationID() graphql.ID { return graphql.ID(b.e.Conversation.String()) }

func (b *base) unread() int32 {
	if b.local == nil {
		return gqlx.UnreadPlaceholder
	}
	return b.local.UnreadCount()
}

func (b *base) message() *Message { return b.g.messageNode(b.e.Message) }

func (b *base) conversation(ctx context.Context) (*Conversation, error) {
	found, err := b.g.ConversationsByID(ctx, []ids.Conversation{b.e.Conversation})
	return found[b.e.Conversation], err
}

// MessageAdded tells of a new message.
type MessageAdded struct{ base }

// Message resolves message.
func (e *MessageAdded) Message() *Message { return e.message() }

// UnreadCount resolves unreadCount.
func (e *MessageAdded) UnreadCount() int32 { return e.unread() }

// MessageChanged tells of a revision of a message, or of its thread.
type MessageChanged struct{ base }

// Message resolves message.
func (e *MessageChanged) Message() *Message { return e.message() }

// UnreadCount resolves unreadCount.
func (e *MessageChanged) UnreadCount() int32 { return e.unread() }

// MembershipChanged tells who is in a conversation now.
type MembershipChanged struct{ base }

// Conversation resolves conversation.
func (e *MembershipChanged) Conversation(ctx context.Context) (*Conversation, error) {
	return e.conversation(ctx)
}

// User resolves user.
func (e *MembershipChanged) User(ctx context.Context) (*usergraph.User, error) {
	return e.g.People.One(ctx, e.e.Membership.User)
}

// Change resolves change.
func (e *MembershipChanged) Change() chat.Change { return e.e.Membership.Change }

// Role resolves role.
func (e *MembershipChanged) Role() chat.Role { return e.e.Membership.Role }

// ConversationChanged tells of a conversation's own state.
type ConversationChanged struct{ base }

// Conversation resolves conversation.
func (e *ConversationChanged) Conversation(ctx context.Context) (*Conversation, error) {
	return e.conversation(ctx)
}

// ReceiptChanged tells how far a member has read.
type ReceiptChanged struct{ base }

// User resolves user.
func (e *ReceiptChanged) User(ctx context.Context) (*usergraph.User, error) {
	return e.g.People.One(ctx, e.e.Receipt.User)
}

// ReadSeq resolves readSeq.
func (e *ReceiptChanged) ReadSeq() int32 { return int32Of(e.e.Receipt.ReadSeq) }

// DeliveredSeq resolves deliveredSeq.
func (e *ReceiptChanged) DeliveredSeq() int32 { return int32Of(e.e.Receipt.DeliveredSeq) }

// UnreadCount resolves unreadCount.
func (e *ReceiptChanged) UnreadCount() int32 { return e.unread() }

// TypingChanged tells who writes.
type TypingChanged struct{ base }

// User resolves user.
func (e *TypingChanged) User(ctx context.Context) (*usergraph.User, error) {
	return e.g.People.One(ctx, e.e.Typing.User)
}

// Typing resolves typing.
func (e *TypingChanged) Typing() bool { return e.e.Typing.Typing }
