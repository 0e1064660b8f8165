package authsql

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// promise stores mail in a job's commit; one without an ID is none.
func promise(ctx context.Context, tx *sqldb.Tx, jobs ...auth.MailJob) error {
	for _, j := range jobs {
		if j.ID.IsZero() {
			continue
		}
		_, err := tx.Exec(ctx, `INSERT INTO auth_mail (id, kind, subject_id, sealed, created_at, due_at, tries)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, j.ID, string(j.Kind), j.Subject, j.Sealed, micros(j.CreatedAt), micros(j.DueAt), j.Tries)
		if err != nil {
			return fmt.Errorf("promise a mail: %w", err)
		}
	}
	return nil
}

// PromiseMail stores jobs.
func (s *Store) PromiseMail(ctx context.Context, jobs ...auth.MailJob) error {
	return s.lane.Write(ctx, func(tx *sqldb.Tx) error { return promise(ctx, tx, jobs...) })
}

const mailColumns = `id, kind, subject_id, sealed, created_at, due_at, tries`

func scanMail(r sqldb.Row) (auth.MailJob, error) {
	var j auth.MailJob
	var created, due int64
	err := r.Scan(&j.ID, &j.Kind, &j.Subject, &j.Sealed, &created, &due, &j.Tries)
	j.CreatedAt, j.DueAt = timeOf(created), timeOf(due)
	return j, err
}

// ClaimMail returns jobs that are due and moves them on.
func (s *Store) ClaimMail(ctx context.Context, now, until time.Time, limit int) ([]auth.MailJob, error) {
	// Most of the time there is nothing, and a read is all that it costs.
	due, err := exists(ctx, s.db, `SELECT 1 FROM auth_mail WHERE due_at <= $1 LIMIT 1`, micros(now))
	if err != nil || !due {
		return nil, err
	}
	var claimed []auth.MailJob
	err = s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		// What another node has taken meanwhile is due no longer.
		rows, err := tx.Query(ctx, `UPDATE auth_mail SET due_at = $2, tries = tries + 1 WHERE due_at <= $1 AND id IN
			(SELECT id FROM auth_mail WHERE due_at <= $1 ORDER BY due_at, id LIMIT $3) RETURNING `+mailColumns,
			micros(now), micros(until), limit)
		claimed, err = sqldb.Collect(rows, err, scanMail)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim mail: %w", err)
	}
	return claimed, nil
}

// DelayMail makes a job due at another time.
func (s *Store) DelayMail(ctx context.Context, id ids.Mail, due time.Time) error {
	return s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE auth_mail SET due_at = $2 WHERE id = $1`, id, micros(due))
		return err
	})
}

// DropMail forgets a job.
func (s *Store) DropMail(ctx context.Context, id ids.Mail) error {
	return s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM auth_mail WHERE id = $1`, id)
		return err
	})
}

// MintLink stores the link of a job.
func (s *Store) MintLink(ctx context.Context, id ids.Mail, l auth.Link) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		// For its lock: what ends the job comes before, or ends the link too.
		if _, err := openJournal(ctx, tx); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE auth_mail SET tries = tries WHERE id = $1`, id)
		if err == nil && n == 0 {
			err = auth.ErrNoMail
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO auth_links (kind, subject_id, hash, sealed, expires_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (kind, subject_id) DO UPDATE SET hash = excluded.hash, sealed = excluded.sealed, expires_at = excluded.expires_at`,
			string(l.Kind), l.Subject, l.Hash, l.Sealed, micros(l.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("mint a link: %w", err)
	}
	return nil
}

// AddPending stores a registration and its mail.
func (s *Store) AddPending(ctx context.Context, p auth.Pending, j auth.MailJob) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO auth_pending (id, sealed, expires_at) VALUES ($1, $2, $3)`, p.ID, p.Sealed, micros(p.ExpiresAt))
		if err != nil {
			return err
		}
		return promise(ctx, tx, j)
	})
	if err != nil {
		return fmt.Errorf("add a registration: %w", err)
	}
	return nil
}

// Pending returns a registration that has not expired.
func (s *Store) Pending(ctx context.Context, id ids.User, now time.Time) (auth.Pending, error) {
	p := auth.Pending{ID: id}
	var expires int64
	err := s.db.QueryRow(ctx, `SELECT sealed, expires_at FROM auth_pending WHERE id = $1 AND expires_at > $2`, id, micros(now)).
		Scan(&p.Sealed, &expires)
	p.ExpiresAt = timeOf(expires)
	return p, missing("read a registration", err, auth.ErrBadLink)
}

// PurgeLinks forgets what has expired.
func (s *Store) PurgeLinks(ctx context.Context, now time.Time, limit int) (int, error) {
	links, err := s.purge(ctx, `DELETE FROM auth_links WHERE hash IN (SELECT hash FROM auth_links WHERE expires_at <= $1 LIMIT $2)`, now, limit)
	if err != nil {
		return 0, err
	}
	pending, err := s.purge(ctx, `DELETE FROM auth_pending WHERE id IN (SELECT id FROM auth_pending WHERE expires_at <= $1 LIMIT $2)`, now, limit)
	return links + pending, err
}
