package chatgraph

import (
	"cmp"
	"context"
	"slices"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/user/usergraph"
)

// signals tell how far somebody is with reading and writing.
type signals interface {
	MarkRead(ctx context.Context, viewer ids.User, conv ids.Conversation, seq int64) (chat.View, error)
	MarkDelivered(ctx context.Context, viewer ids.User, conv ids.Conversation, seq int64) (chat.View, error)
	MarkUnread(ctx context.Context, viewer ids.User, conv ids.Conversation, seq int64) (chat.View, error)
	SetTyping(ctx context.Context, viewer ids.User, conv ids.Conversation, typing bool) error
	receipts
}

// receipts tell how far messages have come, by the positions of members.
type receipts interface {
	Positions(ctx context.Context, viewer ids.User, of []ids.Conversation) ([]chat.Member, error)
	ShownRead(viewer ids.User, m chat.Member) (int64, bool)
	ShownDelivered(viewer ids.User, m chat.Member) int64
	ReadBy(viewer ids.User, msg chat.Message, members []chat.Member) []chat.Member
	DeliveryStateOf(viewer ids.User, msg chat.Message, members []chat.Member) chat.DeliveryState
}

// PositionInput is the input of markRead, markDelivered and markUnread.
type PositionInput struct {
	ConversationID graphql.ID
	Seq            int32
}

type positionArgs struct{ Input PositionInput }

// MarkRead resolves markRead.
func (m *Mutation) MarkRead(ctx context.Context, args positionArgs) (*ConversationPayload, error) {
	return m.position(ctx, args, m.g.Chat.MarkRead)
}

// MarkDelivered resolves markDelivered.
func (m *Mutation) MarkDelivered(ctx context.Context, args positionArgs) (*ConversationPayload, error) {
	return m.position(ctx, args, m.g.Chat.MarkDelivered)
}

// MarkUnread resolves markUnread.
func (m *Mutation) MarkUnread(ctx context.Context, args positionArgs) (*ConversationPayload, error) {
	return m.position(ctx, args, m.g.Chat.MarkUnread)
}

func (m *Mutation) position(ctx context.Context, args positionArgs,
	use func(context.Context, ids.User, ids.Conversation, int64) (chat.View, error),
) (*ConversationPayload, error) {
	who, conv, err := callerAt(ctx, args.Input.ConversationID)
	if err != nil {
		return nil, err
	}
	return m.g.conversationPayload(use(ctx, who, conv, int64(args.Input.Seq)))
}

// SetTypingInput is the input of setTyping.
type SetTypingInput struct {
	ConversationID graphql.ID
	Typing         bool
}

// SetTyping resolves setTyping.
func (m *Mutation) SetTyping(ctx context.Context, args struct{ Input SetTypingInput }) (*OKPayload, error) {
	who, conv, err := callerAt(ctx, args.Input.ConversationID)
	if err != nil {
		return nil, err
	}
	if err := m.g.Chat.SetTyping(ctx, who, conv, args.Input.Typing); err != nil {
		return nil, err
	}
	return &OKPayload{}, nil
}

// ReadSeq resolves readSeq.
func (m *Member) ReadSeq(ctx context.Context) (*int32, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	seq, shown := m.g.Chat.ShownRead(who, *m.m)
	if !shown {
		return nil, nil
	}
	n := int32Of(seq)
	return &n, nil
}

// DeliveredSeq resolves deliveredSeq.
func (m *Member) DeliveredSeq(ctx context.Context) (int32, error) {
	who, err := viewer(ctx)
	if err != nil {
		return 0, err
	}
	return int32Of(m.g.Chat.ShownDelivered(who, *m.m)), nil
}

// positions returns the members of a message's conversation; none of a crowd.
// Where only own is asked, conversations in which the viewer has said none of
// the list's messages are left out.
func (b *besideMessages) positions(ctx context.Context, of ids.Conversation, own bool) ([]chat.Member, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	at := &b.readers
	if own {
		at = &b.delivered
	}
	members, _, err := at.get(of, func() (map[ids.Conversation][]chat.Member, error) {
		in := map[ids.Conversation][]chat.Member{}
		var wanted []ids.Conversation
		b.each(func(m *chat.Message) {
			if _, ok := in[m.Conversation]; !ok && (!own || m.Sender == who) {
				in[m.Conversation] = nil
				wanted = append(wanted, m.Conversation)
			}
		})
		found, err := b.g.Chat.Positions(ctx, who, wanted)
		for _, m := range found {
			in[m.Conversation] = append(in[m.Conversation], m)
		}
		return in, err
	})
	return members, err
}

