package authsql

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

const sessionColumns = `s.id, s.user_id, s.device, s.address, s.created_at, s.last_used_at, s.expires_at, s.ends_at,
	s.refresh_generation, s.refresh_current, s.refresh_parent, s.refresh_rotated_at`

// scanSession reads sessionColumns and what follows them.
func scanSession(r sqldb.Row, more ...any) (auth.Session, error) {
	var s auth.Session
	var created, used, expires, ends, rotated int64
	err := r.Scan(append([]any{
		&s.ID, &s.User, &s.Device, &s.Address, &created, &used, &expires, &ends,
		&s.Refresh.Generation, &s.Refresh.Current, &s.Refresh.Parent, &rotated,
	}, more...)...)
	s.CreatedAt, s.LastUsedAt, s.ExpiresAt, s.EndsAt = timeOf(created), timeOf(used), timeOf(expires), timeOf(ends)
	s.Refresh.RotatedAt = timeOf(rotated)
	return s, err
}

func insertSession(ctx context.Context, tx *sqldb.Tx, s auth.Session, network []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO auth_sessions
		(id, user_id, device, address, created_at, last_used_at, expires_at, ends_at,
			refresh_generation, refresh_current, refresh_parent, refresh_rotated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		s.ID, s.User, s.Device, s.Address, micros(s.CreatedAt), micros(s.LastUsedAt), micros(s.ExpiresAt), micros(s.EndsAt),
		int64(s.Refresh.Generation), s.Refresh.Current, s.Refresh.Parent, micros(s.Refresh.RotatedAt))
	if err != nil || network == nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO auth_networks (user_id, network, seen_at) VALUES ($1, $2, $3)
		ON CONFLICT (user_id, network) DO UPDATE SET seen_at = excluded.seen_at`,
		s.User, network, micros(s.CreatedAt))
	return err
}

// CreateSession stores a session and ends those that are too many.
func (s *Store) CreateSession(ctx context.Context, n auth.Session, network []byte, limit int, acts ...auth.Act) ([]ids.Session, error) {
	return s.createSession(ctx, n, network, limit, acts, nil)
}

// createSession is CreateSession after what before finds under the journal's
// lock; nil for nothing.
func (s *Store) createSession(
	ctx context.Context, n auth.Session, network []byte, limit int, acts []auth.Act, before func(*sqldb.Tx) error,
) ([]ids.Session, error) {
	var crowded []ids.Session
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		j, err := openJournal(ctx, tx)
		if err == nil && before != nil {
			err = before(tx)
		}
		if err == nil {
			err = inUse(ctx, tx, n.User)
		}
		if err != nil {
			return err
		}
		if err := insertSession(ctx, tx, n, network); err != nil {
			return err
		}
		if err := record(ctx, tx, acts...); err != nil {
			return err
		}
		crowded, err = end(ctx, tx, j, n.User, auth.Which{Reason: auth.Crowded, At: n.CreatedAt},
			`DELETE FROM auth_sessions WHERE id IN (SELECT id FROM auth_sessions WHERE user_id = $1 AND id <> $2
				ORDER BY last_used_at DESC, id DESC LIMIT 1000 OFFSET $3) RETURNING id`, n.User, n.ID, limit-1)
		if err != nil {
			return err
		}
		return j.close(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("create session: %w", err)
	}
	return crowded, nil
}

// inUse returns ErrNoAccount for an account that is not Active: under the
// journal's lock, so that nobody is suspended in between.
func inUse(ctx context.Context, tx *sqldb.Tx, id ids.User) error {
	active, err := exists(ctx, tx, `SELECT 1 FROM auth_accounts WHERE id = $1 AND state = $2`, id, auth.Active)
	if err == nil && !active {
		err = auth.ErrNoAccount
	}
	return err
}

// EndSessions ends one session of a user, or all of them.
func (s *Store) EndSessions(ctx context.Context, user ids.User, w auth.Which, acts ...auth.Act) ([]ids.Session, error) {
	text, args := `DELETE FROM auth_sessions WHERE user_id = $1 RETURNING id`, []any{user}
	if !w.Session.IsZero() {
		text, args = `DELETE FROM auth_sessions WHERE user_id = $1 AND id = $2 RETURNING id`, []any{user, w.Session}
	}
	var gone []ids.Session
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		j, err := openJournal(ctx, tx)
		if err != nil {
			return err
		}
		if gone, err = end(ctx, tx, j, user, w, text, args...); err != nil {
			return err
		}
		if len(gone) > 0 {
			if err := record(ctx, tx, acts...); err != nil {
				return err
			}
		}
		return j.close(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("end sessions: %w", err)
	}
	return gone, nil
}

// end runs a DELETE that returns ids and logs the end of each.
func end(ctx context.Context, tx *sqldb.Tx, j *journal, user ids.User, w auth.Which, text string, args ...any) ([]ids.Session, error) {
	rows, err := tx.Query(ctx, text, args...)
	gone, err := sqldb.Collect(rows, err, func(r sqldb.Row) (ids.Session, error) {
		var id ids.Session
		return id, r.Scan(&id)
	})
	if err != nil {
		return nil, err
	}
	for _, id := range gone {
		if err := j.add(ctx, auth.EndedChange(id, user, w.Reason, w.At)); err != nil {
			return nil, err
		}
	}
	if w.Reason != auth.StateLocked && w.Reason != auth.AccountDeleted || !w.Session.IsZero() {
		return gone, nil
	}
	// Who may not come in any more does not by his programs either.
	tokens, err := endTokens(ctx, tx, j, user, auth.WhichTokens{Reason: w.Reason, At: w.At})
	for _, id := range tokens {
		gone = append(gone, auth.Handle(id))
	}
	return gone, err
}

// Session returns a session that is still good.
func (s *Store) Session(ctx context.Context, id ids.Session, now time.Time) (auth.Session, error) {
	session, err := scanSession(s.db.QueryRow(ctx,
		`SELECT `+sessionColumns+` FROM auth_sessions s WHERE s.id = $1 AND s.expires_at > $2`, id, micros(now)))
	return session, missing("read session", err, auth.ErrNoSession)
}

// SessionAccess returns whose session it is and what he may.
func (s *Store) SessionAccess(ctx context.Context, id ids.Session, now time.Time) (auth.Access, error) {
	var a auth.Access
	err := s.db.QueryRow(ctx, `SELECT a.id, a.role, a.state FROM auth_sessions s
		JOIN auth_accounts a ON a.id = s.user_id WHERE s.id = $1 AND s.expires_at > $2`, id, micros(now)).
		Scan(&a.User, &a.Role, &a.State)
	return a, missing("read session", err, auth.ErrNoSession)
}

// UserSessions returns a user's sessions, the last used first.
func (s *Store) UserSessions(ctx context.Context, user ids.User, now time.Time) ([]auth.Session, error) {
	rows, err := s.db.Query(ctx, `SELECT `+sessionColumns+` FROM auth_sessions s
		WHERE s.user_id = $1 AND s.expires_at > $2 ORDER BY s.last_used_at DESC, s.id DESC`, user, micros(now))
	list, err := sqldb.Collect(rows, err, func(r sqldb.Row) (auth.Session, error) { return scanSession(r) })
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	return list, nil
}

// ChangeSession changes a session that is still good.
func (s *Store) ChangeSession(
	ctx context.Context, id ids.Session, now time.Time, change func(*auth.Session, auth.Account) error,
) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		// Locks the row on both engines; SQLite has no FOR UPDATE.
		if _, err := tx.Exec(ctx, `UPDATE auth_sessions SET device = device WHERE id = $1`, id); err != nil {
			return err
		}
		var account auth.Account
		var created int64
		session, err := scanSession(tx.QueryRow(ctx, `SELECT `+sessionColumns+`, `+accountColumns+`
			FROM auth_sessions s JOIN auth_accounts a ON a.id = s.user_id
			WHERE s.id = $1 AND s.expires_at > $2`, id, micros(now)), accountFields(&account, &created)...)
		if err != nil {
			return missing("find it", err, auth.ErrNoSession)
		}
		account.CreatedAt = timeOf(created)
		if err := change(&session, account); err != nil {
			return err
		}
		r := session.Refresh
		_, err = tx.Exec(ctx, `UPDATE auth_sessions SET device = $2, address = $3, last_used_at = $4, expires_at = $5,
			refresh_generation = $6, refresh_current = $7, refresh_parent = $8, refresh_rotated_at = $9 WHERE id = $1`,
			id, session.Device, session.Address, micros(session.LastUsedAt), micros(session.ExpiresAt),
			int64(r.Generation), r.Current, r.Parent, micros(r.RotatedAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("change session: %w", err)
	}
	return nil
}

// PurgeSessions forgets what has expired.
func (s *Store) PurgeSessions(ctx context.Context, now, networksBefore time.Time, limit int) (int, error) {
	var n int64
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		sessions, err := tx.Exec(ctx, `DELETE FROM auth_sessions WHERE id IN
			(SELECT id FROM auth_sessions WHERE expires_at <= $1 LIMIT $2)`, micros(now), limit)
		if err != nil {
			return err
		}
		networks, err := tx.Exec(ctx, `DELETE FROM auth_networks WHERE (user_id, network) IN
			(SELECT user_id, network FROM auth_networks WHERE seen_at < $1 LIMIT $2)`, micros(networksBefore), limit)
		n = sessions + networks
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("purge sessions: %w", err)
	}
	return int(n), nil
}
