package sqldb

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Question is a query whose rows are read as they come.
type Question struct {
	Text string
	Args []any
	Each func(Row) error // called for every row; nil where there are none
}

// pending is a statement that has not been sent yet.
type pending struct {
	Question

	changed int64 // rows, once it has run; for a statement without Each
}

// lateError is of a statement that was not waited for when it was given.
type lateError struct{ error }

func (e lateError) Unwrap() error { return e.error }

// Later has a statement run of which nobody reads more than that it went well.
// PostgreSQL gets it in one exchange with the next statement that is waited
// for, or with the commit; SQLite at once. When it fails so does the job.
func (tx *Tx) Later(ctx context.Context, q string, args ...any) error {
	return tx.AnswersLater(ctx, Question{Text: q, Args: args})
}

// AnswersLater asks as Answers does, but waits for no answer: they come with
// those to the next statement that is waited for, or with the commit, before
// what AfterCommit registered. So an Each may run when the commit is done, and
// must not refuse rows that are well formed.
func (tx *Tx) AnswersLater(ctx context.Context, of ...Question) error {
	for _, q := range of {
		switch {
		case tx.db.engine == PostgreSQL:
			if err := tx.before(q.Text, q.Each == nil); err != nil {
				return err
			}
			tx.pending = append(tx.pending, pending{Question: q})
		case q.Each == nil:
			if _, err := tx.Exec(ctx, q.Text, q.Args...); err != nil {
				return err
			}
		default:
			if err := tx.answer(ctx, q); err != nil {
				return err
			}
		}
	}
	return nil
}

// Answers asks several questions, each after those before it: on PostgreSQL in
// one exchange, where a question sees what was committed while those before it
// waited for a lock.
//
//nolint:contextcheck // See Tx.
func (tx *Tx) Answers(ctx context.Context, of ...Question) error {
	if err := tx.AnswersLater(ctx, of...); err != nil {
		return err
	}
	_, err := tx.flush(tx.ctx)
	return tx.note(err)
}

func (tx *Tx) answer(ctx context.Context, q Question) error {
	rows, err := tx.Query(ctx, q.Text, q.Args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err tells all.
	for rows.Next() {
		if err := q.Each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// flush sends what is pending in one exchange with PostgreSQL and returns how
// many rows the last statement changed. After one that fails none is run.
func (s *session) flush(ctx context.Context) (int64, error) {
	if len(s.pending) == 0 {
		return 0, nil
	}
	all := s.pending
	s.pending = s.pending[:0]
	defer clear(all)
	err := s.conn.Raw(func(driver any) error {
		c, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("sqldb: a connection of PostgreSQL is a %T", driver)
		}
		return exchange(ctx, c.Conn(), all)
	})
	s.begun = s.begun || all[0].Text == begin
	return all[len(all)-1].changed, s.db.translate(err)
}

func exchange(ctx context.Context, conn *pgx.Conn, all []pending) error {
	var b pgx.Batch
	for i := range all {
		b.Queue(all[i].Text, all[i].Args...)
	}
	results := conn.SendBatch(ctx, &b)
	for i := range all {
		if err := all[i].read(results); err != nil {
			// What Close says comes of it.
			_ = results.Close()
			if i < len(all)-1 {
				err = lateError{err}
			}
			return err
		}
	}
	return results.Close()
}

func (p *pending) read(from pgx.BatchResults) error {
	if p.Each == nil {
		tag, err := from.Exec()
		p.changed = tag.RowsAffected()
		return err
	}
	rows, err := from.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := p.Each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// isLate says whether a statement has failed that was given before the one
// that returned the error.
func isLate(err error) bool {
	_, late := errors.AsType[lateError](err)
	return late
}
