package sqldb

import (
	"context"
	"fmt"
)

// CheckExtension makes sure that an extension of PostgreSQL's own is there, or
// can be made by whoever this is: ErrUnfit, with what to do, when not. It makes
// nothing. SQLite needs none.
func (d *DB) CheckExtension(ctx context.Context, name string) error {
	if d.engine == SQLite {
		return nil
	}
	var there, known, may bool
	err := d.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = $1),
		EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = $1),
		has_database_privilege(current_database(), 'CREATE')`, name).Scan(&there, &known, &may)
	if err != nil {
		return fmt.Errorf("asking PostgreSQL for %s: %w", name, err)
	}
	if there || known && may {
		return nil
	}
	cfg, err := d.postgresConfig(0)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("the extension %s is not there, and the user may not make it; have the database's owner run: CREATE EXTENSION %[1]s;"+
		" or allow it: GRANT CREATE ON DATABASE %s TO %s", name, ident(cfg.Database), ident(cfg.User))
	if !known {
		what = fmt.Sprintf("the server does not have the extension %s; install it there (the package postgresql-contrib)", name)
	}
	return &refused{address(cfg) + ": " + what, ErrUnfit}
}
