package chatsql

import (
	"context"
	"fmt"

	"chatd/internal/chat"
	"chatd/internal/platform/sqldb"
)

// Revise changes a message.
func (s *Store) Revise(ctx context.Context, r chat.Revision) (chat.Message, error) {
	var after chat.Message
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		c, err := s.begin(ctx, tx, nil)
		if err != nil {
			return err
		}
		m, err := c.revise(ctx, r)
		if err == nil {
			after = *m
		}
		return err
	})
	if err != nil {
		return chat.Message{}, fmt.Errorf("revise %s: %w", r.Message, err)
	}
	return after, nil
}

func (c *commit) revise(ctx context.Context, r chat.Revision) (*chat.Message, error) {
	m, err := scanMessage(c.tx.QueryRow(ctx,
		`SELECT `+messageColumns+` FROM chat_message m WHERE m.id = $1`, r.Message))
	if err != nil {
		return nil, orElse(err, chat.ErrNoMessage)
	}
	h, err := c.head(ctx, m.Conversation)
	if err != nil {
		return nil, err
	}
	switch {
	case h.memberVersion != r.Version:
		return nil, chat.ErrMoved
	case m.Deleted() && r.Kind == chat.ToDelete:
		return m, nil
	case m.Deleted():
		return nil, chat.ErrDeleted
	}
	before, had := m.Text, r.Kind == chat.ToDelete && len(m.Attachments) > 0
	j, err := c.alter(ctx, h, m, r)
	if err != nil || j == nil {
		return m, err
	}
	event, err := c.change(ctx, h, chat.Event{Kind: chat.MessageChanged, Message: m}, *j)
	if err != nil {
		return nil, err
	}
	m.Rev = event.Rev
	mentions, err := encoded(m.Mentions)
	if err != nil {
		return nil, err
	}
	var pinRev any
	if m.Pin != nil {
		if m.Pin.Rev == 0 { // just now
			m.Pin.Rev = m.Rev
		}
		pinRev = m.Pin.Rev
	}
	marked, err := marksOf(m)
	if err != nil {
		return nil, err
	}
	_, err = c.tx.Exec(ctx,
		`UPDATE chat_message SET text = $1, rev = $2, edited_at = $3, deleted_at = $4, mentions = $5, marks = $6, pin_rev = $7
		WHERE pos = $8`,
		m.Text, m.Rev, optMicros(m.EditedAt), optMicros(m.DeletedAt), mentions, marked, pinRev, m.Pos)
	if err != nil {
		return nil, fmt.Errorf("rewrite the message: %w", err)
	}
	if before != m.Text {
		if err := c.reindex(ctx, m, before); err != nil {
			return nil, err
		}
	}
	if had {
		if err := c.condemnFiles(ctx, m, r.At); err != nil {
			return nil, err
		}
	}
	return m, c.finish(ctx)
}

// alter does a revision to a message in memory, but for its numbers, and
// returns how the journal tells of it; nil when nothing changes. What changes
// the root of a thread besides has its numbers, which come first.
func (c *commit) alter(ctx context.Context, h *head, m *chat.Message, r chat.Revision) (*entry, error) {
	j := &entry{kind: entryMessage, message: m.ID, at: r.At}
	switch r.Kind {
	case chat.ToReact, chat.ToUnreact:
		return c.react(ctx, m, r)
	case chat.ToPin, chat.ToUnpin:
		return c.pin(ctx, m, r)
	case chat.ToDelete:
		// What was said before, and who reacted, goes first, so that the
		// journal has nothing of a deleted message.
		_, err := c.tx.Exec(ctx, `UPDATE chat_change SET old_text = NULL, user_id = NULL, emoji = NULL WHERE message = $1`, m.ID)
		if err != nil {
			return nil, fmt.Errorf("take the edit history away: %w", err)
		}
		m.Text, m.Mentions, m.Attachments, m.DeletedAt, m.Reactions, m.Pin = "", nil, nil, stored(r.At), nil, nil
		if !m.ThreadRoot.IsZero() {
			return j, c.takeReply(ctx, h, m, r.At)
		}
	case chat.ToEdit:
		before := m.Text
		j.oldText = &before
		m.Text, m.Mentions, m.EditedAt = r.Text, r.Mentions, stored(r.At)
	}
	return j, nil
}
