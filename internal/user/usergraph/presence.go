package usergraph

import (
	"context"
	"sync"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
)

// neighbours are the users that were loaded together: their presence, and what
// they are to the viewer, is asked for at once, when the first is asked for his.
type neighbours struct {
	*Users
	of []ids.User

	once sync.Once
	got  map[ids.User]user.Presence
	err  error

	related sync.Once
	are     map[ids.User]user.Relationship
	areErr  error
}

func (n *neighbours) presence(ctx context.Context, of ids.User) (user.Presence, error) {
	n.once.Do(func() {
		viewer, ok := principal.From(ctx)
		if !ok { // in the answer that signs him in
			return
		}
		n.got, n.err = n.presences.Presences(ctx, viewer.User, n.of)
	})
	p, known := n.got[of]
	if !known {
		p = user.Presence{User: of, Status: user.Offline}
	}
	return p, n.err
}

// Presence resolves User.presence.
func (u *User) Presence(ctx context.Context) (*Presence, error) {
	p, err := u.near.presence(ctx, u.profile.ID)
	if err != nil {
		return nil, err
	}
	return &Presence{p}, nil
}

// Presence is how reachable a user is.
type Presence struct{ p user.Presence }

// Status resolves status.
func (p *Presence) Status() user.Availability { return p.p.Status }

// LastActiveAt resolves lastActiveAt.
func (p *Presence) LastActiveAt() *gqlx.Time { return gqlx.TimePtr(p.p.LastActiveAt) }

// UserPresence is the presence of a user who is named with it.
type UserPresence struct {
	Presence
	user func(context.Context) (*User, error)
}

// User resolves user.
func (p *UserPresence) User(ctx context.Context) (*User, error) { return p.user(ctx) }

// PresenceChanged is the event of a change.
type PresenceChanged struct {
	UserPresence
	mark
}

// PresenceSnapshot is the event that says who is there.
type PresenceSnapshot struct {
	mark
	all []*UserPresence
}

// Presences resolves presences.
func (s *PresenceSnapshot) Presences() []*UserPresence { return s.all }

// mark is an event's place in its stream.
type mark struct{ local feed.Local }

// Cursor resolves cursor.
func (m mark) Cursor() string {
	if m.local == nil {
		return gqlx.CursorPlaceholder
	}
	return string(m.local.AppendCursor(nil))
}

// Changed makes the node of a change. Without local its cursor is gqlx's
// placeholder, to be filled in for each subscriber.
func (l *Users) Changed(e *user.PresenceChanged, local feed.Local) *PresenceChanged {
	return &PresenceChanged{*l.alone(e.Presence), mark{local}}
}

func (l *Users) alone(p user.Presence) *UserPresence {
	return &UserPresence{Presence{p}, func(ctx context.Context) (*User, error) { return l.One(ctx, p.User) }}
}

// Snapshot makes the node of a snapshot, whose users are loaded at once.
func (l *Users) Snapshot(e *user.PresenceSnapshot, local feed.Local) *PresenceSnapshot {
	of := make([]ids.User, len(e.Presences))
	for i, p := range e.Presences {
		of[i] = p.User
	}
	var once sync.Once
	var users []*User
	var err error
	s := &PresenceSnapshot{mark: mark{local}, all: make([]*UserPresence, len(of))}
	for i, p := range e.Presences {
		s.all[i] = &UserPresence{Presence{p}, func(ctx context.Context) (*User, error) {
			once.Do(func() { users, err = l.Many(ctx, of) })
			switch {
			case err != nil:
				return nil, err
			case users[i] == nil:
				return nil, user.ErrNoUser
			}
			return users[i], nil
		}}
	}
	return s
}

// Subscription resolves user's fields of the root type Subscription.
type Subscription struct{ users *Users }

// NewSubscription returns the resolvers over the loader's services.
func NewSubscription(users *Users) *Subscription { return &Subscription{users} }

type presenceChangedArgs struct{ UserIDs []graphql.ID }

// PresenceChanged resolves presenceChanged: the renderer feeds the channel.
func (*Subscription) PresenceChanged(ctx context.Context, _ presenceChangedArgs) (<-chan *UserPresence, error) {
	return gqlx.Channel[*UserPresence](ctx)
}

// Fields says how user's subscriptions are opened and rendered.
func (s *Subscription) Fields() []gqlx.SubscriptionField {
	return []gqlx.SubscriptionField{s.relations(), {
		Name: "presenceChanged", Open: s.open,
		Node: func(event any) any { return s.users.alone(event.(*user.PresenceChanged).Presence) }, //nolint:forcetypeassert // Its stream has no others.
	}}
}

func (s *Subscription) open(ctx context.Context, a gqlx.Args) (feed.Stream, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	var of []ids.User
	for _, text := range a.Strings("userIds") {
		if id, ok := ids.ParseUser(text); ok { // what is no user's id has no presence either
			of = append(of, id)
		} else {
			of = append(of, ids.User{})
		}
	}
	return s.users.presences.Watch(viewer.User, of)
}

type setPresenceInput struct{ Status user.Availability }

// SetPresence resolves Mutation.setPresence.
func (m *Mutation) SetPresence(ctx context.Context, args struct{ Input setPresenceInput }) (*SetPresencePayload, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	p, err := m.users.presences.Set(ctx, viewer.User, args.Input.Status)
	if err != nil {
		return nil, err
	}
	u, err := m.users.One(ctx, viewer.User)
	if err != nil {
		return nil, err
	}
	return &SetPresencePayload{u, &Presence{p}}, nil
}

// SetPresencePayload is the viewer as he is seen now.
type SetPresencePayload struct {
	user     *User
	presence *Presence
}

// User resolves user.
func (p *SetPresencePayload) User() *User { return p.user }

// Presence resolves presence.
func (p *SetPresencePayload) Presence() *Presence { return p.presence }
