package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"chatd/internal/platform/dial"
	"chatd/internal/platform/errs"
)

// ErrNotDurable says that the database answers a commit before it is safe.
var ErrNotDurable = errors.New("sqldb: commits are not durable")

func (d *DB) openPostgres(ctx context.Context) error {
	d.engine = PostgreSQL
	pool, err := d.postgresPool(d.cfg.Timeout)
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(d.cfg.MaxConns)
	pool.SetMaxIdleConns(d.cfg.MaxConns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(time.Hour)
	d.pool, d.writer = pool, pool
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	if err := pool.PingContext(ctx); err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", d.translate(err))
	}
	return nil
}

// postgresPool opens the database with a limit on each statement (0: none).
// The server gives up a little before the caller does, so that the connection
// stays usable.
func (d *DB) postgresPool(limit time.Duration) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(d.cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("the PostgreSQL address: %w", err)
	}
	cfg.ConnectTimeout = cmp.Or(cfg.ConnectTimeout, d.cfg.ConnectTimeout)
	cfg.DialFunc = dial.Dialer(cfg.ConnectTimeout).DialContext
	set := func(name, value string) {
		if _, ok := cfg.RuntimeParams[name]; !ok {
			cfg.RuntimeParams[name] = value
		}
	}
	set("application_name", "chatd")
	// The server, too, notices that a node is gone, and gives up its locks.
	set("tcp_keepalives_idle", "15")
	set("tcp_keepalives_interval", "5")
	set("tcp_keepalives_count", "3")
	set("tcp_user_timeout", strconv.FormatInt(dial.Silence.Milliseconds(), 10))
	if limit > 0 {
		set("statement_timeout", strconv.FormatInt((limit*9/10).Milliseconds(), 10))
		set("idle_in_transaction_session_timeout", strconv.FormatInt((2*limit).Milliseconds(), 10))
	}
	return stdlib.OpenDB(*cfg, stdlib.OptionShouldPing(pingSoon)), nil
}

// pingTime is how long a connection that was idle may take to show that it
// lives. Connections that died together, in a network that has forgotten them,
// must not cost a caller his whole time each.
const pingTime = time.Second

// pingSoon asks a connection that was idle for a second whether it lives. That
// stdlib is to ask again says that it does not: it then finds it closed and
// takes another.
func pingSoon(ctx context.Context, p stdlib.ShouldPingParams) (again bool) {
	if p.IdleDuration <= time.Second {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	return p.Conn.Ping(ctx) != nil
}

// writeAlone runs fn in a transaction of its own on PostgreSQL.
func (d *DB) writeAlone(ctx context.Context, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	until := time.Now().Add(d.cfg.Timeout)
	wait, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	err := d.retry(wait, func() error { return d.tryAlone(ctx, until, fn) })
	if err != nil && ctx.Err() == nil && errors.Is(err, errs.ErrUnavailable) {
		d.counts.failed.Add(1)
	}
	return err
}

func (d *DB) tryAlone(caller context.Context, until time.Time, fn func(tx *Tx) error) error {
	wait, cancel := context.WithDeadline(caller, until)
	defer cancel()
	s, err := d.beginNew(wait, "BEGIN ISOLATION LEVEL SERIALIZABLE")
	if err != nil {
		if caller.Err() != nil {
			return caller.Err()
		}
		return err
	}
	// What has begun is ended: pgx would close the connection.
	ctx, cancel := context.WithDeadline(context.WithoutCancel(caller), until)
	defer cancel()
	tx := &Tx{session: s, ctx: ctx, jobs: 1}
	if err = tx.run(fn); err == nil {
		if err = s.commit(ctx); err == nil {
			d.committed([]*Tx{tx})
			s.release(false)
			return nil
		}
		err = fmt.Errorf("committing: %w", err)
	}
	s.pending = nil
	_, failed := s.exec(ctx, "ROLLBACK")
	s.release(failed != nil)
	tx.undone()
	return err
}

// CheckDurable returns ErrNotDurable, naming the setting, when PostgreSQL is
// set to answer before a commit is safe from a power cut. SQLite's own is
// Config.Relaxed.
func (d *DB) CheckDurable(ctx context.Context) error {
	if d.engine == SQLite {
		if d.cfg.Relaxed {
			return fmt.Errorf("%w: synchronous=NORMAL", ErrNotDurable)
		}
		return nil
	}
	for _, setting := range []string{"synchronous_commit", "fsync"} {
		var value string
		if err := d.QueryRow(ctx, "SHOW "+setting).Scan(&value); err != nil {
			return fmt.Errorf("reading %s: %w", setting, err)
		}
		if value == "off" {
			return fmt.Errorf("%w: %s=off", ErrNotDurable, setting)
		}
	}
	return nil
}
