package chatsql

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"iter"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// reportColumns are what scanReport reads, of chat_report r.
const reportColumns = `r.id, r.message, r.conversation, r.reporter, r.reason, r.created_at,
	r.resolution, r.note, r.resolver, r.resolved_at`

func scanReport(r sqldb.Row) (out chat.Report, err error) {
	var created int64
	var resolution, note sql.NullString
	var resolved sql.NullInt64
	err = r.Scan(&out.ID, &out.Message, &out.Conversation, &out.Reporter, &out.Reason, &created,
		&resolution, &note, &out.Resolver, &resolved)
	out.CreatedAt, out.ResolvedAt = instant(created), optInstant(resolved)
	out.Resolution, out.Note = chat.Resolution(resolution.String), note.String
	return out, err
}

// AddReport stores an open report, unless there is one.
func (s *Store) AddReport(ctx context.Context, r chat.Report) (chat.Report, error) {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx,
			`INSERT INTO chat_report (id, message, conversation, reporter, reason, created_at)
			SELECT $1, m.id, m.conversation, v.user_id, $2, $3 FROM chat_message m
			JOIN chat_member v ON v.conversation = m.conversation AND v.left_pos IS NULL
			WHERE m.id = $4 AND v.user_id = $5
			ON CONFLICT (message, reporter) WHERE resolved_at IS NULL DO NOTHING`,
			r.ID, r.Reason, micros(r.CreatedAt), r.Message, r.Reporter)
		if err != nil || n > 0 {
			return err
		}
		r, err = scanReport(tx.QueryRow(ctx,
			`SELECT `+reportColumns+` FROM chat_report r JOIN chat_member v ON v.conversation = r.conversation AND v.user_id = r.reporter
			WHERE r.message = $1 AND r.reporter = $2 AND r.resolved_at IS NULL AND v.left_pos IS NULL`, r.Message, r.Reporter))
		return orElse(err, chat.ErrNoMessage)
	})
	if err != nil {
		return chat.Report{}, fmt.Errorf("store a report: %w", err)
	}
	return r, nil
}

// ReportPage returns reports, the newest first.
func (s *Store) ReportPage(ctx context.Context, state chat.ReportState, before ids.Report, limit int) ([]chat.Report, error) {
	which := map[chat.ReportState]string{
		chat.ReportOpen: ` AND r.resolved_at IS NULL`, chat.ReportResolved: ` AND r.resolved_at IS NOT NULL`,
	}[state]
	end := before.Bytes()
	if before.IsZero() {
		end = bytes.Repeat([]byte{0xff}, 16)
	}
	all, err := collect(ctx, s.db, scanReport,
		`SELECT `+reportColumns+` FROM chat_report r WHERE r.id < $1`+which+` ORDER BY r.id DESC LIMIT $2`, end, limit)
	if err == nil {
		err = s.reported(ctx, all)
	}
	if err != nil {
		return nil, fmt.Errorf("list reports: %w", err)
	}
	return all, nil
}

// ReportsByID returns several reports.
func (s *Store) ReportsByID(ctx context.Context, of []ids.Report) ([]chat.Report, error) {
	var all []chat.Report
	for _, p := range parts(blobs(of)) {
		some, err := collect(ctx, s.db, scanReport,
			`SELECT `+reportColumns+` FROM chat_report r WHERE r.id IN (`+p.list(1)+`)`, p...)
		if err != nil {
			return nil, fmt.Errorf("read reports: %w", err)
		}
		all = append(all, some...)
	}
	if err := s.reported(ctx, all); err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	return all, nil
}

// reported fills in the messages that reports are of.
func (s *Store) reported(ctx context.Context, reports []chat.Report) error {
	of := make([]any, len(reports))
	for i := range reports {
		of[i] = reports[i].Message.Bytes()
	}
	found := make(map[ids.Message]*chat.Message, len(of))
	for _, p := range parts(of) {
		some, err := collect(ctx, s.db, scanMessage,
			`SELECT `+messageColumns+` FROM chat_message m WHERE m.id IN (`+p.list(1)+`)`, p...)
		if err != nil {
			return err
		}
		for _, m := range some {
			found[m.ID] = m
		}
	}
	for i := range reports {
		reports[i].Reported = found[reports[i].Message]
	}
	return nil
}

// Resolve ends an open report.
func (s *Store) Resolve(ctx context.Context, id ids.Report, r chat.Resolved) (chat.Report, error) {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx,
			`UPDATE chat_report SET resolution = $1, note = $2, resolver = $3, resolved_at = $4
			WHERE id = $5 AND resolved_at IS NULL`,
			string(r.Resolution), r.Note, r.Resolver, micros(r.ResolvedAt), id)
		return err
	})
	if err != nil {
		return chat.Report{}, fmt.Errorf("resolve %s: %w", id, err)
	}
	found, err := s.ReportsByID(ctx, []ids.Report{id})
	if err == nil && len(found) == 0 {
		err = chat.ErrNoReport
	}
	if err != nil {
		return chat.Report{}, fmt.Errorf("resolve %s: %w", id, err)
	}
	return found[0], nil
}

// Reports implements chat.Archive.
func (a *Archive) Reports(ctx context.Context, after ids.Report) iter.Seq2[chat.Report, error] {
	return walked(ctx, a.db, scanReport,
		`SELECT `+reportColumns+` FROM chat_report r WHERE r.id > $1 ORDER BY r.id LIMIT $2`,
		[]any{after.Bytes()}, func(r chat.Report) []any { return []any{r.ID.Bytes()} })
}
