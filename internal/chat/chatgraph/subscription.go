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
	typingArgs struct{ ConversationID graphql.ID }
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
func (*Subscription) Typing(ctx context.Context, _ typingArgs) (<-chan *TypingChanged, error) {
	return gqlx.Channel[*TypingChanged](ctx)
}

// SubscriptionFields says how chat's subscriptions are opened and rendered.
func (g *Graph) SubscriptionFields() []gqlx.SubscriptionField {
	return []gqlx.SubscriptionField{
		{Name: "messageAdded", Open: g.openAdded, Node: g.eventMessage},
		{Name: "messageChanged", Open: g.openChanged, Node: g.eventMessage},
		{Name: "typing", Open: g.openTyping, Node: g.eventTyping},
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

func (g *Graph) openTyping(ctx context.Context, a gqlx.Args) (feed.Stream, error) {
	who, conv, err := callerAt(ctx, graphql.ID(a.ID("conversationId")))
	if err != nil {
		return nil, err
	}
	return g.Chat.TypingStream(ctx, who, conv)
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

// eventTyping makes a node of Typing, which has the fields of TypingChanged
// but for the cursor.
func (g *Graph) eventTyping(event any) any {
	return g.EventNode(event.(*chat.Event), nil)
}
