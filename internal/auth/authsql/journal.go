package authsql

import (
	"context"
	"fmt"

	"chatd/internal/auth"
	"chatd/internal/auth/authv1"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/sqldb"
)

// journal adds to the change log within one job. Opening it takes the
// position row, on every node the first lock of such a job, so that entries
// are committed in the order of their positions and no two jobs wait for each
// other.
type journal struct {
	tx        *sqldb.Tx
	was, last int64
}

func openJournal(ctx context.Context, tx *sqldb.Tx) (*journal, error) {
	j := &journal{tx: tx}
	// Locks the row on both engines; SQLite has no FOR UPDATE.
	err := tx.QueryRow(ctx, `UPDATE auth_position SET pos = pos WHERE id = 1 RETURNING pos`).Scan(&j.was)
	j.last = j.was
	return j, err
}

func (j *journal) add(ctx context.Context, c auth.Change) error {
	j.last++
	_, err := j.tx.Exec(ctx, `INSERT INTO auth_changes (pos, name, key, at, payload) VALUES ($1, $2, $3, $4, $5)`,
		j.last, c.Name, c.Key, micros(c.Time), c.Payload)
	return err
}

func (j *journal) close(ctx context.Context) error {
	if j.last == j.was {
		return nil
	}
	_, err := j.tx.Exec(ctx, `UPDATE auth_position SET pos = $1 WHERE id = 1`, j.last)
	return err
}

// Changes returns up to limit entries after a position.
func (s *Store) Changes(ctx context.Context, after int64, limit int) ([]auth.Change, error) {
	rows, err := s.db.Query(ctx,
		`SELECT pos, name, key, at, payload FROM auth_changes WHERE pos > $1 ORDER BY pos LIMIT $2`, after, limit)
	list, err := sqldb.Collect(rows, err, func(r sqldb.Row) (auth.Change, error) {
		var c auth.Change
		var at int64
		err := r.Scan(&c.Pos, &c.Name, &c.Key, &at, &c.Payload)
		c.Time = timeOf(at)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the changes after %d: %w", after, err)
	}
	return list, nil
}

// LastChange returns the position of the newest entry.
func (s *Store) LastChange(ctx context.Context) (int64, error) {
	var pos int64
	if err := s.db.QueryRow(ctx, `SELECT pos FROM auth_position WHERE id = 1`).Scan(&pos); err != nil {
		return 0, fmt.Errorf("read the last position: %w", err)
	}
	return pos, nil
}

// Read gives relays the log as envelopes, with the position of the last.
func (s *Store) Read(ctx context.Context, after int64, limit int) ([]bus.Envelope, int64, error) {
	changes, err := s.Changes(ctx, after, limit)
	if err != nil {
		return nil, after, err
	}
	events := make([]bus.Envelope, 0, len(changes))
	for _, c := range changes {
		after = c.Pos
		events = append(events, bus.Envelope{
			// The time keeps it unique when a backup is restored and
			// positions are given again.
			ID:   fmt.Sprintf("%s/%d/%d", authv1.Topic, c.Pos, c.Time.UnixMicro()),
			Name: c.Name, Topic: authv1.Topic, Key: c.Key, Pos: c.Pos, Time: c.Time, Payload: c.Payload,
		})
	}
	return events, after, nil
}
