package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// maxStatements bounds the statements that are kept prepared. Texts are
// constants of the program, so it is a guard, not a tuning knob.
const maxStatements = 512

// Row is the first row of a query.
type Row interface {
	// Scan copies the columns; sql.ErrNoRows when there is no row.
	Scan(dest ...any) error
}

// Rows are the rows of a query. They must be closed.
type Rows struct {
	*sql.Rows
	db     *DB
	cancel context.CancelFunc
	failed func(error) error
}

// Scan copies the columns of the row that Next came to.
func (r *Rows) Scan(dest ...any) error { return r.db.translate(r.Rows.Scan(dest...)) }

// Err says why Next returned false, when it was not the end.
func (r *Rows) Err() error {
	err := r.db.translate(r.Rows.Err())
	if r.failed != nil {
		return r.failed(err)
	}
	return err
}

// Close ends the query; it may be called again.
func (r *Rows) Close() error {
	err := r.Rows.Close()
	if r.cancel != nil {
		r.cancel()
	}
	return r.db.translate(err)
}

type row struct {
	db     *DB
	row    *sql.Row
	err    error
	cancel context.CancelFunc
	failed func(error) error
}

func (r *row) Scan(dest ...any) error {
	if r.cancel != nil {
		defer r.cancel()
	}
	if r.err != nil {
		return r.db.translate(r.err)
	}
	err := r.db.translate(r.row.Scan(dest...))
	if r.failed != nil {
		return r.failed(err)
	}
	return err
}

// Collect reads all rows of a query, as in
//
//	rows, err := q.Query(ctx, text)
//	return sqldb.Collect(rows, err, scanMember)
//
// and closes them.
func Collect[T any](rows *Rows, err error, scan func(Row) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err tells all.
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// prepared keeps statements by their text.
type prepared struct {
	mu   sync.RWMutex
	m    map[string]*sql.Stmt
	prep func(ctx context.Context, q string) (*sql.Stmt, error)
}

func newPrepared(prep func(context.Context, string) (*sql.Stmt, error)) *prepared {
	return &prepared{m: make(map[string]*sql.Stmt), prep: prep}
}

// get returns the statement of that text, or nil when it is not kept: because
// the driver does it itself, or because there are too many.
func (p *prepared) get(ctx context.Context, q string) (*sql.Stmt, error) {
	if p == nil {
		return nil, nil
	}
	p.mu.RLock()
	stmt, n := p.m[q], len(p.m)
	p.mu.RUnlock()
	if stmt != nil || n >= maxStatements {
		return stmt, nil
	}
	stmt, err := p.prep(ctx, q)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.m[q]; first != nil {
		_ = stmt.Close() //nolint:sqlclosecheck // The other is kept open.
		return first, nil
	}
	p.m[q] = stmt
	return stmt, nil
}

// close closes the statements of a session, which database/sql would leave
// open, and SQLite's connection with them.
func (p *prepared) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, stmt := range p.m {
		_ = stmt.Close()
	}
	clear(p.m)
}

// Tx is the transaction of a job. It is for the job's goroutine alone and ends
// with the job. Its statements run under the transaction's own time limit; the
// context given to them only carries values. A statement that fails fails the
// job: what follows is refused, and the job's error is that statement's unless
// the job returns another.
type Tx struct {
	*session
	ctx    context.Context //nolint:containedctx // The transaction's, not a caller's.
	jobs   int             // how many it is for: 1, or the items of a batch
	shared bool            // others are in the same transaction
	saved  bool            // a savepoint was taken
	failed error
	rows   *Rows // the last query's
	after  []func()
	undo   []func()
}

// AfterCommit has fn called once, after the commit and in the order of
// commits, before any caller of that commit is answered. It must not block,
// write or panic.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

// OnRollback has fn called once when what this job did is undone, whether for
// its own error or for the commit's. Functions run in reverse order. A job
// that is tried again registers again.
func (tx *Tx) OnRollback(fn func()) { tx.undo = append(tx.undo, fn) }

// Exec runs a statement and returns how many rows it changed.
//
//nolint:contextcheck // See Tx.
func (tx *Tx) Exec(_ context.Context, q string, args ...any) (int64, error) {
	if err := tx.before(q, true); err != nil {
		return 0, err
	}
	n, err := tx.exec(tx.ctx, q, args...)
	return n, tx.note(err)
}

