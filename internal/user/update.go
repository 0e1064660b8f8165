package user

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/ids"
)

// Patch is a change of a profile: nil leaves a field as it is, an empty value
// clears it.
type Patch struct {
	DisplayName     *string // 1 to 64 code points, one line; cannot be cleared
	Bio             *string // up to 500 code points
	StatusText      *string // up to 100 code points, one line
	StatusEmoji     *string // one emoji
	StatusExpiresAt *time.Time
	TimeZone        *string // name in the IANA database
	Locale          *string // BCP 47; kept in its canonical form
	// Avatar is an image that the user has uploaded and sent in no message.
	Avatar *ids.Attachment
}

// Update changes the viewer's profile and returns it as it is now. All of the
// patch is applied or, when a field is not valid (ErrBad…), nothing.
func (s *Service) Update(ctx context.Context, viewer ids.User, patch Patch) (Profile, error) {
	now := s.Now()
	clean, err := patch.clean(now)
	if err != nil {
		return Profile{}, fmt.Errorf("update the profile of %s: %w", viewer, err)
	}
	if err := s.wear(ctx, viewer, clean.Avatar); err != nil {
		return Profile{}, fmt.Errorf("update the profile of %s: %w", viewer, err)
	}
	p, err := s.change(ctx, viewer, func(p *Profile) error {
		clean.apply(p, now)
		return nil
	})
	if err != nil {
		return Profile{}, fmt.Errorf("update the profile of %s: %w", viewer, err)
	}
	return p, nil
}

func (s *Service) change(ctx context.Context, id ids.User, change func(*Profile) error) (Profile, error) {
	mark, stamp := s.cache.mark(), s.cache.position()
	p, err := s.Store.Update(ctx, id, change)
	s.cache.changed(mark, id, p, err == nil) // an error may hide that it was stored
	if err != nil {
		return Profile{}, err
	}
	s.shelve([]Profile{p}, stamp)
	return p, nil
}

// errAsItWas is what a change ends with that has nothing to change.
var errAsItWas = errors.New("nothing to change")

// Rename gives a profile another username, if it has the one that it was; else
// nothing happens: it was renamed since, or its owner is gone. ErrNoUser,
// ErrUsernameTaken.
func (s *Service) Rename(ctx context.Context, id ids.User, was, is string) error {
	now := s.Now()
	_, err := s.change(ctx, id, func(p *Profile) error {
		if p.Username != was || was == is {
			return errAsItWas
		}
		p.Username = is
		Patch{}.apply(p, now)
		return nil
	})
	if err != nil && !errors.Is(err, errAsItWas) {
		return fmt.Errorf("rename %s: %w", id, err)
	}
	return nil
}

// clean returns a patch with the fields in the form in which they are kept.
func (c Patch) clean(now time.Time) (Patch, error) {
	for _, f := range []struct {
		value **string
		clean func(string) (string, error)
	}{
		{&c.DisplayName, func(s string) (string, error) {
			s, err := cleanLine(s, maxDisplayName, ErrBadDisplayName)
			if err == nil && s == "" {
				err = ErrBadDisplayName
			}
			return s, err
		}},
		{&c.Bio, func(s string) (string, error) { return cleanText(s, maxBio, ErrBadBio) }},
		{&c.StatusText, func(s string) (string, error) { return cleanLine(s, maxStatusText, ErrBadStatusText) }},
		{&c.StatusEmoji, cleanEmoji},
		{&c.TimeZone, cleanTimeZone},
		{&c.Locale, cleanLocale},
	} {
		if *f.value == nil {
			continue
		}
		v, err := f.clean(**f.value)
		if err != nil {
			return Patch{}, err
		}
		*f.value = &v
	}
	if t := c.StatusExpiresAt; t != nil && !t.IsZero() {
		if !t.After(now) {
			return Patch{}, ErrBadExpiry
		}
		kept := t.UTC().Truncate(time.Microsecond)
		c.StatusExpiresAt = &kept
	}
	return c, nil
}

// apply changes p; a status that has expired by now is gone first, and one
// that says nothing does not expire.
func (c Patch) apply(p *Profile, now time.Time) {
	set := func(to *string, value *string) {
		if value != nil {
			*to = *value
		}
	}
	p.Status = p.Status.At(now)
	set(&p.DisplayName, c.DisplayName)
	set(&p.Bio, c.Bio)
	set(&p.Status.Text, c.StatusText)
	set(&p.Status.Emoji, c.StatusEmoji)
	set(&p.TimeZone, c.TimeZone)
	set(&p.Locale, c.Locale)
	if c.Avatar != nil {
		p.Avatar = *c.Avatar
	}
	if c.StatusExpiresAt != nil {
		p.Status.ExpiresAt = *c.StatusExpiresAt
	}
	if p.Status.Text == "" && p.Status.Emoji == "" {
		p.Status.ExpiresAt = time.Time{}
	}
	// It rises with every update, whatever clocks do: caches tell versions by it.
	if p.UpdatedAt = p.UpdatedAt.Add(time.Microsecond); now.After(p.UpdatedAt) {
		p.UpdatedAt = now
	}
}
