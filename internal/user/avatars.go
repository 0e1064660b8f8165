package user

import (
	"context"
	"fmt"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Wardrobe has the files of pictures.
type Wardrobe interface {
	// Wear makes a file one that the user's profile may name from now on, for
	// at least half a minute and for as long as it does; the zero id before it
	// names none any more. ErrBadAvatar when it is no picture of the user's.
	Wear(ctx context.Context, user ids.User, id ids.Attachment) error
}

// wear has the files know of a picture before the profile names it. So a file
// that a profile names is kept, whatever crashes in between.
func (s *Service) wear(ctx context.Context, viewer ids.User, avatar *ids.Attachment) error {
	switch {
	case avatar == nil:
		return nil
	case s.Wardrobe != nil:
		return s.Wardrobe.Wear(ctx, viewer, *avatar)
	case !avatar.IsZero():
		return ErrBadAvatar
	}
	return nil
}

// Avatars returns the pictures of those of the users who have one, as the store
// has them now.
func (s *Service) Avatars(ctx context.Context, of []ids.User) (map[ids.User]ids.Attachment, error) {
	all := make(map[ids.User]ids.Attachment)
	if len(of) == 0 {
		return all, nil
	}
	found, err := s.Store.Profiles(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("read avatars: %w", err)
	}
	for _, p := range found {
		if !p.Avatar.IsZero() {
			all[p.ID] = p.Avatar
		}
	}
	return all, nil
}

// Shown returns a user's picture to somebody; zero when there is none for him.
func (s *Service) Shown(ctx context.Context, who principal.Principal, of ids.User) (ids.Attachment, error) {
	found, err := s.See(ctx, who, []ids.User{of})
	return found[of].Avatar, err
}
