package usergraph

import (
	"context"
	"time"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/user"
)

// User is the node for people. It is immutable and shows a profile as it was
// when it was loaded.
type User struct {
	profile user.Profile // with the status as it was then
	near    *neighbours
}

func newUser(p user.Profile, now time.Time, near *neighbours) *User {
	p.Status = p.Status.At(now)
	return &User{profile: p, near: near}
}

// UserID returns the typed id.
func (u *User) UserID() ids.User { return u.profile.ID }

// ID resolves User.id.
func (u *User) ID() graphql.ID { return graphql.ID(u.profile.ID.String()) }

// Username resolves User.username.
func (u *User) Username() string { return u.profile.Username }

// DisplayName resolves User.displayName.
func (u *User) DisplayName() string { return u.profile.DisplayName }

// Bio resolves User.bio.
func (u *User) Bio() *string { return orNull(u.profile.Bio) }

// StatusText resolves User.statusText.
func (u *User) StatusText() *string { return orNull(u.profile.Status.Text) }

// StatusEmoji resolves User.statusEmoji.
func (u *User) StatusEmoji() *string { return orNull(u.profile.Status.Emoji) }

// StatusExpiresAt resolves User.statusExpiresAt.
func (u *User) StatusExpiresAt() *gqlx.Time { return gqlx.TimePtr(u.profile.Status.ExpiresAt) }

// TimeZone resolves User.timeZone.
func (u *User) TimeZone() *string { return orNull(u.profile.TimeZone) }

// Locale resolves User.locale.
func (u *User) Locale() *string { return orNull(u.profile.Locale) }

// CreatedAt resolves User.createdAt.
func (u *User) CreatedAt() gqlx.Time { return gqlx.TimeOf(u.profile.CreatedAt) }

// Deleted resolves User.deleted.
func (u *User) Deleted() bool { return !u.profile.DeletedAt.IsZero() }

// Bot resolves User.bot.
func (u *User) Bot() bool { return u.profile.Bot }

// UpdatedAt resolves User.updatedAt.
func (u *User) UpdatedAt() gqlx.Time { return gqlx.TimeOf(u.profile.UpdatedAt) }

// AvatarURL resolves User.avatarUrl.
func (u *User) AvatarURL(ctx context.Context) (*string, error) {
	if u.profile.Avatar.IsZero() {
		return nil, nil //nolint:nilnil // There is none.
	}
	pictures := u.near.pictures
	link, err := gqlx.Link(ctx, pictures.Links, pictures.Path(u.profile.Avatar))
	return &link, err
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Users loads people for this and later graph packages. It may be used by any
// number of goroutines and keeps nothing but the service's cache.
type Users struct {
	service   *user.Service
	presences *user.PresenceService
	pictures  Pictures
}

// Pictures say where avatars are.
type Pictures struct {
	Links gqlx.Links
	Path  func(ids.Attachment) string // of a picture on this server
}

// NewUsers returns a loader over the services.
func NewUsers(service *user.Service, presences *user.PresenceService, pictures Pictures) *Users {
	return &Users{service, presences, pictures}
}

// node makes the node of one profile.
func (l *Users) node(p user.Profile) *User {
	return newUser(p, l.service.Now(), &neighbours{Users: l, of: []ids.User{p.ID}})
}

// nodes makes the nodes of profiles that were loaded together.
func (l *Users) nodes(profiles []user.Profile) []*User {
	near := &neighbours{Users: l, of: make([]ids.User, len(profiles))}
	users, now := make([]*User, len(profiles)), l.service.Now()
	for i, p := range profiles {
		near.of[i] = p.ID
		users[i] = newUser(p, now, near)
	}
	return users
}

// One loads a user; user.ErrNoUser.
func (l *Users) One(ctx context.Context, id ids.User) (*User, error) {
	p, err := l.service.User(ctx, id)
	if err != nil {
		return nil, err
	}
	return l.node(p), nil
}

// Remembered returns a user from memory; false when he is not there.
func (l *Users) Remembered(id ids.User) (*User, bool) {
	p, ok := l.service.Remembered(id)
	if !ok {
		return nil, false
	}
	return l.node(p), true
}

// Many loads users in one read, in the order of the ids, nil where there is
// none. Resolvers of lists call it once for all their entries.
func (l *Users) Many(ctx context.Context, of []ids.User) ([]*User, error) {
	found, err := l.service.Users(ctx, of)
	if err != nil {
		return nil, err
	}
	return l.inOrder(of, found), nil
}

// inOrder makes the nodes of profiles that were loaded together, nil where
// there is none.
func (l *Users) inOrder(of []ids.User, found map[ids.User]user.Profile) []*User {
	now, near := l.service.Now(), &neighbours{Users: l}
	users := make([]*User, len(of))
	for i, id := range of {
		if p, ok := found[id]; ok {
			users[i] = newUser(p, now, near)
			near.of = append(near.of, id)
		}
	}
	return users
}
