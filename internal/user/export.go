package user

import (
	"context"
	"fmt"
	"iter"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/zipdir"
)

// Export adds what there is of a user: profile, settings, how he wants to be
// seen, and who others are to him, as far as he may know it.
func (s *Service) Export(ctx context.Context, of ids.User, to *zipdir.Writer) error {
	p, err := s.User(ctx, of)
	if err != nil {
		return fmt.Errorf("export a profile: %w", err)
	}
	profile := map[string]any{
		"id": p.ID, "username": p.Username, "displayName": p.DisplayName, "bio": p.Bio, "statusText": p.Status.Text, "statusEmoji": p.Status.Emoji,
		"timeZone": p.TimeZone, "locale": p.Locale, "createdAt": p.CreatedAt, "updatedAt": p.UpdatedAt,
	}
	if !p.Avatar.IsZero() {
		profile["avatarFileId"] = p.Avatar
	}
	if !p.Status.ExpiresAt.IsZero() {
		profile["statusExpiresAt"] = p.Status.ExpiresAt
	}
	if err := to.JSON("profile.json", profile); err != nil {
		return err
	}
	settings, err := s.Settings(ctx, of)
	if err != nil {
		return err
	}
	seen, err := s.Store.Sightings(ctx, []ids.User{of})
	if err != nil {
		return fmt.Errorf("export a presence: %w", err)
	}
	have := map[string]any{"shareReadReceipts": settings.ShareReadReceipts}
	for _, at := range seen {
		have["presence"], have["lastActiveAt"] = at.Choice, at.LastActiveAt
	}
	if err := to.JSON("settings.json", have); err != nil {
		return err
	}
	return to.List("relationships.json", s.exportContacts(ctx, of))
}

func (s *Service) exportContacts(ctx context.Context, of ids.User) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for _, is := range []Relationship{Friends, RequestSent, RequestReceived, Blocked} {
			for q := (ContactQuery{Viewer: of, Is: is, Limit: page.Max}); ; {
				some, err := s.Store.Contacts(ctx, q)
				if err != nil {
					yield(nil, fmt.Errorf("export relationships: %w", err))
					return
				}
				for _, c := range some {
					q.Before = c
					if !yield(map[string]any{"userId": c.User, "state": is, "since": c.Since}, nil) {
						return
					}
				}
				if len(some) < q.Limit {
					break
				}
			}
		}
	}
}
