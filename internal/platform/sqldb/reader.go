package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// OpenReader opens an SQLite file that stays as it is: nothing can be written.
// It may be another program's, which goes on; still says that it is nobody's
// and has no log, as a copy, so that nothing is made beside it either. The file
// must be there.
func OpenReader(ctx context.Context, path string, still bool) (*DB, error) {
	d := &DB{cfg: Config{Path: path, MaxConns: 2}.withDefaults(), engine: SQLite, lanes: make(map[string]*Lane)}
	if err := d.seemsWhole(ctx); err != nil {
		return nil, err
	}
	params := "mode=ro&_query_only=1&_pragma=cache_size(-2000)"
	if still {
		params += "&immutable=1"
	}
	var err error
	if d.pool, err = sql.Open("sqlite", d.dsn(path, params)); err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	d.pool.SetMaxOpenConns(d.cfg.MaxConns)
	d.snapshots = make(chan struct{}, d.cfg.MaxConns-1)
	d.stmts = newPrepared(d.pool.PrepareContext)
	var tables int
	if err := d.QueryRow(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, errors.Join(err, d.Close()))
	}
	return d, nil
}
