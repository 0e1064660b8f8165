package chatmongo

import (
	"context"
	"fmt"

	"chatd/internal/chat"
)

// Revise changes a message.
func (s *Store) Revise(ctx context.Context, r chat.Revision) (chat.Message, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	var after chat.Message
	j := &job{message: r.Message, pins: r.Kind == chat.ToPin}
	if r.Kind == chat.ToReact || r.Kind == chat.ToUnreact {
		j.reactor = reactorKey(r.Message.Bytes(), r.User.Bytes())
	}
	j.plan = func(c *commit) (*entry, error) {
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
		var root *entry
		if r.Kind == chat.ToDelete && len(m.Reply) > 0 {
			if root = c.messages[m.root()]; root == nil || root.Thread == nil {
				return nil, fmt.Errorf("%w: the root of the thread of %s", errHole, r.Message)
			}
		}
		e, err := c.revise(h, m, root, r)
		if e != nil {
			after = *e.current
		}
		return e, err
	}
	err := s.do(ctx, j)
	if err != nil {
		return chat.Message{}, fmt.Errorf("revise %s: %w", r.Message, err)
	}
	return after, nil
}

// revise plans a revision, of a reply that is deleted with the root of its
// thread; nil when nothing changes.
func (c *commit) revise(h *head, m, root *entry, r chat.Revision) (*entry, error) {
	e := c.next(kindRevision, 1)
	e.Room, e.Rev, e.Ord = m.Room, h.lastRev+1, h.lastOrd
	e.Revision = &revision{Message: m.ID, Target: m.End, At: micros(r.At)}
	changes, now := true, m.message()
	var err error
	switch r.Kind {
	case chat.ToDelete:
		e.Revision.Delete, e.Revision.Files = true, len(m.Files) > 0
	case chat.ToEdit:
		e.Revision.Before, e.Revision.Text, e.Revision.Mentions = m.Text, r.Text, mentionsOf(r.Mentions)
	case chat.ToReact, chat.ToUnreact:
		changes, err = c.react(m, r, e.Revision, now)
	case chat.ToPin, chat.ToUnpin:
		changes, err = c.pin(r, e.Rev, now)
	}
	if err != nil || !changes {
		return nil, err
	}
	if root != nil {
		e.changeRoot(root, root.Thread.thread().Taken())
	}
	if r.Kind != chat.ToDelete && r.Kind != chat.ToEdit {
		e.Revision.Kind, e.Revision.Marks = string(r.Kind), marksOf(now)
	}
	e.index()
	after := *m
	e.Revision.onto(&after, e)
	e.current = after.message()
	return e, nil
}
