package chatsql

import (
	"context"
	"fmt"

	"chatd/internal/chat"
	"chatd/internal/platform/sqldb"
)

// Revise edits or deletes a message.
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
	j := entry{kind: entryMessage, message: m.ID, at: r.At}
	if r.Kind == chat.ToDelete {
		// The texts before go first, so that the journal has none for a
		// deleted message.
		if _, err := c.tx.Exec(ctx, `UPDATE chat_change SET old_text = NULL WHERE message = $1`, m.ID); err != nil {
			return nil, fmt.Errorf("take the edit history away: %w", err)
		}
		m.Text, m.DeletedAt = "", stored(r.At)
	} else {
		before := m.Text
		j.oldText = &before
		m.Text, m.EditedAt = r.Text, stored(r.At)
	}
	event, err := c.change(ctx, h, chat.Event{Kind: chat.MessageChanged, Message: m}, j)
	if err != nil {
		return nil, err
	}
	m.Rev = event.Rev
	_, err = c.tx.Exec(ctx,
		`UPDATE chat_message SET text = $1, rev = $2, edited_at = $3, deleted_at = $4 WHERE pos = $5`,
		m.Text, m.Rev, optMicros(m.EditedAt), optMicros(m.DeletedAt), m.Pos)
	if err != nil {
		return nil, fmt.Errorf("rewrite the message: %w", err)
	}
	return m, c.finish(ctx)
}
