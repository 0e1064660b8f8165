package sqlmove

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"chatd/internal/platform/sqldb"
)

// Set is the set that the claim's table, move_state, is migrated with.
const Set = "move"

// State is how far a copy has come.
type State string

// The states. Only what is Done may be served.
const (
	Begun   State = "BEGUN"   // nothing has been copied yet
	Copying State = "COPYING" // some may have been
	Done    State = "DONE"    // all has been, and was compared
)

// Claim is what a target knows of the copy into it.
type Claim struct {
	Copy   string // the identifier of the copy, which its source knows, too
	Target string // the identifier of this target
	Parts  string // which of the source's parts come here, as the caller names them
	State  State
}

// ErrNotEmpty says that a target has rows of its own.
var ErrNotEmpty = errors.New("the target is not empty")

// Claimed returns the claim on a database; nil when nothing was ever copied
// into it.
func Claimed(ctx context.Context, db *sqldb.DB) (*Claim, error) {
	there, err := existing(ctx, db, []string{Set})
	if err != nil || len(there) == 0 {
		return nil, err
	}
	var c Claim
	err = db.QueryRow(ctx, "SELECT copy, target, parts, state FROM move_state WHERE id = 1").
		Scan(&c.Copy, &c.Target, &c.Parts, &c.State)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // Not being claimed is an answer.
	}
	if err != nil {
		return nil, fmt.Errorf("read the claim: %w", err)
	}
	return &c, nil
}

// holdClaim makes a commit wait for those before it that hold the claim, be
// they of another process.
func holdClaim(ctx context.Context, tx *sqldb.Tx, on sqldb.Engine) error {
	text := "SELECT id FROM move_state WHERE id = 1"
	if on == sqldb.PostgreSQL {
		text += " FOR UPDATE"
	}
	var id int
	return tx.QueryRow(ctx, text).Scan(&id)
}

// Put writes the claim of a new copy, or of one that had only Begun. files are
// those of Set.
func Put(ctx context.Context, db *sqldb.DB, files fs.FS, c Claim) error {
	if err := db.Migrate(ctx, Set, files); err != nil {
		return err
	}
	err := db.Lane("move").Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO move_state (id, copy, target, parts, state, at) VALUES (1, $1, $2, $3, $4, $5)
			ON CONFLICT (id) DO UPDATE SET copy = excluded.copy, target = excluded.target, parts = excluded.parts,
				at = excluded.at WHERE move_state.state = $4`,
			c.Copy, c.Target, c.Parts, string(Begun), time.Now().UnixMicro())
		if err == nil && n == 0 {
			err = ErrNotEmpty
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("write the claim: %w", err)
	}
	return nil
}

// Empty returns ErrNotEmpty, naming the table, when a database has rows of the
// sets that are not in fresh, which has what their migrations put there. Tables
// may be missing.
func Empty(ctx context.Context, db, fresh *sqldb.DB, sets []string) error {
	there, err := existing(ctx, db, sets)
	if err != nil {
		return err
	}
	known, err := Tables(ctx, fresh, sets)
	if err != nil {
		return err
	}
	for _, name := range there {
		n, err := Rows(ctx, db, Table{Name: name})
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		if err := sameAsFresh(ctx, db, fresh, known, name, n); err != nil {
			return err
		}
	}
	return nil
}

// sameAsFresh wants the n rows of a table to be those of a fresh database.
func sameAsFresh(ctx context.Context, db, fresh *sqldb.DB, known []Table, name string, n int64) error {
	notEmpty := fmt.Errorf("%w: it has %d rows in %s", ErrNotEmpty, n, name)
	i := slices.IndexFunc(known, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return notEmpty
	}
	seeds, err := Rows(ctx, fresh, known[i])
	if err != nil {
		return err
	}
	if n > seeds {
		return notEmpty
	}
	if _, err = Compare(ctx, fresh, db, known[i], func(int) {}); errors.Is(err, ErrDiffers) {
		return notEmpty
	}
	return err
}

// existing returns the names of the tables of some sets.
func existing(ctx context.Context, db *sqldb.DB, sets []string) ([]string, error) {
	columns, err := readColumns(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	var all []string
	for _, c := range columns {
		if ofSet(c.table, sets) && (len(all) == 0 || all[len(all)-1] != c.table) {
			all = append(all, c.table)
		}
	}
	return all, nil
}

// Clear takes away what the migrations put into the tables, in the commit that
// makes the claim Copying, so that it is the source's rows that are there.
// fresh is as for Empty: ErrNotEmpty when there is more than that.
func Clear(ctx context.Context, db, fresh *sqldb.DB, tables []Table) error {
	seeds := make(map[string]int64)
	var names []string
	for _, t := range tables {
		n, err := Rows(ctx, fresh, t)
		if err != nil {
			return err
		}
		seeds[t.Name] = n
		names = append(names, t.Name)
	}
	err := db.Lane("move").Write(ctx, func(tx *sqldb.Tx) error {
		if db.Engine() == sqldb.PostgreSQL {
			if _, err := tx.Exec(ctx, "LOCK TABLE "+strings.Join(names, ", ")+" IN ACCESS EXCLUSIVE MODE"); err != nil {
				return err
			}
		}
		for i := range tables {
			name := tables[len(tables)-1-i].Name
			n, err := tx.Exec(ctx, "DELETE FROM "+name)
			if err != nil {
				return err
			}
			if n > seeds[name] {
				return fmt.Errorf("%w: it has %d rows in %s", ErrNotEmpty, n, name)
			}
		}
		return advance(ctx, tx, Begun, Copying)
	})
	if err != nil {
		return fmt.Errorf("clear the target: %w", err)
	}
	return nil
}

// Finish makes the claim Done and has PostgreSQL look at the tables, so that it
// plans its queries well from the first one on.
func Finish(ctx context.Context, db *sqldb.DB, tables []Table) error {
	if db.Engine() == sqldb.PostgreSQL {
		for _, t := range tables {
			err := db.Lane("move").Write(ctx, func(tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, "ANALYZE "+t.Name)
				return err
			})
			if err != nil {
				return fmt.Errorf("analyze %s: %w", t.Name, err)
			}
		}
	}
	err := db.Lane("move").Write(ctx, func(tx *sqldb.Tx) error { return advance(ctx, tx, Copying, Done) })
	if err != nil {
		return fmt.Errorf("finish the claim: %w", err)
	}
	return nil
}

func advance(ctx context.Context, tx *sqldb.Tx, from, to State) error {
	n, err := tx.Exec(ctx, "UPDATE move_state SET state = $1, at = $2 WHERE id = 1 AND state = $3",
		string(to), time.Now().UnixMicro(), string(from))
	if err == nil && n == 0 {
		err = fmt.Errorf("the claim is not %s", from)
	}
	return err
}
