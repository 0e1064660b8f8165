package authsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

const exportColumns = `e.id, e.user_id, e.state, e.created_at, e.expires_at, e.size`

func scanExport(r sqldb.Row) (e auth.Export, err error) {
	var created, expires int64
	err = r.Scan(&e.ID, &e.User, &e.State, &created, &expires, &e.Size)
	e.CreatedAt, e.ExpiresAt = timeOf(created), timeOf(expires)
	return e, err
}

// AddExport stores a pending export.
func (s *Store) AddExport(ctx context.Context, e auth.Export, keep int, since time.Time, act auth.Act) (auth.Export, bool, error) {
	made := false
	var out auth.Export
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		made = false
		if _, err := openJournal(ctx, tx); err != nil { // for its lock
			return err
		}
		if err := inUse(ctx, tx, e.User); err != nil {
			return err
		}
		there, err := scanExport(tx.QueryRow(ctx, `SELECT `+exportColumns+` FROM auth_exports e WHERE e.user_id = $1 AND e.state = $2`,
			e.User, auth.ExportPending))
		if !errors.Is(err, sql.ErrNoRows) {
			out = there
			return err
		}
		soon, err := exists(ctx, tx, `SELECT 1 FROM auth_exports WHERE user_id = $1 AND state = $2 AND created_at > $3 LIMIT 1`,
			e.User, auth.ExportReady, micros(since))
		if err == nil && soon {
			err = auth.ErrExportTooSoon
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO auth_exports (id, user_id, state, created_at, expires_at, size, tries) VALUES ($1, $2, $3, $4, 0, 0, 0)`,
			e.ID, e.User, auth.ExportPending, micros(e.CreatedAt))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE auth_exports SET expires_at = $2 WHERE expires_at > $2 AND id IN
			(SELECT id FROM auth_exports WHERE user_id = $1 ORDER BY id DESC LIMIT 1000 OFFSET $3)`, e.User, micros(e.CreatedAt), keep)
		if err != nil {
			return err
		}
		out, made = e, true
		return record(ctx, tx, act)
	})
	if err != nil {
		return auth.Export{}, false, fmt.Errorf("add an export: %w", err)
	}
	return out, made, nil
}

// UserExports returns a user's exports, the newest first.
func (s *Store) UserExports(ctx context.Context, user ids.User, now time.Time) ([]auth.Export, error) {
	rows, err := s.db.Query(ctx, `SELECT `+exportColumns+` FROM auth_exports e
		WHERE e.user_id = $1 AND (e.expires_at = 0 OR e.expires_at > $2) ORDER BY e.id DESC`, user, micros(now))
	list, err := sqldb.Collect(rows, err, scanExport)
	if err != nil {
		return nil, fmt.Errorf("read exports: %w", err)
	}
	return list, nil
}

// Export returns an export of somebody who may sign in.
func (s *Store) Export(ctx context.Context, id ids.Export, now time.Time) (auth.Export, error) {
	e, err := scanExport(s.db.QueryRow(ctx, `SELECT `+exportColumns+` FROM auth_exports e JOIN auth_accounts a ON a.id = e.user_id
		WHERE e.id = $1 AND (e.expires_at = 0 OR e.expires_at > $2) AND a.state = $3`, id, micros(now), auth.Active))
	return e, missing("read an export", err, auth.ErrNoExport)
}

// NextExport takes the oldest export that is pending.
func (s *Store) NextExport(ctx context.Context, tries int, expires time.Time) (auth.Export, error) {
	var e auth.Export
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE auth_exports SET state = $1, expires_at = $2 WHERE state = 'PENDING' AND tries >= $3`,
			auth.ExportFailed, micros(expires), tries)
		if err != nil {
			return err
		}
		e, err = scanExport(tx.QueryRow(ctx, `SELECT `+exportColumns+` FROM auth_exports e WHERE e.state = 'PENDING' ORDER BY e.id LIMIT 1`))
		if errors.Is(err, sql.ErrNoRows) {
			e, err = auth.Export{}, nil
			return err
		}
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE auth_exports SET tries = tries + 1 WHERE id = $1`, e.ID)
		}
		return err
	})
	if err == nil && e.ID.IsZero() {
		err = auth.ErrNoExport
	}
	if err != nil {
		return auth.Export{}, fmt.Errorf("take an export: %w", err)
	}
	return e, nil
}

// EndExport stores how an export ended.
func (s *Store) EndExport(ctx context.Context, e auth.Export) (bool, error) {
	var n int64
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) (err error) {
		n, err = tx.Exec(ctx, `UPDATE auth_exports SET state = $2, expires_at = $3, size = $4 WHERE id = $1 AND state = 'PENDING'`,
			e.ID, e.State, micros(e.ExpiresAt), e.Size)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("end an export: %w", err)
	}
	return n > 0, nil
}

// ExpiredExports returns exports that have expired.
func (s *Store) ExpiredExports(ctx context.Context, now time.Time, limit int) ([]ids.Export, error) {
	rows, err := s.db.Query(ctx, `SELECT id FROM auth_exports WHERE expires_at > 0 AND expires_at <= $1 LIMIT $2`, micros(now), limit)
	list, err := sqldb.Collect(rows, err, func(r sqldb.Row) (id ids.Export, err error) {
		err = r.Scan(&id)
		return id, err
	})
	if err != nil {
		return nil, fmt.Errorf("read expired exports: %w", err)
	}
	return list, nil
}

// ForgetExports forgets exports.
func (s *Store) ForgetExports(ctx context.Context, of []ids.Export) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		for _, id := range of {
			if _, err := tx.Exec(ctx, `DELETE FROM auth_exports WHERE id = $1`, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget exports: %w", err)
	}
	return nil
}
