package chatsql

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// Wear makes a file one that its uploader wears, and doubts all of those.
func (s *Store) Wear(ctx context.Context, user ids.User, id ids.Attachment, at time.Time) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		if !id.IsZero() {
			n, err := tx.Exec(ctx, `UPDATE chat_file SET worn = 1 WHERE id = $1 AND uploader = $2
				AND thumbnail = 1 AND message IS NULL AND condemned_at IS NULL`, id.Bytes(), user.Bytes())
			if err != nil {
				return err
			}
			if n == 0 {
				return chat.ErrNoFile
			}
		}
		_, err := tx.Exec(ctx, `UPDATE chat_file SET doubted_at = $1
			WHERE uploader = $2 AND worn = 1 AND condemned_at IS NULL`, micros(at), user.Bytes())
		return err
	})
	if err != nil {
		return fmt.Errorf("wear %s: %w", id, err)
	}
	return nil
}

// Doubted returns files that are doubted since before a time.
func (s *Store) Doubted(ctx context.Context, before time.Time, limit int) ([]chat.Doubt, error) {
	all, err := collect(ctx, s.db, func(r sqldb.Row) (d chat.Doubt, err error) {
		var since int64
		err = r.Scan(&d.ID, &d.User, &since)
		d.Since = instant(since)
		return d, err
	}, `SELECT id, uploader, doubted_at FROM chat_file WHERE doubted_at IS NOT NULL AND doubted_at < $1 ORDER BY doubted_at LIMIT $2`,
		micros(before), limit)
	if err != nil {
		return nil, fmt.Errorf("find what is doubted: %w", err)
	}
	return all, nil
}

// Decide ends a doubt.
func (s *Store) Decide(ctx context.Context, d chat.Doubt, worn bool, at time.Time) error {
	text := `UPDATE chat_file SET doubted_at = NULL WHERE id = $1 AND doubted_at = $2`
	args := []any{d.ID.Bytes(), micros(d.Since)}
	if !worn {
		text = `UPDATE chat_file SET doubted_at = NULL, condemned_at = $3 WHERE id = $1 AND doubted_at = $2 AND condemned_at IS NULL`
		args = append(args, micros(at))
	}
	if _, err := s.write(ctx, text, args...); err != nil {
		return fmt.Errorf("decide on %s: %w", d.ID, err)
	}
	return nil
}
