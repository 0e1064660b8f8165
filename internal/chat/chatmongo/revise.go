package chatmongo

import (
	"context"
	"fmt"

	"chatd/internal/chat"
)

// Revise edits or deletes a message.
func (s *Store) Revise(ctx context.Context, r chat.Revision) (chat.Message, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	var after chat.Message
	err := s.do(ctx, &job{message: r.Message, plan: func(c *commit) (*entry, error) {
		m := c.messages[r.Message]
		if m == nil {
			return nil, chat.ErrNoMessage
		}
		h, err := c.head(m.room())
		if err != nil {
			return nil, err
		}
		after = *m.message()
		switch {
		case h.version != r.Version:
			return nil, chat.ErrMoved
		case m.Deleted != 0 && r.Kind == chat.ToDelete:
			return nil, nil //nolint:nilnil // Nothing is to be written.
		case m.Deleted != 0:
			return nil, chat.ErrDeleted
		}
		e := c.revise(h, m, r)
		after = *e.current
		return e, nil
	}})
	if err != nil {
		return chat.Message{}, fmt.Errorf("revise %s: %w", r.Message, err)
	}
	return after, nil
}

func (c *commit) revise(h *head, m *entry, r chat.Revision) *entry {
	e := c.next(kindRevision, 1)
	e.Room, e.Rev, e.Ord = m.Room, h.lastRev+1, h.lastOrd
	e.Revision = &revision{Message: m.ID, Target: m.First, At: micros(r.At), Delete: r.Kind == chat.ToDelete}
	if !e.Revision.Delete {
		e.Revision.Before, e.Revision.Text = m.Text, r.Text
		e.Past = numbered(m.ID, e.Rev)
	}
	after := *m
	e.Revision.onto(&after, e)
	e.current = after.message()
	return e
}
