package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/errs"
)

// begin is how PostgreSQL's transactions of a lane begin. A connection that
// has committed not longer ago than proven is taken to live: its next BEGIN
// goes out with the first statement, in one exchange.
const (
	begin  = "BEGIN"
	proven = time.Second
)

// session is a connection that is held for writing.
type session struct {
	db    *DB
	conn  *sql.Conn
	stmts *prepared // nil where the driver keeps them

	// PostgreSQL: statements that go out with the next that is waited for.
	pending []pending
	begun   bool      // a transaction is open at the server
	used    time.Time // when the server last ended one for us
}

func (d *DB) session(ctx context.Context) (*session, error) {
	conn, err := d.writer.Conn(ctx)
	if err != nil {
		return nil, d.translate(err)
	}
	s := &session{db: d, conn: conn}
	if d.engine == SQLite {
		s.stmts = newPrepared(conn.PrepareContext)
	}
	return s, nil
}

// exec runs a statement and returns how many rows it changed.
func (s *session) exec(ctx context.Context, q string, args ...any) (int64, error) {
	if len(s.pending) > 0 {
		s.pending = append(s.pending, pending{Question: Question{Text: q, Args: args}})
		return s.flush(ctx)
	}
	stmt, err := s.stmts.get(ctx, q) //nolint:sqlclosecheck // It stays prepared.
	if err != nil {
		return 0, s.db.translate(err)
	}
	var res sql.Result
	if stmt != nil {
		res, err = stmt.ExecContext(ctx, args...)
	} else {
		res, err = s.conn.ExecContext(ctx, q, args...)
	}
	if err != nil {
		return 0, s.db.translate(err)
	}
	n, err := res.RowsAffected()
	return n, s.db.translate(err)
}

// release gives the connection back, or throws it away when its state is not
// known.
func (s *session) release(broken bool) {
	s.stmts.close()
	if broken {
		_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = s.conn.Close()
}

// beginOn begins a group's transaction on s, or on a new connection when there
// is none or s has gone bad.
func (d *DB) beginOn(ctx context.Context, s *session) (*session, error) {
	text := begin
	if d.engine == SQLite {
		text = "BEGIN IMMEDIATE"
	}
	if s != nil && d.engine == PostgreSQL && time.Since(s.used) < proven {
		s.pending = append(s.pending[:0], pending{Question: Question{Text: text}})
		return s, nil
	}
	if s != nil {
		_, err := s.exec(ctx, text)
		if err == nil {
			s.begun = true
			return s, nil
		}
		s.release(true)
		if d.engine == SQLite && errors.Is(err, errs.ErrUnavailable) {
			return nil, fmt.Errorf("beginning a transaction: %w", err)
		}
	}
	return d.beginNew(ctx, text)
}

// beginNew begins on another connection. The idle ones may all have been lost
// together; where nothing has begun, the next can be tried.
func (d *DB) beginNew(ctx context.Context, text string) (s *session, err error) {
	for range 1 + d.cfg.MaxConns {
		if s, err = d.beginOnce(ctx, text); !errors.Is(err, driver.ErrBadConn) {
			break
		}
	}
	return s, err
}

func (d *DB) beginOnce(ctx context.Context, text string) (*session, error) {
	s, err := d.session(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	if _, err := s.exec(ctx, text); err != nil {
		s.release(true)
		return nil, fmt.Errorf("beginning a transaction: %w", err)
	}
	s.begun = true
	return s, nil
}

// commit ends the transaction well, if one has begun.
func (s *session) commit(ctx context.Context) error {
	if !s.begun && len(s.pending) == 1 { // the BEGIN, which nothing followed
		s.pending = s.pending[:0]
		return nil
	}
	_, err := s.exec(ctx, "COMMIT")
	if err == nil {
		s.begun, s.used = false, time.Now()
	}
	return err
}
