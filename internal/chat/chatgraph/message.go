package chatgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/page"
	"chatd/internal/user/usergraph"
)

// Message is the node of a message.
type Message struct {
	m    *chat.Message
	near *besideMessages
}

// ID resolves id.
func (m *Message) ID() graphql.ID { return graphql.ID(m.m.ID.String()) }

// ConversationID resolves conversationId.
func (m *Message) ConversationID() graphql.ID { return graphql.ID(m.m.Conversation.String()) }

// Conversation resolves conversation.
func (m *Message) Conversation(ctx context.Context) (*Conversation, error) {
	return m.near.conversation(ctx, m.m.Conversation)
}

// Seq resolves seq.
func (m *Message) Seq() int32 { return int32Of(m.m.Seq) }

// Rev resolves rev.
func (m *Message) Rev() int32 { return int32Of(m.m.Rev) }

// Kind resolves kind.
func (m *Message) Kind() chat.MessageKind { return m.m.Kind }

// Sender resolves sender.
func (m *Message) Sender(ctx context.Context) (*usergraph.User, error) {
	return m.near.senders.one(ctx, m.m.Sender)
}

// Text resolves text.
func (m *Message) Text() *string {
	if m.m.Deleted() {
		return nil
	}
	return &m.m.Text
}

// System resolves system.
func (m *Message) System() *SystemNote {
	if m.m.Note == nil {
		return nil
	}
	return &SystemNote{m.m.Note, m.near.g.People}
}

// CreatedAt resolves createdAt.
func (m *Message) CreatedAt() gqlx.Time { return gqlx.TimeOf(m.m.CreatedAt) }

// EditedAt resolves editedAt.
func (m *Message) EditedAt() *gqlx.Time { return gqlx.TimePtr(m.m.EditedAt) }

// DeletedAt resolves deletedAt.
func (m *Message) DeletedAt() *gqlx.Time { return gqlx.TimePtr(m.m.DeletedAt) }

// ClientID resolves clientId, to the sender alone.
func (m *Message) ClientID(ctx context.Context) (*string, error) {
	who, err := viewer(ctx)
	if err != nil || who != m.m.Sender || m.m.ClientID == "" {
		return nil, err
	}
	return &m.m.ClientID, nil
}

// ReplyToID resolves replyToId.
func (m *Message) ReplyToID() *graphql.ID {
	if m.m.ReplyTo.IsZero() {
		return nil
	}
	id := graphql.ID(m.m.ReplyTo.String())
	return &id
}

// ReplyTo resolves replyTo.
func (m *Message) ReplyTo(ctx context.Context) (*Message, error) {
	if m.m.ReplyTo.IsZero() {
		return nil, nil
	}
	return m.near.reply(ctx, m.m.ReplyTo)
}

// Edits resolves edits.
func (m *Message) Edits(ctx context.Context, args pageArgs) (*Connection[*MessageEdit], error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	s, err := args.check()
	if err != nil {
		return nil, err
	}
	g := m.near.g
	l := g.list("edits", m.m.ID.String(), who)
	after, err := l.number(s.After, "after")
	if err != nil {
		return nil, err
	}
	got, err := g.Chat.Edits(ctx, who, m.m.ID, after, s.Limit+1)
	if err != nil {
		return nil, err
	}
	got, more := cut(got, s.Limit)
	nodes := make([]*MessageEdit, len(got))
	for i := range got {
		nodes[i] = &MessageEdit{&got[i]}
	}
	return &Connection[*MessageEdit]{
		list: l, nodes: nodes, more: more, moreFront: s.After != "",
		key: func(e *MessageEdit) []byte { return numberKey(e.e.Rev) },
	}, nil
}

// ViewerCan resolves viewerCan.
func (m *Message) ViewerCan(ctx context.Context) (*MessageRights, error) {
	c, err := m.near.conversation(ctx, m.m.Conversation)
	if err != nil || c == nil {
		return &MessageRights{}, err
	}
	walled, err := c.near.isWalled(ctx, c.v.ID)
	if err != nil {
		return nil, err
	}
	return &MessageRights{chat.MessageRights(*c.v, *m.m).Behind(walled), !walled && chat.MayReplyInThread(*c.v, *m.m)}, nil
}

// MessageRights is what the viewer may do with a message.
type MessageRights struct {
	r     chat.RevisionRights
	reply bool
}

// Edit resolves edit.
func (r *MessageRights) Edit() bool { return r.r.Edit }

// Delete resolves delete.
func (r *MessageRights) Delete() bool { return r.r.Delete }

// MessageEdit is a text that a message had before.
type MessageEdit struct{ e *chat.Edit }

// Rev resolves rev.
func (e *MessageEdit) Rev() int32 { return int32Of(e.e.Rev) }

// Text resolves text.
func (e *MessageEdit) Text() string { return e.e.Text }

// ReplacedAt resolves replacedAt.
func (e *MessageEdit) ReplacedAt() gqlx.Time { return gqlx.TimeOf(e.e.EditedAt) }

// SystemNote is what a system message notes.
type SystemNote struct {
	n      *chat.Note
	people People
}

// Change resolves change.
func (n *SystemNote) Change() chat.Change { return n.n.Change }

// Role resolves role.
func (n *SystemNote) Role() *chat.Role {
	if n.n.Role == "" {
		return nil
	}
	return &n.n.Role
}

// Name resolves name.
func (n *SystemNote) Name() *string { return n.n.Name }

// Description resolves description.
func (n *SystemNote) Description() *string { return n.n.Description }

// UserCount resolves userCount.
func (n *SystemNote) UserCount() int32 { return int32Of(int64(len(n.n.Users))) }

// Users resolves users.
func (n *SystemNote) Users(ctx context.Context, args struct{ First *int32 }) ([]*usergraph.User, error) {
	s, err := page.Args{First: args.First}.Check()
	if err != nil {
		return nil, err
	}
	crowd := crowd{people: n.people, who: n.n.Users[:min(s.Limit, len(n.n.Users))]}
	out := make([]*usergraph.User, 0, len(crowd.who))
	for _, id := range crowd.who {
		u, err := crowd.one(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}
