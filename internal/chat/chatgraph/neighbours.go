package chatgraph

import (
	"context"
	"slices"
	"sync"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/user/usergraph"
)

// archive finds what the nodes of a list lead to, for all of them at once.
type archive interface {
	Conversations(ctx context.Context, viewer ids.User, of []ids.Conversation) ([]chat.View, error)
	MessagesByID(ctx context.Context, viewer ids.User, of []ids.Message) ([]chat.Message, error)
	MessagesAt(ctx context.Context, viewer ids.User, at map[ids.Conversation]int64) ([]chat.Message, error)
	Walled(ctx context.Context, viewer ids.User, of []chat.View) (map[ids.Conversation]bool, error)
}

// batch is one kind of neighbour of all nodes of a list: loaded at once, when
// the first is asked for, and then for as long as the answer lasts.
type batch[K comparable, V any] struct {
	once sync.Once
	got  map[K]V
	err  error
}

func (b *batch[K, V]) get(k K, load func() (map[K]V, error)) (v V, ok bool, err error) {
	b.once.Do(func() { b.got, b.err = load() })
	if b.err != nil {
		return v, false, b.err
	}
	v, ok = b.got[k]
	return v, ok, nil
}

// crowd is the users that the nodes of one list name.
type crowd struct {
	people People
	who    []ids.User // doubles allowed
	batch  batch[ids.User, *usergraph.User]
}

func (c *crowd) one(ctx context.Context, id ids.User) (*usergraph.User, error) {
	if len(c.who) < 2 {
		return c.people.One(ctx, id)
	}
	u, _, err := c.batch.get(id, func() (map[ids.User]*usergraph.User, error) {
		of := distinct(c.who)
		found, err := c.people.Many(ctx, of)
		if err != nil {
			return nil, err
		}
		out := make(map[ids.User]*usergraph.User, len(found))
		for i, u := range found {
			out[of[i]] = u
		}
		return out, nil
	})
	if err != nil || u != nil {
		return u, err
	}
	return c.people.One(ctx, id) // It tells why there is none.
}

func distinct(users []ids.User) []ids.User {
	users = slices.Clone(users)
	slices.SortFunc(users, ids.User.Compare)
	return slices.Compact(users)
}

// conversationNodes makes the nodes of one list.
func (g *Graph) conversationNodes(views []chat.View) []*Conversation {
	near := &besideConversations{g: g, views: views}
	out := make([]*Conversation, len(views))
	for i := range views {
		out[i] = &Conversation{&views[i], near}
	}
	return out
}

// besideConversations are the neighbours of the conversations of one list.
type besideConversations struct {
	g     *Graph
	views []chat.View
	last  batch[ids.Conversation, *Message]
	walls batch[ids.Conversation, bool]
}

// isWalled says whether a conversation is a direct one of two who are kept
// apart.
func (b *besideConversations) isWalled(ctx context.Context, of ids.Conversation) (bool, error) {
	walled, _, err := b.walls.get(of, func() (map[ids.Conversation]bool, error) {
		who, err := viewer(ctx)
		if err != nil {
			return nil, err
		}
		return b.g.Chat.Walled(ctx, who, b.views)
	})
	return walled, err
}

func (b *besideConversations) lastMessage(ctx context.Context, of ids.Conversation) (*Message, error) {
	m, _, err := b.last.get(of, func() (map[ids.Conversation]*Message, error) {
		who, err := viewer(ctx)
		if err != nil {
			return nil, err
		}
		at := make(map[ids.Conversation]int64, len(b.views))
		for _, v := range b.views {
			if v.LastSeq > 0 {
				at[v.ID] = v.LastSeq
			}
		}
		found, err := b.g.Chat.MessagesAt(ctx, who, at)
		if err != nil {
			return nil, err
		}
		out := make(map[ids.Conversation]*Message, len(found))
		for _, n := range b.g.messageNodes(found) {
			out[n.m.Conversation] = n
		}
		return out, nil
	})
	return m, err
}

// messageNodes makes the nodes of one list.
func (g *Graph) messageNodes(of []chat.Message) []*Message {
	near := &besideMessages{g: g, of: of}
	near.senders = crowd{people: g.People, who: make([]ids.User, len(of))}
	near.pinners.people = g.People
	out := make([]*Message, len(of))
	for i := range of {
		near.senders.who[i] = of[i].Sender
		if of[i].Pin != nil {
			near.pinners.who = append(near.pinners.who, of[i].Pin.By)
		}
		out[i] = &Message{&of[i], near}
	}
	return out
}

// messageNode makes the node of one message alone, which may be shared and is
// not changed.
func (g *Graph) messageNode(m *chat.Message) *Message {
	return &Message{m, &besideMessages{g: g, alone: m, senders: crowd{people: g.People}, pinners: crowd{people: g.People}}}
}

// besideMessages are the neighbours of the messages of one list.
type besideMessages struct {
	g             *Graph
	of            []chat.Message
	alone         *chat.Message // instead of a list
	senders       crowd
	pinners       crowd
	reactions     besideReactions
	replies       batch[ids.Message, *Message]
	roots         batch[ids.Message, *Message]
	named         named
	conversations batch[ids.Conversation, *Conversation]

	readers   batch[ids.Conversation, []chat.Member]
	delivered batch[ids.Conversation, []chat.Member] // of the viewer's own messages
	readUsers batch[ids.User, *usergraph.User]
}

func (b *besideMessages) each(f func(*chat.Message)) {
	if b.alone != nil {
		f(b.alone)
	}
	for i := range b.of {
		f(&b.of[i])
	}
}

// conversation returns the conversation of a message; nil when it is not the
// viewer's any more.
func (b *besideMessages) conversation(ctx context.Context, id ids.Conversation) (*Conversation, error) {
	c, _, err := b.conversations.get(id, func() (map[ids.Conversation]*Conversation, error) {
		var of []ids.Conversation
		b.each(func(m *chat.Message) {
			if !slices.Contains(of, m.Conversation) {
				of = append(of, m.Conversation)
			}
		})
		return b.g.ConversationsByID(ctx, of)
	})
	return c, err
}

// reply returns the message replied to.
func (b *besideMessages) reply(ctx context.Context, id ids.Message) (*Message, error) {
	m, _, err := b.replies.get(id, func() (map[ids.Message]*Message, error) {
		var of []ids.Message
		b.each(func(m *chat.Message) {
			if !m.ReplyTo.IsZero() && !slices.Contains(of, m.ReplyTo) {
				of = append(of, m.ReplyTo)
			}
		})
		return b.g.MessagesByID(ctx, of)
	})
	return m, err
}

// ConversationsByID returns the nodes of those of the conversations that the
// viewer is in, in a constant number of reads.
func (g *Graph) ConversationsByID(ctx context.Context, of []ids.Conversation) (map[ids.Conversation]*Conversation, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	views, err := g.Chat.Conversations(ctx, who, of)
	if err != nil {
		return nil, err
	}
	out := make(map[ids.Conversation]*Conversation, len(views))
	for _, n := range g.conversationNodes(views) {
		out[n.v.ID] = n
	}
	return out, nil
}

// MessagesByID returns the nodes of those of the messages that the viewer may
// read, in a constant number of reads.
func (g *Graph) MessagesByID(ctx context.Context, of []ids.Message) (map[ids.Message]*Message, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	found, err := g.Chat.MessagesByID(ctx, who, of)
	if err != nil {
		return nil, err
	}
	out := make(map[ids.Message]*Message, len(found))
	for _, n := range g.messageNodes(found) {
		out[n.m.ID] = n
	}
	return out, nil
}
