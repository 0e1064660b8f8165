package chatsql

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// claims are the files that messages of a batch take.
type claims map[ids.Attachment]bool

// priorsOfFiles looks up the keys of messages with files where that is not
// done in any case: theirs are not taken for new ones, since a repeated send
// finds its files taken.
func (s *Store) priorsOfFiles(ctx context.Context, tx *sqldb.Tx, items []*sqldb.Item[sending], known map[clientKey]prior) error {
	if s.db.Engine() != sqldb.SQLite {
		return nil
	}
	var some []*sqldb.Item[sending]
	for _, item := range items {
		if len(item.Value.in.Attachments) > 0 {
			some = append(some, item)
		}
	}
	return priors(ctx, tx, some, known)
}

// claim returns what a message will tell of its files; refused is
// chat.ErrAttachments when one of them cannot be its own.
func (c *commit) claim(ctx context.Context, m *chat.NewMessage, taken *claims) (all []chat.Attachment, refused, err error) {
	if len(m.Attachments) == 0 {
		return nil, nil, nil
	}
	args := []any{m.Sender.Bytes()}
	for _, id := range m.Attachments {
		args = append(args, id.Bytes())
	}
	found, err := collect(ctx, c.tx, scanFile, `SELECT `+fileColumns+` FROM chat_file f
		WHERE f.uploader = $1 AND f.id IN (`+placeholders(2, len(m.Attachments))+`)
			AND f.message IS NULL AND f.condemned_at IS NULL AND f.worn IS NULL AND f.content_type IS NOT NULL`+c.s.bulk.lock(), args...)
	if err != nil {
		return nil, nil, fmt.Errorf("read attachments: %w", err)
	}
	by := make(map[ids.Attachment]chat.Attachment, len(found))
	for _, f := range found {
		by[f.ID] = f.Attachment
	}
	all = make([]chat.Attachment, len(m.Attachments))
	for i, id := range m.Attachments {
		a, ok := by[id]
		if !ok || (*taken)[id] {
			return nil, chat.ErrAttachments, nil
		}
		all[i] = a
	}
	if *taken == nil {
		*taken = make(claims)
	}
	for _, id := range m.Attachments {
		(*taken)[id] = true
	}
	return all, nil, nil
}

// saveClaims writes what claim has promised.
func (c *commit) saveClaims(ctx context.Context, rows []row) error {
	for _, r := range rows {
		if len(r.Attachments) == 0 {
			continue
		}
		text, err := json.Marshal(r.Attachments)
		if err != nil {
			return fmt.Errorf("encode attachments: %w", err)
		}
		if _, err := c.tx.Exec(ctx, `UPDATE chat_message SET attachments = $1 WHERE pos = $2`, string(text), r.Pos); err != nil {
			return fmt.Errorf("write attachments: %w", err)
		}
		for _, a := range r.Attachments {
			if _, err := c.tx.Exec(ctx, `UPDATE chat_file SET message = $1 WHERE id = $2`, r.ID.Bytes(), a.ID.Bytes()); err != nil {
				return fmt.Errorf("claim %s: %w", a.ID, err)
			}
		}
	}
	return nil
}

// condemnFiles takes the files of a deleted message away.
func (c *commit) condemnFiles(ctx context.Context, m *chat.Message, at time.Time) error {
	if _, err := c.tx.Exec(ctx, `UPDATE chat_message SET attachments = NULL WHERE pos = $1`, m.Pos); err != nil {
		return fmt.Errorf("take attachments away: %w", err)
	}
	if _, err := c.tx.Exec(ctx, `UPDATE chat_file SET condemned_at = $1, name = '' WHERE message = $2`, micros(at), m.ID.Bytes()); err != nil {
		return fmt.Errorf("condemn attachments: %w", err)
	}
	return nil
}
