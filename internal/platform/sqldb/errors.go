package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"chatd/internal/platform/errs"
)

var (
	// ErrUnique says that a row with the same unique key exists; the error is
	// a *UniqueError.
	ErrUnique = errors.New("sqldb: unique key violated")
	// ErrCorrupt says that the database is damaged. The error names the file.
	ErrCorrupt = errors.New("sqldb: the database is damaged")
	// ErrNewerSchema says that a newer program has migrated the database.
	ErrNewerSchema = errors.New("sqldb: the database belongs to a newer version of this program")
	// ErrHalfMigrated says that the tables are not what their mark says: part
	// of a step, or of a backup.
	ErrHalfMigrated = errors.New("sqldb: the database is half migrated, or half restored")
	// ErrUnfit says that the server is not one to work on: too old, one that
	// takes no writes, or one that withholds a right.
	ErrUnfit = errors.New("sqldb: the server cannot be worked on")
)

// UniqueError is a violation of a unique key.
type UniqueError struct {
	// Key is what the engine calls the key: its columns as "table.column"
	// (SQLite), or the constraint's name (PostgreSQL: table_column_key unless
	// the migration names it).
	Key   string
	cause error
}

func (e *UniqueError) Error() string { return ErrUnique.Error() + ": " + e.Key }

// Unwrap makes errors.Is(err, ErrUnique) hold.
func (e *UniqueError) Unwrap() []error { return []error{ErrUnique, e.cause} }

// UniqueOn says whether err is the violation of a unique key whose name, or
// one of whose columns, contains part.
func UniqueOn(err error, part string) bool {
	e, ok := errors.AsType[*UniqueError](err)
	return ok && strings.Contains(e.Key, part)
}

// translate makes the driver's error one of ours and keeps it as a cause.
func (d *DB) translate(err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) || errors.Is(err, errs.ErrUnavailable) {
		return err
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return d.translateSQLite(err, e)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return d.translatePostgres(err, e)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded), connectionLost(err),
		errors.Is(err, sql.ErrTxDone): // a snapshot's time was over between two of its statements
		return unavailable(err)
	}
	return err
}

func unavailable(cause error) error { return fmt.Errorf("%w: %w", errs.ErrUnavailable, cause) }

func connectionLost(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	return pgconn.SafeToRetry(err) || // "conn closed" and its like have no other mark
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded)
}

func (d *DB) translateSQLite(err error, e *sqlite.Error) error {
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		key := e.Error()
		if _, rest, ok := strings.Cut(key, "constraint failed: UNIQUE constraint failed: "); ok {
			key = rest
		}
		if i := strings.LastIndex(key, " ("); i >= 0 {
			key = key[:i]
		}
		return &UniqueError{Key: key, cause: err}
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, d.cfg.Path, err)
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_PERM, sqlite3.SQLITE_INTERRUPT:
		return unavailable(fmt.Errorf("%s: %w", d.cfg.Path, err))
	}
	return err
}

func (d *DB) translatePostgres(err error, e *pgconn.PgError) error {
	switch e.Code {
	case "23505":
		return &UniqueError{Key: e.ConstraintName, cause: err}
	case "XX001", "XX002":
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case "57014", // statement_timeout
		"55P03", // lock_timeout
		"25P03", // idle_in_transaction_session_timeout
		"25006": // a standby
		return unavailable(err)
	}
	switch e.Code[:2] {
	case "08", "40", "53", "57", "58": // connection, conflict, resources, operator, system
		return unavailable(err)
	}
	return err
}

// busy says whether another holds the lock of a SQLite file.
func busy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// conflict says whether another transaction was in the way, so that the same
// work may succeed when it is begun again.
func conflict(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}

// fatal says whether a statement's error has taken the whole transaction with
// it, not only the job that it was run for.
func fatal(err error) bool {
	return errors.Is(err, errs.ErrUnavailable) || errors.Is(err, ErrCorrupt)
}
