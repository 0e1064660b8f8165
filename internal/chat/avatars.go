package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Wardrobe stores which files their uploaders wear as their pictures. Whose
// picture a file is the profile decides, which is elsewhere: so files that may
// have been put on or taken off are doubted, and the profile is asked later.
type Wardrobe interface {
	// Wear makes a complete file of the user's that has a thumbnail and is in
	// no message one that he wears, and doubts all that he wears, of that time.
	// The zero id is no file. ErrNoFile when there is no such file; then
	// nothing is changed.
	Wear(ctx context.Context, user ids.User, id ids.Attachment, at time.Time) error
	// Doubted returns files that are worn and doubted since before a time, at
	// most limit.
	Doubted(ctx context.Context, before time.Time, limit int) ([]Doubt, error)
	// Decide ends a doubt: the file stays worn, or is condemned. Where the file
	// has been doubted anew meanwhile nothing is done.
	Decide(ctx context.Context, d Doubt, worn bool, at time.Time) error
}

// Doubt is a file that may be worn or not.
type Doubt struct {
	ID    ids.Attachment
	User  ids.User
	Since time.Time
}

// Faces is what chat needs to know of the pictures of people.
type Faces interface {
	// Avatars returns the files that the users' profiles name now, of those
	// who have one.
	Avatars(ctx context.Context, of []ids.User) (map[ids.User]ids.Attachment, error)
	// Shown returns the file of a user's picture as somebody may see it; zero
	// for none, and when he may not see the user.
	Shown(ctx context.Context, who principal.Principal, of ids.User) (ids.Attachment, error)
}

// WearAvatar makes an upload of the user's one that his profile may name from
// now on, within Grace; the zero id before it names none. It must be an image
// of his with a thumbnail that is in no message: ErrNoFile. What the profile
// does not name then is removed by a sweep, and so is what it named before.
func (s *Service) WearAvatar(ctx context.Context, user ids.User, id ids.Attachment) error {
	if s.Blobs == nil && !id.IsZero() {
		return ErrNoUploads
	}
	if err := s.Store.Wear(ctx, user, id, s.cfg.Now()); err != nil {
		return fmt.Errorf("wear %s: %w", id, err)
	}
	return nil
}

// Thumbnail returns a complete file to who may see its thumbnail: to who may
// read it (File), and while it is its uploader's picture to who may see him.
// ErrNoFile to all others.
func (s *Service) Thumbnail(ctx context.Context, who principal.Principal, id ids.Attachment) (File, error) {
	f, err := s.File(ctx, who.User, id)
	if !errors.Is(err, ErrNoFile) || s.Faces == nil {
		return f, err
	}
	if f, err = s.Store.File(ctx, id); err != nil {
		return File{}, fmt.Errorf("picture %s: %w", id, err)
	}
	if !f.Worn {
		return File{}, fmt.Errorf("picture %s: %w", id, ErrNoFile)
	}
	shown, err := s.Faces.Shown(ctx, who, f.Uploader)
	if err == nil && shown != id {
		err = ErrNoFile
	}
	if err != nil {
		return File{}, fmt.Errorf("picture %s: %w", id, err)
	}
	return f, nil
}

// sweepAvatars asks profiles which of the doubted files they name, once those
// who were about to name one have had the time.
func (s *Service) sweepAvatars(ctx context.Context) error {
	const page = 100
	for s.Faces != nil {
		now := s.cfg.Now()
		found, err := s.Store.Doubted(ctx, now.Add(-s.cfg.Files.Grace), page)
		if err != nil {
			return fmt.Errorf("find doubted pictures: %w", err)
		}
		of := make([]ids.User, len(found))
		for i, d := range found {
			of[i] = d.User
		}
		named, err := s.Faces.Avatars(ctx, of)
		if err != nil {
			return fmt.Errorf("ask for pictures: %w", err)
		}
		for _, d := range found {
			if err := s.Store.Decide(ctx, d, named[d.User] == d.ID, now); err != nil {
				return fmt.Errorf("decide on %s: %w", d.ID, err)
			}
		}
		if len(found) < page {
			break
		}
	}
	return nil
}
