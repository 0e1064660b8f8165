package sqlmove

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"chatd/internal/platform/sqldb"
)

// Rows counts the rows of a table.
func Rows(ctx context.Context, db *sqldb.DB, t Table) (n int64, err error) {
	if err = db.QueryRow(ctx, "SELECT count(*) FROM "+t.Name).Scan(&n); err != nil {
		return 0, fmt.Errorf("count %s: %w", t.Name, err)
	}
	return n, nil
}

// Copy brings a table's rows over, those after the target's last one: all when
// it is empty, none when it has been called before to its end. Each batch is
// one commit that holds the target's claim. told hears of the rows in each,
// after it.
func Copy(ctx context.Context, from, to *sqldb.DB, t Table, told func(rows int)) error {
	// A batch of a copy that was killed may still be on its way in the server.
	if err := to.Lane("move").Write(ctx, func(tx *sqldb.Tx) error { return holdClaim(ctx, tx, to.Engine()) }); err != nil {
		return fmt.Errorf("hold the claim: %w", err)
	}
	after, err := last(ctx, to, t)
	if err != nil {
		return err
	}
	src := &reader{db: from, table: &t, after: after}
	pages := make(chan page, 1)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return src.pages(ctx, pages) })
	g.Go(func() error {
		columns := t.names()
		for p := range pages {
			if p.err != nil {
				return p.err
			}
			err := to.Lane("move").Write(ctx, func(tx *sqldb.Tx) error {
				if err := holdClaim(ctx, tx, to.Engine()); err != nil {
					return err
				}
				return tx.CopyIn(ctx, t.Name, columns, p.rows)
			})
			if err != nil {
				return fmt.Errorf("write %s: %w", t.Name, err)
			}
			told(len(p.rows))
		}
		return nil
	})
	return g.Wait()
}

// last returns the key of the target's last row; nil when there is none.
func last(ctx context.Context, db *sqldb.DB, t Table) ([]any, error) {
	r := reader{db: db, table: &t}
	row := make([]any, len(t.Key))
	into := make([]any, len(row))
	var names []string
	for i, at := range t.Key {
		into[i] = &row[i]
		names = append(names, t.Columns[at].Name)
	}
	text := "SELECT " + strings.Join(names, ", ") + " FROM " + t.Name + " ORDER BY " + r.order(" DESC") + " LIMIT 1"
	err := db.QueryRow(ctx, text).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	for i, at := range t.Key {
		if err == nil {
			row[i], _, err = t.Columns[at].value(row[i])
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the end of %s: %w", t.Name, err)
	}
	return row, nil
}
