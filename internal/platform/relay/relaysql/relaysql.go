package relaysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"chatd/internal/platform/relay"
	"chatd/internal/platform/sqldb"
)

// Positions is a relay.Positions.
type Positions struct{ db *sqldb.DB }

var _ relay.Positions = (*Positions)(nil)

// New returns positions over a database that has been migrated.
func New(db *sqldb.DB) *Positions { return &Positions{db: db} }

// Load implements relay.Positions.
func (p *Positions) Load(ctx context.Context, name string) (relay.State, error) {
	row := p.db.QueryRow(ctx, `SELECT pos, term, beat, free FROM relay_positions WHERE name = $1`, name)
	s, err := scan(row)
	if errors.Is(err, sql.ErrNoRows) {
		return relay.State{}, nil
	}
	if err != nil {
		return relay.State{}, fmt.Errorf("select the state of relay %s: %w", name, err)
	}
	return s, nil
}

// Take implements relay.Positions.
func (p *Positions) Take(ctx context.Context, name string, seen relay.State) (relay.State, error) {
	var s relay.State
	err := p.db.Write(ctx, func(tx *sqldb.Tx) (err error) {
		s, err = scan(tx.QueryRow(ctx, `INSERT INTO relay_positions (name, pos, term, beat, free)
			VALUES ($1, 0, 1, 1, 0)
			ON CONFLICT (name) DO UPDATE
			SET term = relay_positions.term + 1, beat = relay_positions.beat + 1, free = 0
			WHERE relay_positions.term = $2 AND relay_positions.beat = $3
			RETURNING pos, term, beat, free`, name, seen.Term, seen.Beat))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = relay.ErrLost
	}
	if err != nil {
		return relay.State{}, fmt.Errorf("take relay %s: %w", name, err)
	}
	return s, nil
}

// Save implements relay.Positions.
func (p *Positions) Save(ctx context.Context, name string, s relay.State) error {
	free := 0
	if s.Free {
		free = 1
	}
	err := p.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE relay_positions SET pos = $3, beat = beat + 1, free = $4
			WHERE name = $1 AND term = $2`, name, s.Term, s.Pos, free)
		if err == nil && n == 0 {
			err = relay.ErrLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save the position of relay %s: %w", name, err)
	}
	return nil
}

func scan(row sqldb.Row) (relay.State, error) {
	var s relay.State
	var free int
	err := row.Scan(&s.Pos, &s.Term, &s.Beat, &free)
	s.Free = free != 0
	return s, err
}
