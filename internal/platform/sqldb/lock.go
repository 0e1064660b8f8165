package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"chatd/internal/platform/errs"
)

// Lock is held until Release, or until the process dies.
type Lock struct {
	db   *DB
	pool *sql.DB // SQLite: the lock file's own
	conn *sql.Conn
}

// TryLock takes the lock of that name for this process alone and says whether
// it had it: false when another holds it, or shares it. On PostgreSQL it is an
// advisory lock of the schema on a connection of its own; beside a SQLite file
// it is another, empty one, PATH.NAME.lock.
func (d *DB) TryLock(ctx context.Context, name string) (held *Lock, ok bool, err error) {
	return d.take(ctx, name, false)
}

// TryShare takes the lock of that name together with others who share it:
// false when somebody holds it alone.
func (d *DB) TryShare(ctx context.Context, name string) (held *Lock, ok bool, err error) {
	return d.take(ctx, name, true)
}

func (d *DB) take(ctx context.Context, name string, share bool) (held *Lock, ok bool, err error) {
	take := d.lockFile
	if d.engine == PostgreSQL {
		take = d.lockAdvisory
	}
	l, ok, err := take(ctx, name, share)
	if err != nil {
		err = fmt.Errorf("taking the lock %s: %w", name, d.translate(err))
	}
	if err != nil || !ok {
		if l != nil {
			l.Release()
		}
		return nil, false, err
	}
	return l, true, nil
}

func (d *DB) lockFile(ctx context.Context, name string, share bool) (*Lock, bool, error) {
	pool, err := sql.Open("sqlite", d.dsn(d.cfg.Path+"."+name+".lock", "_timeout=0"))
	if err != nil {
		return nil, false, err
	}
	l := &Lock{db: d, pool: pool}
	if l.conn, err = pool.Conn(ctx); err != nil {
		return l, false, err
	}
	text := "BEGIN EXCLUSIVE"
	if share {
		text = "BEGIN; SELECT count(*) FROM sqlite_schema"
	}
	_, err = l.conn.ExecContext(ctx, text)
	if busy(err) {
		return l, false, nil
	}
	return l, err == nil, err
}

// advisory is a number that the schema and a name share with nobody else.
const advisory = "hashtextextended('chatd ' || coalesce(current_schema(), '') || ' ' || $1, 0)"

func (d *DB) lockAdvisory(ctx context.Context, name string, share bool) (*Lock, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return nil, false, err
	}
	l, ok := &Lock{db: d, conn: conn}, false
	function := "pg_try_advisory_lock"
	if share {
		function = "pg_try_advisory_lock_shared"
	}
	err = conn.QueryRowContext(ctx, "SELECT "+function+"("+advisory+")", name).Scan(&ok)
	return l, ok, err
}

// Check says whether the lock is still held: errs.ErrUnavailable when the
// connection that held it is lost, and the lock with it.
func (l *Lock) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.db.cfg.Timeout)
	defer cancel()
	var one int
	if err := l.conn.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("checking a lock: %w", errors.Join(errs.ErrUnavailable, err))
	}
	return nil
}

// Release gives the lock up: when it has returned, another may take it, unless
// the connection is lost; then that ends the lock, when PostgreSQL notices.
//
//nolint:contextcheck,nolintlint // It releases when the caller's context has ended, too.
func (l *Lock) Release() {
	if l.conn != nil {
		if l.pool == nil {
			ctx, cancel := context.WithTimeout(context.Background(), rollbackTime)
			_, _ = l.conn.ExecContext(ctx, "SELECT pg_advisory_unlock_all()")
			cancel()
		}
		(&session{conn: l.conn}).release(true) // ending the session ends the lock
	}
	if l.pool != nil {
		_ = l.pool.Close()
	}
}
