package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"chatd/internal/platform/errs"
)

// ErrNotDurable says that the database answers a commit before it is safe.
var ErrNotDurable = errors.New("sqldb: commits are not durable")

func (d *DB) openPostgres(ctx context.Context) error {
	d.engine = PostgreSQL
	cfg, err := d.postgresConfig(d.cfg.Timeout)
	if err != nil {
		return err
	}
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(d.cfg.MaxConns)
	pool.SetMaxIdleConns(d.cfg.MaxConns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(time.Hour)
	d.pool, d.writer = pool, pool
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	if err := pool.PingContext(ctx); err != nil {
		return d.notConnected(cfg, err)
	}
	return d.fit(ctx, cfg)
}

// postgresPool opens the database with a limit on each statement (0: none).
func (d *DB) postgresPool(limit time.Duration) (*sql.DB, error) {
	cfg, err := d.postgresConfig(limit)
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*cfg), nil
}

// postgresConfig is what the URL says, with a limit on each statement (0:
// none). The server gives up a little before the caller does, so that the
// connection stays usable.
func (d *DB) postgresConfig(limit time.Duration) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(d.cfg.URL)
	if err != nil {
		return nil, unreadable(err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = d.cfg.ConnectTimeout
		dialer := net.Dialer{KeepAlive: 15 * time.Second, Timeout: d.cfg.ConnectTimeout}
		cfg.DialFunc = dialer.DialContext
	}
	set := func(name, value string) {
		if _, ok := cfg.RuntimeParams[name]; !ok {
			cfg.RuntimeParams[name] = value
		}
	}
	set("application_name", "chatd")
	if limit > 0 {
		set("statement_timeout", strconv.FormatInt((limit*9/10).Milliseconds(), 10))
		set("idle_in_transaction_session_timeout", strconv.FormatInt((2*limit).Milliseconds(), 10))
	}
	return cfg, nil
}

// writeAlone runs fn in a transaction of its own on PostgreSQL.
func (d *DB) writeAlone(ctx context.Context, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := retry(ctx, func() error { return d.tryAlone(ctx, fn) })
	if err != nil && ctx.Err() == nil && errors.Is(err, errs.ErrUnavailable) {
		d.counts.failed.Add(1)
	}
	return err
}

func (d *DB) tryAlone(caller context.Context, fn func(tx *Tx) error) error {
	wait, cancel := context.WithTimeout(caller, d.cfg.Timeout)
	defer cancel()
	s, err := d.beginNew(wait, "BEGIN ISOLATION LEVEL SERIALIZABLE")
	if err != nil {
		if caller.Err() != nil {
			return caller.Err()
		}
		return err
	}
	// What has begun is ended: pgx would close the connection.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), d.cfg.Timeout)
	defer cancel()
	tx := &Tx{session: s, ctx: ctx, jobs: 1}
	if err = tx.run(fn); err == nil {
		if _, err = s.exec(ctx, "COMMIT"); err == nil {
			d.committed([]*Tx{tx})
			s.release(false)
			return nil
		}
		err = fmt.Errorf("committing: %w", err)
	}
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
