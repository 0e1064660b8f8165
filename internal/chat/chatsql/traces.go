package chatsql

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// Rooms returns the conversations that a user is or was in.
func (s *Store) Rooms(ctx context.Context, user ids.User, after ids.Conversation, limit int) ([]chat.Room, error) {
	all, err := collect(ctx, s.db, func(r sqldb.Row) (room chat.Room, err error) {
		var in int64
		err = r.Scan(&room.ID, &in)
		room.In = in != 0
		return room, err
	}, `SELECT v.conversation, CASE WHEN v.left_pos IS NULL THEN 1 ELSE 0 END FROM chat_member v
		WHERE v.user_id = $1 AND v.conversation > $2 ORDER BY v.conversation LIMIT $3`, user, after.Bytes(), limit)
	if err != nil {
		return nil, fmt.Errorf("rooms of %s: %w", user, err)
	}
	return all, nil
}

// Traced returns what a user has left in some messages.
func (s *Store) Traced(ctx context.Context, user ids.User, id ids.Conversation, after, span int64) (t chat.Traced, err error) {
	// First, so that what is found is of this version or a later one.
	err = s.db.QueryRow(ctx, `SELECT c.member_version, c.last_seq FROM chat_conversation c WHERE c.id = $1`, id).Scan(&t.Version, &t.LastSeq)
	if err != nil {
		return t, fmt.Errorf("traces in %s: %w", id, orElse(err, chat.ErrNoConversation))
	}
	t.Own, err = values(collect(ctx, s.db, scanMessage, `SELECT `+messageColumns+` FROM chat_message m
		WHERE m.conversation = $1 AND m.seq > $2 AND m.seq <= $3 AND m.sender = $4 AND m.deleted_at IS NULL AND m.kind <> $5
		ORDER BY m.seq`, id, after, after+span, user, string(chat.System)))
	if err == nil {
		t.Reactions, err = collect(ctx, s.db, scanReactor, `SELECT k.message, k.emoji, k.user_id FROM chat_message m CROSS JOIN chat_change k
			WHERE m.conversation = $1 AND m.seq > $2 AND m.seq <= $3 AND m.marks IS NOT NULL
				AND k.message = m.id AND k.user_id = $4 AND k.emoji IS NOT NULL ORDER BY k.pos`, id, after, after+span, user)
	}
	if err != nil {
		return t, fmt.Errorf("traces in %s: %w", id, err)
	}
	return t, nil
}

// Unkey takes the keys of a user's messages away.
func (s *Store) Unkey(ctx context.Context, user ids.User, id ids.Conversation) error {
	_, err := s.write(ctx, `UPDATE chat_message SET client_id = NULL, input_hash = NULL
		WHERE conversation = $1 AND sender = $2 AND client_id IS NOT NULL`, id.Bytes(), user.Bytes())
	if err != nil {
		return fmt.Errorf("take keys away in %s: %w", id, err)
	}
	return nil
}

// CondemnUploads condemns files that are in no message.
func (s *Store) CondemnUploads(ctx context.Context, uploader ids.User, at time.Time, limit int) (gone []ids.Attachment, err error) {
	err = s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		gone, err = collect(ctx, tx, func(r sqldb.Row) (id ids.Attachment, err error) {
			err = r.Scan(&id)
			return id, err
		}, `UPDATE chat_file SET condemned_at = $1, doubted_at = NULL WHERE id IN (SELECT id FROM chat_file
				WHERE uploader = $2 AND message IS NULL AND condemned_at IS NULL LIMIT $3)
			AND message IS NULL AND condemned_at IS NULL RETURNING id`, micros(at), uploader.Bytes(), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("condemn uploads: %w", err)
	}
	return gone, nil
}

// BlankReports takes the reasons from a user's reports.
func (s *Store) BlankReports(ctx context.Context, reporter ids.User) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE chat_report SET reason = '' WHERE reporter = $1 AND reason <> ''`, reporter)
		return err
	})
	if err != nil {
		return fmt.Errorf("blank reports: %w", err)
	}
	return nil
}

// Uploaded returns files that a user has uploaded.
func (s *Store) Uploaded(ctx context.Context, uploader ids.User, after ids.Attachment, limit int) ([]chat.File, error) {
	all, err := collect(ctx, s.db, scanFile, `SELECT `+fileColumns+` FROM chat_file f
		WHERE f.uploader = $1 AND f.condemned_at IS NULL AND f.content_type IS NOT NULL AND f.id > $2 ORDER BY f.id LIMIT $3`,
		uploader, after.Bytes(), limit)
	if err != nil {
		return nil, fmt.Errorf("files of %s: %w", uploader, err)
	}
	return all, nil
}
