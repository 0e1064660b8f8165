package chat

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// About are what a group or channel is called, and what it is for.
type About struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// About returns what the conversation is called, and what it is for.
func (c *Conversation) About() About { return About{c.Name, c.Description} }

// checked returns the name and description as they are kept.
func (s About) checked() (About, error) {
	s.Name = strings.TrimSpace(s.Name)
	if n := utf8.RuneCountInString(s.Name); n < 1 || n > MaxNameLen || !printable(s.Name, false) {
		return s, ErrName.With(errs.Field("input.name"))
	}
	if utf8.RuneCountInString(s.Description) > MaxDescriptionLen || !printable(s.Description, true) {
		return s, ErrDescription.With(errs.Field("input.description"))
	}
	return s, nil
}

// GroupUpdate is what is to become of a group; nil leaves as it is.
type GroupUpdate struct{ Name, Description *string }

// UpdateGroup gives a group or channel another name or description, and notes
// it. What is so already changes nothing.
func (s *Service) UpdateGroup(ctx context.Context, viewer ids.User, id ids.Conversation, u GroupUpdate) (View, error) {
	err := s.decide(ctx, viewer, id, func(v View) error {
		switch {
		case v.Kind == Direct:
			return ErrDirect
		case !may(v.Kind, v.Viewer.Role, mayUpdate):
			return ErrForbidden
		}
		change := AboutChange{Before: v.About(), After: v.About()}
		if u.Name != nil {
			change.After.Name = *u.Name
		}
		if u.Description != nil {
			change.After.Description = *u.Description
		}
		var err error
		if change.After, err = change.After.checked(); err != nil || change.After == change.Before {
			return err
		}
		now := s.cfg.Now()
		note := s.note(id, viewer, Updated, nil, now)
		note.Text = change.tell(note.Note)
		_, err = s.Store.ChangeAbout(ctx, AboutEdit{
			Conversation: id, Kind: v.Kind, Version: v.MemberVersion, Change: change, At: now, Note: note,
		})
		return err
	})
	if err != nil {
		return View{}, fmt.Errorf("update %s: %w", id, err)
	}
	s.forget(id, viewer)
	return s.Store.View(ctx, viewer, id)
}

// tell puts what is new into a note, and returns its text.
func (c *AboutChange) tell(n *Note) string {
	var what []string
	if c.After.Name != c.Before.Name {
		n.Name = &c.After.Name
		what = append(what, "renamed this to “"+c.After.Name+"”")
	}
	if c.After.Description != c.Before.Description {
		n.Description = &c.After.Description
		what = append(what, "changed the description")
	}
	return strings.Join(what, " and ")
}
