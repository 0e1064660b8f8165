package chatgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/user/usergraph"
)

// roster lists members.
type roster interface {
	Members(ctx context.Context, viewer ids.User, conv ids.Conversation, after chat.MemberKey, limit int) ([]chat.Member, error)
}

// Conversation is the node of a conversation as the viewer sees it.
type Conversation struct {
	v    *chat.View
	near *besideConversations
}

// ID resolves id.
func (c *Conversation) ID() graphql.ID { return graphql.ID(c.v.ID.String()) }

// Kind resolves kind.
func (c *Conversation) Kind() chat.Kind { return c.v.Kind }

// Name resolves name.
func (c *Conversation) Name() *string {
	if c.v.Kind == chat.Direct {
		return nil
	}
	return &c.v.Name
}

// Description resolves description.
func (c *Conversation) Description() string { return c.v.Description }

// CreatedAt resolves createdAt.
func (c *Conversation) CreatedAt() gqlx.Time { return gqlx.TimeOf(c.v.CreatedAt) }

// LastSeq resolves lastSeq.
func (c *Conversation) LastSeq() int32 { return int32Of(c.v.LastSeq) }

// LastRev resolves lastRev.
func (c *Conversation) LastRev() int32 { return int32Of(c.v.LastRev) }

// LastMessage resolves lastMessage.
func (c *Conversation) LastMessage(ctx context.Context) (*Message, error) {
	if c.v.LastSeq == 0 {
		return nil, nil
	}
	return c.near.lastMessage(ctx, c.v.ID)
}

// UnreadCount resolves unreadCount.
func (c *Conversation) UnreadCount() int32 { return int32Of(c.v.UnreadCount()) }

// LastReadSeq resolves lastReadSeq.
func (c *Conversation) LastReadSeq() int32 { return int32Of(c.v.Viewer.ReadSeq) }

// MemberCount resolves memberCount.
func (c *Conversation) MemberCount() int32 { return int32Of(int64(c.v.MemberCount)) }

// pageArgs are the arguments of a list that is read from the front only.
type pageArgs struct {
	First *int32
	After *string
}

func (a pageArgs) check() (page.Slice, error) {
	return page.Args{First: a.First, After: a.After}.Check()
}

// Members resolves members.
func (c *Conversation) Members(ctx context.Context, args pageArgs) (*Connection[*Member], error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	s, err := args.check()
	if err != nil {
		return nil, err
	}
	g := c.near.g
	l := g.list("members", c.v.ID.String(), who)
	after, err := l.memberKey(s.After)
	if err != nil {
		return nil, err
	}
	got, err := g.Chat.Members(ctx, who, c.v.ID, after, s.Limit+1)
	if err != nil {
		return nil, err
	}
	got, more := cut(got, s.Limit)
	return &Connection[*Member]{
		list: l, nodes: g.memberNodes(c.v, got), more: more, moreFront: s.After != "",
		key: func(m *Member) []byte { return memberKey(chat.MemberKey{JoinedAt: m.m.JoinedAt, User: m.m.User}) },
	}, nil
}

// ViewerMembership resolves viewerMembership.
func (c *Conversation) ViewerMembership() *Member {
	return c.near.g.memberNodes(c.v, []chat.Member{c.v.Viewer})[0]
}

// Member is one user in one conversation.
type Member struct {
	g     *Graph
	in    *chat.View
	m     *chat.Member
	crowd *crowd
}

func (g *Graph) memberNodes(in *chat.View, of []chat.Member) []*Member {
	crowd := &crowd{people: g.People, who: make([]ids.User, len(of))}
	out := make([]*Member, len(of))
	for i := range of {
		crowd.who[i] = of[i].User
		out[i] = &Member{g, in, &of[i], crowd}
	}
	return out
}

// User resolves user.
func (m *Member) User(ctx context.Context) (*usergraph.User, error) {
	return m.crowd.one(ctx, m.m.User)
}

// Role resolves role.
func (m *Member) Role() chat.Role { return m.m.Role }

// JoinedAt resolves joinedAt.
func (m *Member) JoinedAt() gqlx.Time { return gqlx.TimeOf(m.m.JoinedAt) }

// ViewerCan resolves viewerCan.
func (m *Member) ViewerCan() *MemberRights { return &MemberRights{chat.RightsOver(*m.in, *m.m)} }

// MemberRights is what the viewer may do about a member.
type MemberRights struct{ r chat.MemberRights }

// Remove resolves remove.
func (r *MemberRights) Remove() bool { return r.r.Remove }

// SetRole resolves setRole.
func (r *MemberRights) SetRole() bool { return r.r.SetRole }

// TransferOwnership resolves transferOwnership.
func (r *MemberRights) TransferOwnership() bool { return r.r.TransferOwnership }

// ViewerCan resolves viewerCan.
func (c *Conversation) ViewerCan(ctx context.Context) (*ConversationRights, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	walled, err := c.near.isWalled(ctx, c.v.ID)
	if err != nil {
		return nil, err
	}
	return &ConversationRights{chat.ConversationRights(who, *c.v).Behind(walled)}, nil
}

// ConversationRights is what the viewer may do in a conversation.
type ConversationRights struct{ r chat.Rights }

// Send resolves send.
func (r *ConversationRights) Send() bool { return r.r.Send }

// AddMembers resolves addMembers.
func (r *ConversationRights) AddMembers() bool { return r.r.AddMembers }

// Update resolves update.
func (r *ConversationRights) Update() bool { return r.r.Update }

// Invite resolves invite.
func (r *ConversationRights) Invite() bool { return r.r.Invite }

// Leave resolves leave.
func (r *ConversationRights) Leave() bool { return r.r.Leave }
