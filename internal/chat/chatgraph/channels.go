package chatgraph

import (
	"context"
	"strings"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// channels are found and joined by those who were not invited.
type channels interface {
	Channels(ctx context.Context, who principal.Principal, query, after string, limit int) ([]chat.ListedChannel, error)
	JoinChannel(ctx context.Context, who principal.Principal, id ids.Conversation) (chat.View, error)
}

// caller returns who is calling, with his standing on the server.
func caller(ctx context.Context) (principal.Principal, error) {
	p, ok := principal.From(ctx)
	if !ok {
		return p, errs.ErrUnauthenticated
	}
	return p, nil
}

// callerIn is who calls, with his role, and where.
func callerIn(ctx context.Context, id graphql.ID) (principal.Principal, ids.Conversation, error) {
	_, conv, err := callerAt(ctx, id)
	if err != nil {
		return principal.Principal{}, conv, err
	}
	who, err := caller(ctx)
	return who, conv, err
}

// ChannelsArgs are the arguments of channels.
type ChannelsArgs struct {
	Query *string
	First *int32
	After *string
}

// Channels resolves channels.
func (q *Query) Channels(ctx context.Context, args ChannelsArgs) (*Connection[*ChannelPreview], error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	s, err := pageArgs{args.First, args.After}.check()
	if err != nil {
		return nil, err
	}
	l := q.g.list("channels", strings.Join(chat.ChannelQueryWords(str(args.Query)), " "), who.User)
	after, err := l.open(s.After, "after")
	if err != nil {
		return nil, err
	}
	got, err := q.g.Chat.Channels(ctx, who, str(args.Query), string(after), s.Limit+1)
	if err != nil {
		return nil, err
	}
	got, more := cut(got, s.Limit)
	nodes := make([]*ChannelPreview, len(got))
	for i := range got {
		nodes[i] = &ChannelPreview{&got[i], who}
	}
	return &Connection[*ChannelPreview]{
		list: l, nodes: nodes, more: more, moreFront: s.After != "",
		key: func(c *ChannelPreview) []byte { return []byte(c.c.Key) },
	}, nil
}

// JoinChannel resolves joinChannel.
func (m *Mutation) JoinChannel(ctx context.Context, args struct {
	Input struct{ ConversationID graphql.ID }
},
) (*ConversationPayload, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	_, conv, err := callerAt(ctx, args.Input.ConversationID)
	if err != nil {
		return nil, err
	}
	return m.g.conversationPayload(m.g.Chat.JoinChannel(ctx, who, conv))
}

// ChannelPreview is what everybody may know of a channel.
type ChannelPreview struct {
	c   *chat.ListedChannel
	who principal.Principal
}

// ConversationID resolves conversationId.
func (c *ChannelPreview) ConversationID() graphql.ID { return graphql.ID(c.c.ID.String()) }

// Name resolves name.
func (c *ChannelPreview) Name() string { return c.c.Name }

// Description resolves description.
func (c *ChannelPreview) Description() string { return c.c.Description }

// CreatedAt resolves createdAt.
func (c *ChannelPreview) CreatedAt() gqlx.Time { return gqlx.TimeOf(c.c.CreatedAt) }

// MemberCount resolves memberCount.
func (c *ChannelPreview) MemberCount() int32 { return int32Of(int64(c.c.MemberCount)) }

// Joined resolves joined.
func (c *ChannelPreview) Joined() bool { return c.c.Joined }

// ViewerCan resolves viewerCan.
func (c *ChannelPreview) ViewerCan() *ChannelRights { return &ChannelRights{chat.MayJoin(c.who, *c.c)} }

// ChannelRights is what the viewer may do about a channel.
type ChannelRights struct{ join bool }

// Join resolves join.
func (r *ChannelRights) Join() bool { return r.join }
