package usergraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
)

// relationship is what one of the neighbours is to the viewer.
func (n *neighbours) relationship(ctx context.Context, of ids.User) (user.Relationship, error) {
	n.related.Do(func() {
		if viewer, ok := principal.From(ctx); ok {
			n.are, n.areErr = n.service.Relationships(ctx, viewer.User, n.of)
		}
	})
	is, known := n.are[of]
	if !known {
		is = user.Strangers
	}
	return is, n.areErr
}

// Relationship resolves User.relationship.
func (u *User) Relationship(ctx context.Context) (user.Relationship, error) {
	return u.near.relationship(ctx, u.profile.ID)
}

// See loads users in one read, in the order of the ids, nil where there is none
// or none for the viewer: what a viewer asks for by id comes this way.
func (l *Users) See(ctx context.Context, of []ids.User) ([]*User, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	found, err := l.service.See(ctx, viewer, of)
	if err != nil {
		return nil, err
	}
	return l.inOrder(of, found), nil
}

// seeOne is See for one user; user.ErrNoUser.
func (l *Users) seeOne(ctx context.Context, id ids.User) (*User, error) {
	found, err := l.See(ctx, []ids.User{id})
	if err != nil {
		return nil, err
	}
	if found[0] == nil {
		return nil, user.ErrNoUser
	}
	return found[0], nil
}

type contactsArgs struct {
	State user.Relationship
	First *int32
	After *string
}

// Contacts resolves Query.contacts.
func (q *Query) Contacts(ctx context.Context, args contactsArgs) (*ContactConnection, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	found, err := q.service.Contacts(ctx, viewer.User, args.State, page.Args{First: args.First, After: args.After})
	if err != nil {
		return nil, err
	}
	of := make([]ids.User, len(found.Contacts))
	for i, c := range found.Contacts {
		of[i] = c.User
	}
	users, err := q.users.Many(ctx, of)
	if err != nil {
		return nil, err
	}
	c := &ContactConnection{info: found.Info}
	for i, u := range users {
		if u != nil { // else he is gone
			c.edges = append(c.edges, &ContactEdge{found.Cursors[i], u, found.Contacts[i]})
		}
	}
	return c, nil
}

// ContactConnection is a page of contacts.
type ContactConnection struct {
	edges []*ContactEdge
	info  page.Info
}

// Edges resolves ContactConnection.edges.
func (c *ContactConnection) Edges() []*ContactEdge { return c.edges }

// PageInfo resolves ContactConnection.pageInfo.
func (c *ContactConnection) PageInfo() *PageInfo { return &PageInfo{c.info} }

// ContactEdge is a contact in a list.
type ContactEdge struct {
	cursor  string
	node    *User
	contact user.Contact
}

// Cursor resolves ContactEdge.cursor.
func (e *ContactEdge) Cursor() string { return e.cursor }

// Node resolves ContactEdge.node.
func (e *ContactEdge) Node() *User { return e.node }

// Since resolves ContactEdge.since.
func (e *ContactEdge) Since() gqlx.Time { return gqlx.TimeOf(e.contact.Since) }

type otherArgs struct {
	Input struct{ UserID graphql.ID }
}

// RelationPayload is the payload of what a viewer does about another.
type RelationPayload struct{ user *User }

// User resolves user.
func (p *RelationPayload) User() *User { return p.user }

// relate does something about another and returns him as he is then.
func (m *Mutation) relate(
	ctx context.Context, args otherArgs, do func(ctx context.Context, viewer, other ids.User) error,
) (*RelationPayload, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	other, ok := ids.ParseUser(string(args.Input.UserID))
	if !ok {
		return nil, user.ErrNoUser
	}
	if err := do(ctx, viewer.User, other); err != nil {
		return nil, err
	}
	found, err := m.users.See(ctx, []ids.User{other})
	if err != nil {
		return nil, err
	}
	return &RelationPayload{found[0]}, nil
}

// someone refuses a payload without a user: somebody has blocked the viewer at
// the same moment.
func someone(p *RelationPayload, err error) (*RelationPayload, error) {
	if err == nil && p.user == nil {
		return nil, user.ErrNoUser
	}
	return p, err
}

// SendFriendRequest resolves Mutation.sendFriendRequest.
func (m *Mutation) SendFriendRequest(ctx context.Context, args otherArgs) (*RelationPayload, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	return someone(m.relate(ctx, args, func(ctx context.Context, _, other ids.User) error {
		return m.service.SendFriendRequest(ctx, viewer, other)
	}))
}

// AcceptFriendRequest resolves Mutation.acceptFriendRequest.
func (m *Mutation) AcceptFriendRequest(ctx context.Context, args otherArgs) (*RelationPayload, error) {
	return someone(m.relate(ctx, args, m.service.AcceptFriendRequest))
}

// DeclineFriendRequest resolves Mutation.declineFriendRequest.
func (m *Mutation) DeclineFriendRequest(ctx context.Context, args otherArgs) (*RelationPayload, error) {
	return someone(m.relate(ctx, args, m.service.DeclineFriendRequest))
}

// CancelFriendRequest resolves Mutation.cancelFriendRequest.
func (m *Mutation) CancelFriendRequest(ctx context.Context, args otherArgs) (*RelationPayload, error) {
	return someone(m.relate(ctx, args, m.service.CancelFriendRequest))
}

// RemoveFriend resolves Mutation.removeFriend.
func (m *Mutation) RemoveFriend(ctx context.Context, args otherArgs) (*RelationPayload, error) {
	return someone(m.relate(ctx, args, m.service.RemoveFriend))
}

// BlockUser resolves Mutation.blockUser.
func (m *Mutation) BlockUser(ctx context.Context, args otherArgs) (*RelationPayload, error) {
	return m.relate(ctx, args, m.service.Block)
}

// UnblockUser resolves Mutation.unblockUser.
func (m *Mutation) UnblockUser(ctx context.Context, args otherArgs) (*RelationPayload, error) {
	return m.relate(ctx, args, m.service.Unblock)
}

// UserRelationship is what a user who is named with it is to the viewer.
type UserRelationship struct {
	users *Users
	e     *user.RelationshipChanged
}

// User resolves user.
func (r *UserRelationship) User(ctx context.Context) (*User, error) {
	return r.users.One(ctx, r.e.User)
}

// Relationship resolves relationship.
func (r *UserRelationship) Relationship() user.Relationship { return r.e.Relationship }

// RelationshipChanged is the event of a change.
type RelationshipChanged struct {
	UserRelationship
	mark
}

// Related makes the node of a change. Without local its cursor is gqlx's
// placeholder, to be filled in for each subscriber.
func (l *Users) Related(e *user.RelationshipChanged, local feed.Local) *RelationshipChanged {
	return &RelationshipChanged{UserRelationship{l, e}, mark{local}}
}

// RelationshipChanged resolves relationshipChanged: the renderer feeds the
// channel.
func (*Subscription) RelationshipChanged(ctx context.Context) (<-chan *UserRelationship, error) {
	return gqlx.Channel[*UserRelationship](ctx)
}

func (s *Subscription) relations() gqlx.SubscriptionField {
	return gqlx.SubscriptionField{
		Name: "relationshipChanged",
		Open: func(ctx context.Context, _ gqlx.Args) (feed.Stream, error) {
			viewer, ok := principal.From(ctx)
			if !ok {
				return nil, errs.ErrUnauthenticated
			}
			return s.users.service.WatchRelationships(viewer.User), nil
		},
		Node: func(event any) any { return &UserRelationship{s.users, event.(*user.RelationshipChanged)} }, //nolint:forcetypeassert // Its stream has no others.
	}
}
