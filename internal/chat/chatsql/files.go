package chatsql

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// fileColumns are what scanFile reads, of chat_file f.
const fileColumns = `f.id, f.uploader, f.length, f.created_at, f.name, f.content_type, f.size, f.width, f.height, f.thumbnail, f.message, f.worn`

func scanFile(r sqldb.Row) (chat.File, error) { return scanFileAnd(r) }

func scanFileAnd(r sqldb.Row, more ...any) (f chat.File, err error) {
	var (
		created             int64
		kind                sql.NullString
		size, width, height sql.NullInt64
		thumbnail, worn     sql.NullBool
	)
	err = r.Scan(append([]any{
		&f.ID, &f.Uploader, &f.Length, &created, &f.Name, &kind, &size, &width, &height, &thumbnail, &f.Message, &worn,
	}, more...)...)
	f.CreatedAt, f.Complete, f.Worn = instant(created), kind.Valid, worn.Bool
	f.ContentType, f.Size, f.Width, f.Height, f.Thumbnail = kind.String, size.Int64, int(width.Int64), int(height.Int64), thumbnail.Bool
	return f, err
}

// write runs a statement on its own and returns how many rows it changed.
func (s *Store) write(ctx context.Context, text string, args ...any) (n int64, err error) {
	err = s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		n, err = tx.Exec(ctx, text, args...)
		return err
	})
	return n, err
}

// Reserve stores a new file that is not complete.
func (s *Store) Reserve(ctx context.Context, f chat.File) error {
	_, err := s.write(ctx, `INSERT INTO chat_file (id, uploader, length, created_at, name) VALUES ($1, $2, $3, $4, $5)`,
		f.ID.Bytes(), f.Uploader.Bytes(), f.Length, micros(f.CreatedAt), f.Name)
	if err != nil {
		return fmt.Errorf("reserve %s: %w", f.ID, err)
	}
	return nil
}

// Usage returns what a user's files come to.
func (s *Store) Usage(ctx context.Context, user ids.User) (u chat.FileUsage, err error) {
	var bytes, unsent sql.NullInt64
	err = s.db.QueryRow(ctx, `SELECT CAST(sum(length) AS BIGINT), CAST(sum(CASE WHEN message IS NULL AND worn IS NULL THEN 1 ELSE 0 END) AS BIGINT)
		FROM chat_file WHERE uploader = $1 AND condemned_at IS NULL`, user).Scan(&bytes, &unsent)
	if err != nil {
		return u, fmt.Errorf("usage of %s: %w", user, err)
	}
	return chat.FileUsage{Bytes: bytes.Int64, Unsent: int(unsent.Int64)}, nil
}

