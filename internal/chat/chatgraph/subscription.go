package chatgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
)

// streams are one conversation's events: those after a position, then live
// ones. A nil position is live only.
type streams interface {
	AddedStream(ctx context.Context, viewer ids.User, conv ids.Conversation, afterSeq *int64) (feed.Stream, error)
	ChangedStream(ctx context.Context, viewer ids.User, conv ids.Conversation, afterRev *int64) (feed.Stream, error)
	TypingStream(ctx context.Context, viewer ids.User, conv ids.Conversation) (feed.Stream, error)
	ReceiptStream(ctx context.Context, viewer ids.User, conv ids.Conversation) (feed.Stream, error)
	MembershipStream(ctx context.Context, viewer ids.User, conv ids.Conversation) (feed.Stream, error)
}

type (
	addedArgs struct {
		ConversationID graphql.ID
		AfterSeq       *int32
	}
	changedArgs struct {
		ConversationID graphql.ID
		AfterRev       *int32
	}
	liveArgs struct{ ConversationID graphql.ID }
)

// MessageAdded resolves messageAdded: the renderer feeds the channel.
func (*Subscription) MessageAdded(ctx context.Context, _ addedArgs) (<-chan *Message, error) {
	return gqlx.Channel[*Message](ctx)
}

// MessageChanged resolves messageChanged: the renderer feeds the channel.
func (*Subscription) MessageChanged(ctx context.Context, _ changedArgs) (<-chan *Message, error) {
	return gqlx.Channel[*Message](ctx)
}

// Typing resolves typing: the renderer feeds the channel.
func (*Subscription) Typing(ctx context.Context, _ liveArgs) (<-chan *TypingChanged, error) {
	return gqlx.Channel[*TypingChanged](ctx)
}

// Receipts resolves receipts: the renderer feeds the channel.
func (*Subscription) Receipts(ctx context.Context, _ liveArgs) (<-chan *ReceiptChanged, error) {
	return gqlx.Channel[*ReceiptChanged](ctx)
}

// MembershipChanged resolves membershipChanged: the renderer feeds the channel.
func (*Subscription) MembershipChanged(ctx context.Context, _ liveArgs) (<-chan *MembershipChanged, error) {
	return gqlx.Channel[*MembershipChanged](ctx)
}

// SubscriptionFields says how chat's subscriptions are opened and rendered.
func (g *Graph) SubscriptionFields() []gqlx.SubscriptionField {
	return []gqlx.SubscriptionField{
		{Name: "messageAdded", Open: g.openAdded, Node: g.eventMessage},
		{Name: "messageChanged", Open: g.openChanged, Node: g.eventMessage},
		{Name: "typing", Open: g.openLive(g.Chat.TypingStream), Node: g.eventLive},
		{Name: "receipts", Open: g.openLive(g.Chat.ReceiptStream), Node: g.eventLive},
		{Name: "membershipChanged", Open: g.openLive(g.Chat.MembershipStream), Node: g.eventLive},
	}
}

func (g *Graph) openAdded(ctx context.Context, a gqlx.Args) (feed.Stream, error) {
	who, conv, err := callerAt(ctx, graphql.ID(a.ID("conversationId")))
	if err != nil {
		return nil, err
	}
	after, err := further(a, "afterSeq", feed.ResumeFrom(ctx).Seq, conv)
	if err != nil {
		return nil, err
	}
	return g.Chat.AddedStream(ctx, who, conv, after)
}

func (g *Graph) openChanged(ctx context.Context, a gqlx.Args) (feed.Stream, error) {
	who, conv, err := callerAt(ctx, graphql.ID(a.ID("conversationId")))
	if err != nil {
		return nil, err
	}
	after, err := further(a, "afterRev", feed.ResumeFrom(ctx).Rev, conv)
	if err != nil {
		return nil, err
	}
	return g.Chat.ChangedStream(ctx, who, conv, after)
}

// openLive opens what is not replayed.
func (*Graph) openLive(
	open func(ctx context.Context, viewer ids.User, conv ids.Conversation) (feed.Stream, error),
) func(context.Context, gqlx.Args) (feed.Stream, error) {
	return func(ctx context.Context, a gqlx.Args) (feed.Stream, error) {
		who, conv, err := callerAt(ctx, graphql.ID(a.ID("conversationId")))
		if err != nil {
			return nil, err
		}
		return open(ctx, who, conv)
	}
}

// further returns the further of an operation's own position and the one that
// its connection resumes from; nil when neither was given.
func further(a gqlx.Args, field string, resume map[string]int64, conv ids.Conversation) (*int64, error) {
	own, given := a.Int(field)
	if own < 0 {
		return nil, chat.ErrSeq.With(errs.Field(field))
	}
	r, resumed := resume[conv.String()]
	if r < 0 {
		return nil, chat.ErrSeq.With(errs.Field("resume"))
	}
	if !given && !resumed {
		return nil, nil
	}
	at := max(own, r)
	return &at, nil
}

func (g *Graph) eventMessage(event any) any {
	return g.messageNode(event.(*chat.Event).Message)
}

// eventLive makes a node of Typing, Receipt or Membership, which have the
// fields of the events but for what is the viewer's own.
func (g *Graph) eventLive(event any) any {
	return g.EventNode(event.(*chat.Event), nil)
}
