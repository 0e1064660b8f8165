package chatgraph

import (
	"context"
	"slices"
	"sync"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/user/usergraph"
)

// threads is what was said in threads.
type threads interface {
	Thread(ctx context.Context, viewer ids.User, p chat.ThreadPage) (root chat.Message, replies []chat.Message, err error)
}

// ThreadArgs are the arguments of thread.
type ThreadArgs struct {
	RootID        graphql.ID
	First, Last   *int32
	After, Before *string
}

// Thread resolves thread.
func (q *Query) Thread(ctx context.Context, args ThreadArgs) (*ThreadConnection, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	root, ok := ids.ParseMessage(string(args.RootID))
	if !ok {
		return nil, chat.ErrNoMessage
	}
	s, err := page.Args{First: args.First, After: args.After, Last: args.Last, Before: args.Before}.Check()
	if err != nil {
		return nil, err
	}
	l := q.g.list("thread", root.String(), who)
	p := chat.ThreadPage{Root: root, Backward: s.Backward, Limit: s.Limit + 1}
	if p.After, err = l.number(s.After, "after"); err != nil {
		return nil, err
	}
	if p.Before, err = l.number(s.Before, "before"); err != nil {
		return nil, err
	}
	at, got, err := q.g.Chat.Thread(ctx, who, p)
	if err != nil {
		return nil, err
	}
	c := &ThreadConnection{Connection: Connection[*Message]{
		list: l, key: func(m *Message) []byte { return numberKey(m.m.Seq) }, more: p.Before > 0, moreFront: p.After > 0,
	}}
	over := len(got) > s.Limit
	switch {
	case over && p.Backward:
		got, c.moreFront = got[1:], true
	case over:
		got, c.more = got[:s.Limit], true
	}
	// The root is a neighbour: what they lead to is loaded for all at once.
	nodes := q.g.messageNodes(append([]chat.Message{at}, got...))
	c.root, c.nodes = nodes[0], nodes[1:]
	return c, nil
}

// ThreadConnection is a page of a thread.
type ThreadConnection struct {
	Connection[*Message]

	root *Message
}

// Root resolves root.
func (c *ThreadConnection) Root() *Message { return c.root }

// ThreadRootID resolves threadRootId.
func (m *Message) ThreadRootID() *graphql.ID {
	if m.m.ThreadRoot.IsZero() {
		return nil
	}
	id := graphql.ID(m.m.ThreadRoot.String())
	return &id
}

// ThreadRoot resolves threadRoot.
func (m *Message) ThreadRoot(ctx context.Context) (*Message, error) {
	if m.m.ThreadRoot.IsZero() {
		return nil, nil
	}
	b := m.near
	root, _, err := b.roots.get(m.m.ThreadRoot, func() (map[ids.Message]*Message, error) {
		var of []ids.Message
		b.each(func(m *chat.Message) {
			if !m.ThreadRoot.IsZero() && !slices.Contains(of, m.ThreadRoot) {
				of = append(of, m.ThreadRoot)
			}
		})
		return b.g.MessagesByID(ctx, of)
	})
	return root, err
}

// Thread resolves thread.
func (m *Message) Thread() *Thread {
	if m.m.Thread == nil {
		return nil
	}
	return &Thread{m.m.Thread, m.near}
}

// Thread is what a root knows of its thread.
type Thread struct {
	t    *chat.Thread
	near *besideMessages
}

// ReplyCount resolves replyCount.
func (t *Thread) ReplyCount() int32 { return int32Of(t.t.Replies) }

// LastReplyAt resolves lastReplyAt.
func (t *Thread) LastReplyAt() gqlx.Time { return gqlx.TimeOf(t.t.LastAt) }

// LastReplySeq resolves lastReplySeq.
func (t *Thread) LastReplySeq() int32 { return int32Of(t.t.LastSeq) }

// Participants resolves participants.
func (t *Thread) Participants(ctx context.Context, args struct{ First *int32 }) ([]*usergraph.User, error) {
	return t.near.some(ctx, t.t.People, args.First)
}

// Mentions resolves mentions.
func (m *Message) Mentions() *MessageMentions {
	if m.m.Mentions == nil {
		return nil
	}
	return &MessageMentions{m.m.Mentions, m.near}
}

// MessageMentions is whom a message mentions.
type MessageMentions struct {
	m    *chat.Mentions
	near *besideMessages
}

// All resolves all.
func (m *MessageMentions) All() bool { return m.m.All }

// Users resolves users.
func (m *MessageMentions) Users(ctx context.Context, args struct{ First *int32 }) ([]*usergraph.User, error) {
	return m.near.some(ctx, m.m.Users, args.First)
}

// named is everybody whom the messages of one list name: the people of their
// threads and those they mention.
type named struct {
	once sync.Once
	crowd
}

// some returns the first of the users.
func (b *besideMessages) some(ctx context.Context, of []ids.User, first *int32) ([]*usergraph.User, error) {
	s, err := page.Args{First: first}.Check()
	if err != nil {
		return nil, err
	}
	b.named.once.Do(func() {
		b.named.people = b.g.People
		b.each(func(m *chat.Message) {
			if m.Thread != nil {
				b.named.who = append(b.named.who, m.Thread.People...)
			}
			if m.Mentions != nil {
				b.named.who = append(b.named.who, m.Mentions.Users...)
			}
		})
	})
	out := make([]*usergraph.User, 0, min(s.Limit, len(of)))
	for _, id := range of[:min(s.Limit, len(of))] {
		u, err := b.named.one(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// ReplyInThread resolves replyInThread.
func (r *MessageRights) ReplyInThread() bool { return r.reply }

// MentionAll resolves mentionAll.
func (r *ConversationRights) MentionAll() bool { return r.r.MentionAll }

// threadRoot reads the argument of that name.
func threadRoot(id *graphql.ID) (root ids.Message, err error) {
	if id == nil {
		return root, nil
	}
	root, ok := ids.ParseMessage(string(*id))
	if !ok {
		return root, chat.ErrThreadRoot.With(errs.Field("input.threadRootId"))
	}
	return root, nil
}

// mentionsOf reads the argument mentions.
func mentionsOf(given *[]graphql.ID) (*[]ids.User, error) {
	if given == nil {
		return nil, nil //nolint:nilnil // Not to be given is something else than to be empty.
	}
	users := make([]ids.User, 0, min(len(*given), chat.MaxMentions+1))
	for _, id := range *given {
		u, ok := ids.ParseUser(string(id))
		if !ok {
			return nil, chat.ErrMentions.With(errs.Field("input.mentions"))
		}
		users = append(users, u)
	}
	return &users, nil
}
