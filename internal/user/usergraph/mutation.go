package usergraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
)

// Mutation resolves user's fields of the root type Mutation.
type Mutation struct {
	service *user.Service
	users   *Users
}

// NewMutation returns the resolvers over a service and its loader.
func NewMutation(service *user.Service, users *Users) *Mutation {
	return &Mutation{service: service, users: users}
}

type updateProfileInput struct {
	DisplayName     graphql.NullString
	Bio             graphql.NullString
	StatusText      graphql.NullString
	StatusEmoji     graphql.NullString
	StatusExpiresAt gqlx.NullTime
	TimeZone        graphql.NullString
	Locale          graphql.NullString

	AvatarAttachmentID graphql.NullID
}

// UpdateProfile resolves Mutation.updateProfile.
func (m *Mutation) UpdateProfile(
	ctx context.Context, args struct{ Input updateProfileInput },
) (*UpdateProfilePayload, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	in := args.Input
	avatar, err := avatarOf(in.AvatarAttachmentID)
	if err != nil {
		return nil, err
	}
	p, err := m.service.Update(ctx, viewer.User, user.Patch{
		DisplayName: patch(in.DisplayName), Bio: patch(in.Bio), StatusText: patch(in.StatusText),
		StatusEmoji: patch(in.StatusEmoji), StatusExpiresAt: in.StatusExpiresAt.Patch(),
		TimeZone: patch(in.TimeZone), Locale: patch(in.Locale), Avatar: avatar,
	})
	if err != nil {
		return nil, err
	}
	return &UpdateProfilePayload{m.users.node(p)}, nil
}

// patch turns what was left out into nil and null into the empty value.
func patch(s graphql.NullString) *string {
	if s.Set && s.Value == nil {
		return new(string)
	}
	return s.Value
}

// avatarOf is patch for the id of a file.
func avatarOf(id graphql.NullID) (*ids.Attachment, error) {
	if !id.Set {
		return nil, nil //nolint:nilnil // It stays.
	}
	var avatar ids.Attachment
	if id.Value != nil {
		var ok bool
		if avatar, ok = ids.ParseAttachment(string(*id.Value)); !ok {
			return nil, user.ErrBadAvatar
		}
	}
	return &avatar, nil
}

// UpdateProfilePayload is the changed profile.
type UpdateProfilePayload struct{ user *User }

// User resolves UpdateProfilePayload.user.
func (p *UpdateProfilePayload) User() *User { return p.user }
