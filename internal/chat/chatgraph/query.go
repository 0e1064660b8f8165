package chatgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
)

// inbox is the viewer's conversations.
type inbox interface {
	List(ctx context.Context, viewer ids.User, f chat.Filter, before int64, limit int) ([]chat.View, error)
	Conversation(ctx context.Context, viewer ids.User, id ids.Conversation) (chat.View, error)
}

// history is what was said.
type history interface {
	Message(ctx context.Context, viewer ids.User, id ids.Message) (chat.Message, error)
	Page(ctx context.Context, viewer ids.User, p chat.MessagePage) ([]chat.Message, error)
	Edits(ctx context.Context, viewer ids.User, msg ids.Message, after int64, limit int) ([]chat.Edit, error)
}

// Conversations resolves conversations.
func (q *Query) Conversations(ctx context.Context, args struct {
	First  *int32
	After  *string
	Filter *ConversationFilter
},
) (*Connection[*Conversation], error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	s, err := pageArgs{args.First, args.After}.check()
	if err != nil {
		return nil, err
	}
	filter := args.Filter.filter()
	l := q.g.list("conversations", scope(filter), who)
	before, err := l.number(s.After, "after")
	if err != nil {
		return nil, err
	}
	got, err := q.g.Chat.List(ctx, who, filter, before, s.Limit+1)
	if err != nil {
		return nil, err
	}
	got, more := cut(got, s.Limit)
	return &Connection[*Conversation]{
		list: l, nodes: q.g.conversationNodes(got), more: more, moreFront: s.After != "",
		key: func(c *Conversation) []byte { return numberKey(c.v.ActivePos) },
	}, nil
}

// Conversation resolves conversation.
func (q *Query) Conversation(ctx context.Context, args struct{ ID graphql.ID }) (*Conversation, error) {
	return q.g.conversation(ctx, args.ID, q.g.Chat.Conversation)
}

// conversation makes the node of what a use case returns for the caller and
// the conversation of that id.
func (g *Graph) conversation(ctx context.Context, id graphql.ID,
	use func(context.Context, ids.User, ids.Conversation) (chat.View, error),
) (*Conversation, error) {
	who, conv, err := callerAt(ctx, id)
	if err != nil {
		return nil, err
	}
	v, err := use(ctx, who, conv)
	if err != nil {
		return nil, err
	}
	return g.conversationNodes([]chat.View{v})[0], nil
}

// callerAt returns who is calling and the conversation of that id. What is no
// id names no conversation.
func callerAt(ctx context.Context, id graphql.ID) (ids.User, ids.Conversation, error) {
	who, err := viewer(ctx)
	if err != nil {
		return ids.User{}, ids.Conversation{}, err
	}
	conv, ok := ids.ParseConversation(string(id))
	if !ok {
		return ids.User{}, ids.Conversation{}, chat.ErrNoConversation
	}
	return who, conv, nil
}

// Message resolves message.
func (q *Query) Message(ctx context.Context, args struct{ ID graphql.ID }) (*Message, error) {
	return q.g.message(ctx, args.ID, q.g.Chat.Message)
}

// message makes the node of what a use case returns for the caller and the
// message of that id.
func (g *Graph) message(ctx context.Context, id graphql.ID,
	use func(context.Context, ids.User, ids.Message) (chat.Message, error),
) (*Message, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	msg, ok := ids.ParseMessage(string(id))
	if !ok {
		return nil, chat.ErrNoMessage
	}
	m, err := use(ctx, who, msg)
	if err != nil {
		return nil, err
	}
	return g.messageNode(&m), nil
}

// MessagesArgs are the arguments of messages.
type MessagesArgs struct {
	ConversationID graphql.ID
	First, Last    *int32
	After, Before  *string
	AroundSeq      *int32
}

// Messages resolves messages.
func (q *Query) Messages(ctx context.Context, args MessagesArgs) (*Connection[*Message], error) {
	who, conv, err := callerAt(ctx, args.ConversationID)
	if err != nil {
		return nil, err
	}
	l := q.g.list("messages", conv.String(), who)
	p, err := args.page(l)
	if err != nil {
		return nil, err
	}
	p.Conversation = conv
	limit := p.Limit
	p.Limit++
	got, err := q.g.Chat.Page(ctx, who, p)
	if err == nil && args.AroundSeq != nil && len(got) <= limit && p.After > 0 {
		// The middle is so near to the end that the newest page has it.
		p.After, p.Backward = 0, true
		got, err = q.g.Chat.Page(ctx, who, p)
	}
	if err != nil {
		return nil, err
	}
	c := &Connection[*Message]{list: l, key: func(m *Message) []byte { return numberKey(m.m.Seq) }}
	if p.Backward {
		c.more = p.Before > 0
		if c.moreFront = len(got) > limit; c.moreFront {
			got = got[1:]
		}
	} else {
		got, c.more = cut(got, limit)
		c.moreFront = len(got) > 0 && got[0].Seq > 1 // There is no hole below it.
	}
	c.nodes = q.g.messageNodes(got)
	return c, nil
}

// page turns the arguments into what is asked of the store, but for the
// conversation.
func (a MessagesArgs) page(l list) (chat.MessagePage, error) {
	s, err := page.Args{First: a.First, After: a.After, Last: a.Last, Before: a.Before}.Check()
	if err != nil {
		return chat.MessagePage{}, err
	}
	p := chat.MessagePage{Backward: s.Backward, Limit: s.Limit}
	if a.AroundSeq != nil {
		switch {
		case *a.AroundSeq < 0:
			return p, chat.ErrSeq.With(errs.Field("aroundSeq"))
		case s.After != "" || s.Before != "":
			return p, errs.ErrBadInput.With(errs.Field("aroundSeq")).Saying("Give aroundSeq or a cursor, not both.")
		}
		p.Backward = false
		p.After = max(int64(*a.AroundSeq)-int64(s.Limit/2)-1, 0)
		return p, nil
	}
	if p.After, err = l.number(s.After, "after"); err != nil {
		return p, err
	}
	p.Before, err = l.number(s.Before, "before")
	return p, err
}
