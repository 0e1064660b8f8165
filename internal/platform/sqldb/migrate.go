package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// migrateTime bounds the waiting for another node that migrates.
const migrateTime = 2 * time.Minute

// Migrate applies the steps of a set that the database does not have yet, each
// in a transaction of its own. fsys holds them at its root: NNNN_name.sql for
// every engine, NNNN_name.sqlite.sql or NNNN_name.postgres.sql instead of it
// for one, each with "-- +goose Up". What was applied stands in the table
// SET_migrations. A database in a state that State refuses is left alone, with
// State's error. Several nodes may call it at once on PostgreSQL. A database
// that is up to date costs a few queries.
func (d *DB) Migrate(ctx context.Context, set string, fsys fs.FS) error {
	steps, err := d.steps(fsys)
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", set, err)
	}
	state, err := d.state(ctx, set, steps)
	if err != nil || state == Current {
		return err
	}
	pool, done, err := d.migrationPool(ctx, set)
	if err != nil {
		return fmt.Errorf("migrating %s: %w", set, d.translate(err))
	}
	defer done()
	// Another node may have been here meanwhile.
	if state, err = d.state(ctx, set, steps); err != nil || state == Current {
		return err
	}
	dialect := goose.DialectSQLite3
	if d.engine == PostgreSQL {
		dialect = goose.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, pool, steps,
		goose.WithTableName(set+"_migrations"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", set, err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating %s: %w", set, d.translate(err))
	}
	return nil
}

// migrationPool returns connections for migrating, without a time limit on
// statements, and on PostgreSQL under a lock that no other node has.
func (d *DB) migrationPool(ctx context.Context, set string) (*sql.DB, func(), error) {
	if d.engine == SQLite {
		pool, err := d.sqlitePool("_txlock=immediate", 1)
		return pool, func() { _ = pool.Close() }, err
	}
	pool, err := d.postgresPool(0)
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = pool.Close() }
	ctx, cancel := context.WithTimeout(ctx, migrateTime)
	defer cancel()
	conn, err := pool.Conn(ctx)
	if err == nil {
		_, err = conn.ExecContext(ctx, "SELECT pg_advisory_lock("+advisory+")", "migrations of "+set)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return pool, func() {
		(&session{conn: conn}).release(true) // ending the session ends the lock
		done()
	}, nil
}

// steps are the files of a set that are for one engine.
type steps struct {
	fs.FS
	names []string
}

// steps picks each version's file: the engine's own, else the common one.
func (d *DB) steps(fsys fs.FS) (steps, error) {
	files, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return steps{}, err
	}
	own := make(map[int64]bool)
	kept := files[:0:0]
	for _, pass := range []string{string(d.engine), ""} {
		for _, name := range files {
			version, err := goose.NumericComponent(name)
			if err != nil {
				return steps{}, fmt.Errorf("%s: %w", name, err)
			}
			// NNNN_name.sql has no second extension.
			engine := strings.TrimPrefix(path.Ext(strings.TrimSuffix(name, ".sql")), ".")
			if engine != pass || own[version] && pass == "" {
				continue
			}
			own[version] = own[version] || pass != ""
			kept = append(kept, name)
		}
	}
	return steps{fsys, kept}, nil
}

// Glob is what goose asks for its files.
func (s steps) Glob(pattern string) ([]string, error) {
	var names []string
	for _, name := range s.names {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, err
		}
		if ok {
			names = append(names, name)
		}
	}
	return names, nil
}