// DeliveryState resolves deliveryState.
func (m *Message) DeliveryState(ctx context.Context) (*chat.DeliveryState, error) {
	who, err := viewer(ctx)
	if err != nil || who != m.m.Sender || m.m.Kind != chat.Text {
		return nil, err
	}
	members, err := m.near.positions(ctx, m.m.Conversation, true)
	if err != nil {
		return nil, err
	}
	state := m.near.g.Chat.DeliveryStateOf(who, *m.m, members)
	return &state, nil
}

// ReadBy resolves readBy.
func (m *Message) ReadBy(ctx context.Context, args pageArgs) (*Connection[*usergraph.User], error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	s, err := args.check()
	if err != nil {
		return nil, err
	}
	g := m.near.g
	l := g.list("readers", m.m.ID.String(), who)
	after, err := l.memberKey(s.After)
	if err != nil {
		return nil, err
	}
	page := func(of *chat.Message) ([]chat.Member, bool, error) {
		members, err := m.near.positions(ctx, of.Conversation, false)
		if err != nil {
			return nil, false, err
		}
		page, more := readersAfter(g.Chat.ReadBy(who, *of, members), after, s.Limit)
		return page, more, nil
	}
	readers, more, err := page(m.m)
	if err != nil {
		return nil, err
	}
	keys := make(map[*usergraph.User]chat.MemberKey, len(readers))
	nodes := make([]*usergraph.User, 0, len(readers))
	for _, r := range readers {
		u, err := m.near.reader(ctx, r.User, page)
		if err != nil {
			return nil, err
		}
		nodes, keys[u] = append(nodes, u), keyOf(r)
	}
	return &Connection[*usergraph.User]{
		list: l, nodes: nodes, more: more, moreFront: s.After != "",
		key: func(u *usergraph.User) []byte { return memberKey(keys[u]) },
	}, nil
}

func keyOf(m chat.Member) chat.MemberKey { return chat.MemberKey{JoinedAt: m.JoinedAt, User: m.User} }

// readersAfter sorts readers as members are listed and cuts a page.
func readersAfter(readers []chat.Member, after chat.MemberKey, limit int) ([]chat.Member, bool) {
	order := func(a, b chat.MemberKey) int { return cmp.Or(a.JoinedAt.Compare(b.JoinedAt), a.User.Compare(b.User)) }
	readers = slices.DeleteFunc(readers, func(m chat.Member) bool { return !after.User.IsZero() && order(keyOf(m), after) <= 0 })
	slices.SortFunc(readers, func(a, b chat.Member) int { return order(keyOf(a), keyOf(b)) })
	return cut(readers, limit)
}

// reader returns a user of the readers of one of the list's messages. Those of
// all of them, as page says, are loaded at once.
func (b *besideMessages) reader(
	ctx context.Context, id ids.User, page func(*chat.Message) ([]chat.Member, bool, error),
) (*usergraph.User, error) {
	u, ok, err := b.readUsers.get(id, func() (map[ids.User]*usergraph.User, error) {
		var of []ids.User
		var failed error
		b.each(func(m *chat.Message) {
			readers, _, err := page(m)
			if err != nil {
				failed = err
			}
			for _, r := range readers {
				of = append(of, r.User)
			}
		})
		if failed != nil {
			return nil, failed
		}
		of = distinct(of)
		found, err := b.g.People.Many(ctx, of)
		out := make(map[ids.User]*usergraph.User, len(found))
		for i, u := range found {
			out[of[i]] = u
		}
		return out, err
	})
	if err != nil || ok && u != nil {
		return u, err
	}
	return b.g.People.One(ctx, id) // Of another page than the first that was asked for, or it tells why there is none.
}