// flag is a column's value for a bool, which SQLite has no type for.
func flag(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// Complete fills in what is known of a file.
func (s *Store) Complete(ctx context.Context, f chat.File) error {
	n, err := s.write(ctx, `UPDATE chat_file SET length = $1, content_type = $2, size = $3, width = $4, height = $5, thumbnail = $6
		WHERE id = $7 AND uploader = $8 AND message IS NULL AND condemned_at IS NULL`,
		f.Length, f.ContentType, f.Size, f.Width, f.Height, flag(f.Thumbnail), f.ID.Bytes(), f.Uploader.Bytes())
	if err == nil && n == 0 {
		err = chat.ErrNoFile
	}
	if err != nil {
		return fmt.Errorf("complete %s: %w", f.ID, err)
	}
	return nil
}

// File returns a file that is not condemned.
func (s *Store) File(ctx context.Context, id ids.Attachment) (chat.File, error) {
	f, err := scanFile(s.db.QueryRow(ctx,
		`SELECT `+fileColumns+` FROM chat_file f WHERE f.id = $1 AND f.condemned_at IS NULL`, id))
	if err != nil {
		return chat.File{}, fmt.Errorf("read %s: %w", id, orElse(err, chat.ErrNoFile))
	}
	return f, nil
}

// ReadableFiles returns those of the files that the viewer may read.
func (s *Store) ReadableFiles(ctx context.Context, viewer ids.User, of []ids.Attachment) ([]chat.File, error) {
	var all []chat.File
	for _, p := range parts(blobs(of)) {
		some, err := collect(ctx, s.db, scanFile, `SELECT `+fileColumns+` FROM chat_file f
			LEFT JOIN chat_message m ON m.id = f.message
			WHERE f.id IN (`+p.list(2)+`) AND f.condemned_at IS NULL AND (f.message IS NULL AND f.uploader = $1
				OR EXISTS (SELECT 1 FROM chat_member me
					WHERE me.conversation = m.conversation AND me.user_id = $1 AND me.left_pos IS NULL))`,
			append([]any{viewer}, p...)...)
		if err != nil {
			return nil, fmt.Errorf("read files: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// Condemn condemns a file that is in no message.
func (s *Store) Condemn(ctx context.Context, uploader ids.User, id ids.Attachment, at time.Time) error {
	n, err := s.write(ctx, `UPDATE chat_file SET condemned_at = $1
		WHERE id = $2 AND uploader = $3 AND message IS NULL AND condemned_at IS NULL AND worn IS NULL`, micros(at), id.Bytes(), uploader.Bytes())
	if err == nil && n == 0 {
		err = chat.ErrNoFile
	}
	if err != nil {
		return fmt.Errorf("condemn %s: %w", id, err)
	}
	return nil
}

// CondemnUnsent condemns files that were not sent.
func (s *Store) CondemnUnsent(ctx context.Context, before, at time.Time, limit int) (int, error) {
	n, err := s.write(ctx, `UPDATE chat_file SET condemned_at = $1 WHERE id IN (SELECT id FROM chat_file
			WHERE message IS NULL AND condemned_at IS NULL AND worn IS NULL AND created_at < $2 ORDER BY created_at LIMIT $3)
		AND message IS NULL AND condemned_at IS NULL AND worn IS NULL`, micros(at), micros(before), limit)
	if err != nil {
		return 0, fmt.Errorf("condemn what was not sent: %w", err)
	}
	return int(n), nil
}

// Condemned returns files that were condemned before a time.
func (s *Store) Condemned(ctx context.Context, before time.Time, limit int) ([]ids.Attachment, error) {
	all, err := collect(ctx, s.db, func(r sqldb.Row) (id ids.Attachment, err error) {
		err = r.Scan(&id)
		return id, err
	}, `SELECT id FROM chat_file WHERE condemned_at IS NOT NULL AND condemned_at < $1 ORDER BY condemned_at LIMIT $2`,
		micros(before), limit)
	if err != nil {
		return nil, fmt.Errorf("find what is condemned: %w", err)
	}
	return all, nil
}

// Forget takes away what is known of condemned files.
func (s *Store) Forget(ctx context.Context, of []ids.Attachment) error {
	for _, p := range parts(blobs(of)) {
		_, err := s.write(ctx, `DELETE FROM chat_file WHERE condemned_at IS NOT NULL AND id IN (`+p.list(1)+`)`, p...)
		if err != nil {
			return fmt.Errorf("forget files: %w", err)
		}
	}
	return nil
}

// Files implements chat.Archive.
func (a *Archive) Files(ctx context.Context, after ids.Attachment) iter.Seq2[chat.ArchivedFile, error] {
	return walked(ctx, a.db, func(r sqldb.Row) (f chat.ArchivedFile, err error) {
		var condemned, doubted sql.NullInt64
		f.File, err = scanFileAnd(r, &condemned, &doubted, &f.Conversation)
		f.CondemnedAt, f.DoubtedAt = optInstant(condemned), optInstant(doubted)
		return f, err
	}, `SELECT `+fileColumns+`, f.condemned_at, f.doubted_at, m.conversation FROM chat_file f LEFT JOIN chat_message m ON m.id = f.message
		WHERE f.id > $1 ORDER BY f.id LIMIT $2`,
		[]any{after.Bytes()}, func(f chat.ArchivedFile) []any { return []any{f.ID.Bytes()} })
}