// Query runs q in the transaction.
//
//nolint:contextcheck,rowserrcheck,sqlclosecheck // See Tx; and as DB.query.
func (tx *Tx) Query(_ context.Context, q string, args ...any) (*Rows, error) {
	if err := tx.before(q, false); err != nil {
		return nil, err
	}
	if _, err := tx.flush(tx.ctx); err != nil {
		return nil, tx.note(err)
	}
	stmt, err := tx.stmts.get(tx.ctx, q)
	var rows *sql.Rows
	switch {
	case err != nil:
	case stmt != nil:
		rows, err = stmt.QueryContext(tx.ctx, args...)
	default:
		rows, err = tx.conn.QueryContext(tx.ctx, q, args...)
	}
	if err != nil {
		return nil, tx.note(tx.db.translate(err))
	}
	tx.rows = &Rows{Rows: rows, db: tx.db, failed: tx.note}
	return tx.rows, nil
}

// QueryRow runs q in the transaction for its first row.
//
//nolint:contextcheck,sqlclosecheck // See Tx; and as DB.queryRow.
func (tx *Tx) QueryRow(_ context.Context, q string, args ...any) Row {
	if err := tx.before(q, false); err != nil {
		return &row{db: tx.db, err: err}
	}
	if _, err := tx.flush(tx.ctx); err != nil {
		return &row{db: tx.db, err: tx.note(err)}
	}
	stmt, err := tx.stmts.get(tx.ctx, q)
	r := &row{db: tx.db, err: tx.note(tx.db.translate(err)), failed: tx.note}
	switch {
	case err != nil:
	case stmt != nil:
		r.row = stmt.QueryRowContext(tx.ctx, args...)
	default:
		r.row = tx.conn.QueryRowContext(tx.ctx, q, args...)
	}
	return r
}

// before takes the savepoint when this is the first statement that another
// job of the same transaction could suffer from.
func (tx *Tx) before(q string, writes bool) error {
	if tx.failed != nil {
		return fmt.Errorf("after a failed statement: %w", tx.failed)
	}
	tx.closeRows()
	if !tx.shared || tx.saved {
		return nil
	}
	// A reading statement of SQLite spoils nothing when it fails.
	if tx.db.engine == SQLite && !writes && strings.HasPrefix(strings.TrimLeft(q, " \t\n"), "SELECT") {
		return nil
	}
	tx.saved = true
	_, err := tx.exec(tx.ctx, "SAVEPOINT job")
	return tx.note(err)
}

func (tx *Tx) note(err error) error {
	if err != nil && err != sql.ErrNoRows && tx.failed == nil { //nolint:errorlint // Scan returns it bare.
		tx.failed = err
	}
	return err
}

func (tx *Tx) closeRows() {
	if tx.rows != nil {
		_ = tx.rows.Close()
		tx.rows = nil
	}
}

// run calls fn and ends its part of the transaction. When it returns an error
// the part is undone, or, when that is fatal, the whole transaction must be.
func (tx *Tx) run(fn func(*Tx) error) (err error) {
	err = protect(tx, fn)
	tx.closeRows()
	if err == nil {
		err = tx.failed
	}
	if err == nil && tx.shared { // or what fails would be found by others
		_, err = tx.flush(tx.ctx)
		_ = tx.note(err)
	}
	if err == nil {
		if tx.saved {
			_, err = tx.exec(tx.ctx, "RELEASE job")
			return tx.note(err)
		}
		return nil
	}
	if tx.saved && !fatal(tx.failed) {
		tx.pending = tx.pending[:0]
		if _, undone := tx.exec(tx.ctx, "ROLLBACK TO job"); undone != nil {
			tx.failed = unavailable(undone)
		} else if _, undone = tx.exec(tx.ctx, "RELEASE job"); undone != nil {
			tx.failed = unavailable(undone)
		}
	}
	return err
}

func protect(tx *Tx, fn func(*Tx) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in a database job: %v\n%s", v, debug.Stack())
		}
	}()
	return fn(tx)
}

// undone calls what was registered for this case, the last first.
func (tx *Tx) undone() {
	for _, fn := range slices.Backward(tx.undo) {
		tx.db.call(fn)
	}
	tx.after, tx.undo = nil, nil
}
