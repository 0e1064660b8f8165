package chatgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/user/usergraph"
)

// pins is what has been pinned.
type pins interface {
	Pin(ctx context.Context, viewer ids.User, msg ids.Message) (chat.Message, error)
	Unpin(ctx context.Context, viewer ids.User, msg ids.Message) (chat.Message, error)
	Pinned(ctx context.Context, viewer ids.User, conv ids.Conversation, before int64, limit int) ([]chat.Message, error)
}

// PinInput is the input of pinMessage and unpinMessage.
type PinInput struct{ MessageID graphql.ID }

// PinMessage resolves pinMessage.
func (m *Mutation) PinMessage(ctx context.Context, args struct{ Input PinInput }) (*MessagePayload, error) {
	return m.revise(ctx, args.Input.MessageID, m.g.Chat.Pin)
}

// UnpinMessage resolves unpinMessage.
func (m *Mutation) UnpinMessage(ctx context.Context, args struct{ Input PinInput }) (*MessagePayload, error) {
	return m.revise(ctx, args.Input.MessageID, m.g.Chat.Unpin)
}

// PinnedMessagesArgs are the arguments of pinnedMessages.
type PinnedMessagesArgs struct {
	ConversationID graphql.ID
	First          *int32
	After          *string
}

// PinnedMessages resolves pinnedMessages.
func (q *Query) PinnedMessages(ctx context.Context, args PinnedMessagesArgs) (*Connection[*Message], error) {
	who, conv, err := callerAt(ctx, args.ConversationID)
	if err != nil {
		return nil, err
	}
	s, err := pageArgs{args.First, args.After}.check()
	if err != nil {
		return nil, err
	}
	l := q.g.list("pinned", conv.String(), who)
	before, err := l.number(s.After, "after")
	if err != nil {
		return nil, err
	}
	got, err := q.g.Chat.Pinned(ctx, who, conv, before, s.Limit+1)
	if err != nil {
		return nil, err
	}
	got, more := cut(got, s.Limit)
	return &Connection[*Message]{
		list: l, nodes: q.g.messageNodes(got), more: more, moreFront: s.After != "",
		key: func(m *Message) []byte { return numberKey(m.m.Pin.Rev) },
	}, nil
}

// PinnedAt resolves pinnedAt.
func (m *Message) PinnedAt() *gqlx.Time {
	if m.m.Pin == nil {
		return nil
	}
	return gqlx.TimePtr(m.m.Pin.At)
}

// PinnedBy resolves pinnedBy.
func (m *Message) PinnedBy(ctx context.Context) (*usergraph.User, error) {
	if m.m.Pin == nil {
		return nil, nil
	}
	return m.near.pinners.one(ctx, m.m.Pin.By)
}

// Pin resolves pin.
func (r *MessageRights) Pin() bool { return r.r.Pin }
