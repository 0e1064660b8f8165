package authsql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// record adds entries to the audit log within the job that does what they tell.
func record(ctx context.Context, tx *sqldb.Tx, acts ...auth.Act) error {
	for _, a := range acts {
		_, err := tx.Exec(ctx, `INSERT INTO auth_audit
			(id, action, actor_id, target_id, session_id, invite_id, token_id, detail, address, device, request_id, at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			a.ID, string(a.Action), a.Actor, a.Target, a.Session, a.Invite, a.Token, a.Detail, a.Address, a.Device, a.RequestID, micros(a.At))
		if err != nil {
			return fmt.Errorf("record %s: %w", a.Action, err)
		}
	}
	return nil
}

// Record stores failed tries, a few of each target.
func (s *Store) Record(ctx context.Context, acts []auth.Act, since time.Time, limit int) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := openJournal(ctx, tx); err != nil { // for its lock
			return err
		}
		for _, a := range acts {
			var n int
			err := tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM auth_audit
				WHERE target_id = $1 AND action = $2 AND at >= $3 LIMIT $4) AS kept`, a.Target, string(a.Action), micros(since), limit).Scan(&n)
			if err != nil {
				return err
			}
			if n >= limit {
				continue
			}
			if err := record(ctx, tx, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record failed tries: %w", err)
	}
	return nil
}

const auditColumns = `id, action, actor_id, target_id, session_id, invite_id, token_id, detail, address, device, request_id, at`

func scanAct(r sqldb.Row) (auth.Act, error) {
	var a auth.Act
	var at int64
	err := r.Scan(&a.ID, &a.Action, &a.Actor, &a.Target, &a.Session, &a.Invite, &a.Token, &a.Detail, &a.Address, &a.Device, &a.RequestID, &at)
	a.At = timeOf(at)
	return a, err
}

// AuditPage returns entries, newest first.
func (s *Store) AuditPage(ctx context.Context, f auth.AuditFilter, before ids.Audit, limit int) ([]auth.Act, error) {
	var where []string
	var args []any
	add := func(text string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(text, len(args)))
	}
	if !before.IsZero() {
		add(`id < $%d`, before)
	}
	if !f.Actor.IsZero() {
		add(`actor_id = $%d`, f.Actor)
	}
	if !f.Target.IsZero() {
		add(`target_id = $%d`, f.Target)
	}
	if !f.Since.IsZero() {
		add(`at >= $%d`, micros(f.Since))
	}
	if !f.Until.IsZero() {
		add(`at < $%d`, micros(f.Until))
	}
	if len(f.Actions) > 0 {
		var in []string
		for _, a := range f.Actions {
			args = append(args, string(a))
			in = append(in, fmt.Sprintf(`$%d`, len(args)))
		}
		where = append(where, `action IN (`+strings.Join(in, ", ")+`)`)
	}
	where = append(slices.Clip(where), `1 = 1`)
	args = append(args, limit)
	text := `SELECT ` + auditColumns + ` FROM auth_audit WHERE ` + strings.Join(where, ` AND `) +
		fmt.Sprintf(` ORDER BY id DESC LIMIT $%d`, len(args))
	rows, err := s.db.Query(ctx, text, args...)
	list, err := sqldb.Collect(rows, err, scanAct)
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return list, nil
}

// Act returns an entry.
func (s *Store) Act(ctx context.Context, id ids.Audit) (auth.Act, error) {
	a, err := scanAct(s.db.QueryRow(ctx, `SELECT `+auditColumns+` FROM auth_audit WHERE id = $1`, id))
	return a, missing("read the audit log", err, auth.ErrNoAct)
}

// PurgeAudit forgets old entries.
func (s *Store) PurgeAudit(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.purge(ctx, `DELETE FROM auth_audit WHERE id IN (SELECT id FROM auth_audit WHERE at < $1 LIMIT $2)`, before, limit)
}

func (s *Store) purge(ctx context.Context, text string, before time.Time, limit int) (int, error) {
	var n int64
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) (err error) {
		n, err = tx.Exec(ctx, text, micros(before), limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("purge: %w", err)
	}
	return int(n), nil
}
