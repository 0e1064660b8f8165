package chatgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/user/usergraph"
)

// invites let people into groups by a code.
type invites interface {
	CreateInvite(ctx context.Context, who principal.Principal, conv ids.Conversation, n chat.NewInvite) (chat.Invite, string, error)
	Invite(ctx context.Context, viewer ids.User, id ids.GroupInvite) (chat.Invite, error)
	Invites(ctx context.Context, viewer ids.User, conv ids.Conversation, before ids.GroupInvite, limit int) ([]chat.Invite, error)
	RevokeInvite(ctx context.Context, viewer ids.User, id ids.GroupInvite) (chat.Invite, error)
	JoinByInvite(ctx context.Context, viewer ids.User, code string) (chat.View, error)
}

// GroupInvitesArgs are the arguments of groupInvites.
type GroupInvitesArgs struct {
	ConversationID graphql.ID
	First          *int32
	After          *string
}

// GroupInvites resolves groupInvites.
func (q *Query) GroupInvites(ctx context.Context, args GroupInvitesArgs) (*Connection[*GroupInvite], error) {
	who, conv, err := callerAt(ctx, args.ConversationID)
	if err != nil {
		return nil, err
	}
	s, err := pageArgs{args.First, args.After}.check()
	if err != nil {
		return nil, err
	}
	l := q.g.list("groupInvites", conv.String(), who)
	at, err := l.open(s.After, "after")
	if err != nil {
		return nil, err
	}
	var before ids.GroupInvite
	if at != nil {
		if before, err = ids.FromBytes[ids.GroupInvite](at); err != nil {
			return nil, errs.ErrBadCursor.With(errs.Field("after"))
		}
	}
	got, err := q.g.Chat.Invites(ctx, who, conv, before, s.Limit+1)
	if err != nil {
		return nil, err
	}
	got, more := cut(got, s.Limit)
	return &Connection[*GroupInvite]{
		list: l, nodes: q.g.inviteNodes(got...), more: more, moreFront: s.After != "",
		key: func(i *GroupInvite) []byte { return i.i.ID.Bytes() },
	}, nil
}

// GroupInvite returns the node of an invitation to who may make such.
func (g *Graph) GroupInvite(ctx context.Context, id ids.GroupInvite) (*GroupInvite, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	i, err := g.Chat.Invite(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return g.inviteNodes(i)[0], nil
}

// CreateGroupInviteInput is the input of createGroupInvite.
type CreateGroupInviteInput struct {
	ConversationID graphql.ID
	ExpiresAt      *gqlx.Time
	MaxUses        *int32
}

// CreateGroupInvite resolves createGroupInvite.
func (m *Mutation) CreateGroupInvite(ctx context.Context, args struct{ Input CreateGroupInviteInput }) (*InvitePayload, error) {
	who, conv, err := callerIn(ctx, args.Input.ConversationID)
	if err != nil {
		return nil, err
	}
	var n chat.NewInvite
	if args.Input.ExpiresAt != nil {
		n.ExpiresAt = args.Input.ExpiresAt.Time
	}
	if args.Input.MaxUses != nil {
		most := int(*args.Input.MaxUses)
		n.MaxUses = &most
	}
	i, code, err := m.g.Chat.CreateInvite(ctx, who, conv, n)
	if err != nil {
		return nil, err
	}
	return &InvitePayload{m.g.inviteNodes(i)[0], code}, nil
}

// RevokeGroupInvite resolves revokeGroupInvite.
func (m *Mutation) RevokeGroupInvite(ctx context.Context, args struct {
	Input struct{ InviteID graphql.ID }
},
) (*InvitePayload, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	id, ok := ids.ParseGroupInvite(string(args.Input.InviteID))
	if !ok {
		return nil, chat.ErrNoInvite
	}
	i, err := m.g.Chat.RevokeInvite(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return &InvitePayload{i: m.g.inviteNodes(i)[0]}, nil
}

// JoinByInvite resolves joinByInvite.
func (m *Mutation) JoinByInvite(ctx context.Context, args struct{ Input struct{ Code string } }) (*ConversationPayload, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	return m.g.conversationPayload(m.g.Chat.JoinByInvite(ctx, who, args.Input.Code))
}

// InvitePayload is the answer of mutations that return an invitation.
type InvitePayload struct {
	i    *GroupInvite
	code string
}

// Invite resolves invite.
func (p *InvitePayload) Invite() *GroupInvite { return p.i }

// Code resolves code.
func (p *InvitePayload) Code() string { return p.code }

// GroupInvite is the node of an invitation.
type GroupInvite struct {
	i     *chat.Invite
	crowd *crowd
}

func (g *Graph) inviteNodes(of ...chat.Invite) []*GroupInvite {
	crowd := &crowd{people: g.People, who: make([]ids.User, len(of))}
	out := make([]*GroupInvite, len(of))
	for i := range of {
		crowd.who[i] = of[i].Creator
		out[i] = &GroupInvite{&of[i], crowd}
	}
	return out
}

// ID resolves id.
func (i *GroupInvite) ID() graphql.ID { return graphql.ID(i.i.ID.String()) }

// ConversationID resolves conversationId.
func (i *GroupInvite) ConversationID() graphql.ID { return graphql.ID(i.i.Conversation.String()) }

// Creator resolves creator.
func (i *GroupInvite) Creator(ctx context.Context) (*usergraph.User, error) {
	return i.crowd.one(ctx, i.i.Creator)
}

// CreatedAt resolves createdAt.
func (i *GroupInvite) CreatedAt() gqlx.Time { return gqlx.TimeOf(i.i.CreatedAt) }

// ExpiresAt resolves expiresAt.
func (i *GroupInvite) ExpiresAt() *gqlx.Time { return gqlx.TimePtr(i.i.ExpiresAt) }

// MaxUses resolves maxUses.
func (i *GroupInvite) MaxUses() *int32 {
	if i.i.MaxUses == 0 {
		return nil
	}
	n := int32Of(int64(i.i.MaxUses))
	return &n
}

// Uses resolves uses.
func (i *GroupInvite) Uses() int32 { return int32Of(int64(i.i.Uses)) }

// RevokedAt resolves revokedAt.
func (i *GroupInvite) RevokedAt() *gqlx.Time { return gqlx.TimePtr(i.i.RevokedAt) }
