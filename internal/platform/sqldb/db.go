package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/errs"
)

// Engine says which database stands behind a DB.
type Engine string

// The engines.
const (
	SQLite     Engine = "sqlite"
	PostgreSQL Engine = "postgres"
)

// Config says which database to open and how. Exactly one of Path and URL is
// set; all else has a default.
type Config struct {
	// Path is the SQLite file. Its directory must exist.
	Path string
	// URL is PostgreSQL's, as in postgres://user:secret@host:5432/name.
	// Anything pgx understands may stand in it and wins over this Config.
	URL string
	// Relaxed lets SQLite answer before the disk has the data
	// (synchronous=NORMAL): a power cut may then lose the last commits, but
	// never leaves the file damaged. PostgreSQL has its own setting for that.
	Relaxed bool
	// Beside says that another program has SQLite's file open and may write it
	// at any moment: its log is not looked through.
	Beside bool
	// MaxConns bounds the connections: PostgreSQL's pool (20), SQLite's
	// readers (4, at least 2).
	MaxConns int
	// Timeout bounds every read and write on PostgreSQL from the call to the
	// answer (5 s): waiting for others' commits and for a connection, the
	// making of one, and further tries included. It is also how long SQLite
	// waits for a lock of another program.
	Timeout time.Duration
	// ConnectTimeout bounds the making of a connection to PostgreSQL (3 s).
	ConnectTimeout time.Duration
	// Queue is how many jobs may wait in a lane (1024). Further callers wait
	// outside, each as long as its context allows.
	Queue int
	// Group is how many jobs one commit may hold (256).
	Group int
	// Log hears of what healed by itself; nothing is logged by default.
	Log zerolog.Logger
}

func (c Config) withDefaults() Config {
	conns := 20
	if c.URL == "" {
		conns = 4
	}
	c.MaxConns = cmp.Or(c.MaxConns, conns)
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 3*time.Second)
	c.Queue = cmp.Or(c.Queue, 1024)
	c.Group = cmp.Or(c.Group, 256)
	return c
}

// ErrClosed is what callers get whose DB has been closed.
var ErrClosed = fmt.Errorf("sqldb: closed: %w", errs.ErrUnavailable)

// DB is an open database. All methods may be called at once.
type DB struct {
	cfg    Config
	engine Engine
	server Server    // PostgreSQL
	pool   *sql.DB   // SQLite: the readers
	stmts  *prepared // SQLite: the readers' statements; nil where the driver keeps them
	// SQLite: room for snapshots, one less than there are readers. A snapshot
	// may need another reader to have a statement prepared; when snapshots held
	// all of them, each would wait for the others for ever.
	snapshots chan struct{}
	writer    *sql.DB // SQLite: the writer; PostgreSQL: the pool

	mu     sync.Mutex
	lanes  map[string]*Lane
	closed bool

	counts struct{ commits, jobs, failed, retries, reads atomic.Uint64 }
	sick   atomic.Pointer[error] // why the last group could not be committed
}

// Open opens the database and makes sure that it answers. SQLite's file is
// made when there is none, but never where there was one: a file that is
// damaged, or gone while its log is still there, is ErrCorrupt. PostgreSQL is
// asked what it is, all within Config.Timeout: ErrUnfit when it is not one to
// work on. Its errors are one line without secrets, and say what to do.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if (cfg.Path == "") == (cfg.URL == "") {
		return nil, errors.New("sqldb: exactly one of Path and URL must be set")
	}
	d := &DB{cfg: cfg.withDefaults(), lanes: make(map[string]*Lane)}
	open := d.openSQLite
	if cfg.URL != "" {
		open = d.openPostgres
	}
	if err := open(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Engine says which database this is.
func (d *DB) Engine() Engine { return d.engine }

// Querier reads: the DB itself (each query on its own), a snapshot, or the
// transaction of a job.
type Querier interface {
	// Query runs q. The rows must be closed before the next statement of the
	// same transaction or snapshot.
	Query(ctx context.Context, q string, args ...any) (*Rows, error)
	// QueryRow runs q for its first row; its errors come from Scan.
	QueryRow(ctx context.Context, q string, args ...any) Row
}

// Query runs q on a reader.
func (d *DB) Query(ctx context.Context, q string, args ...any) (*Rows, error) {
	ctx, cancel := d.limit(ctx)
	rows, err := d.query(ctx, nil, q, args)
	if err != nil {
		cancel()
		return nil, err
	}
	rows.cancel = cancel
	return rows, nil
}

// QueryRow runs q on a reader for its first row.
func (d *DB) QueryRow(ctx context.Context, q string, args ...any) Row {
	ctx, cancel := d.limit(ctx)
	r := d.queryRow(ctx, nil, q, args)
	r.cancel = cancel
	return r
}

// limit gives what asks PostgreSQL its time limit. SQLite's have none: reads
// wait for nobody, and writes for the disk.
func (d *DB) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if d.engine == SQLite {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d.cfg.Timeout)
}

//nolint:rowserrcheck,sqlclosecheck // Rows are checked by who reads them; statements stay prepared.
func (d *DB) query(ctx context.Context, tx *sql.Tx, q string, args []any) (*Rows, error) {
	d.counts.reads.Add(1)
	var rows *sql.Rows
	stmt, err := d.stmts.get(ctx, q)
	switch {
	case err != nil:
	case stmt != nil && tx != nil:
		rows, err = tx.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	case stmt != nil:
		rows, err = stmt.QueryContext(ctx, args...)
	case tx != nil:
		rows, err = tx.QueryContext(ctx, q, args...)
	default:
		rows, err = d.pool.QueryContext(ctx, q, args...)
	}
	if err != nil {
		return nil, d.translate(err)
	}
	return &Rows{Rows: rows, db: d}, nil
}

//nolint:sqlclosecheck // Statements stay prepared.
func (d *DB) queryRow(ctx context.Context, tx *sql.Tx, q string, args []any) *row {
	d.counts.reads.Add(1)
	stmt, err := d.stmts.get(ctx, q)
	r := &row{db: d, err: err}
	switch {
	case err != nil:
	case stmt != nil && tx != nil:
		r.row = tx.StmtContext(ctx, stmt).QueryRowContext(ctx, args...)
	case stmt != nil:
		r.row = stmt.QueryRowContext(ctx, args...)
	case tx != nil:
		r.row = tx.QueryRowContext(ctx, q, args...)
	default:
		r.row = d.pool.QueryRowContext(ctx, q, args...)
	}
	return r
}

// Snapshot lets fn read several times from one state of the database, which
// no writer changes meanwhile. It must be short: SQLite's log grows as long as
// it lasts, and it holds one of the readers. An error of fn is returned.
func (d *DB) Snapshot(ctx context.Context, fn func(q Querier) error) error {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	if d.engine == SQLite {
		select {
		case d.snapshots <- struct{}{}:
			defer func() { <-d.snapshots }()
		case <-ctx.Done():
			return fmt.Errorf("beginning a snapshot: %w", d.translate(ctx.Err()))
		}
	}
	opts := sql.TxOptions{ReadOnly: true}
	if d.engine == PostgreSQL {
		opts.Isolation = sql.LevelRepeatableRead
	}
	tx, err := d.pool.BeginTx(ctx, &opts)
	if err != nil {
		return fmt.Errorf("beginning a snapshot: %w", d.translate(err))
	}
	defer tx.Rollback() //nolint:errcheck // Nothing was written.
	return fn(snapshot{d, tx})
}

type snapshot struct {
	db *DB
	tx *sql.Tx
}

func (s snapshot) Query(ctx context.Context, q string, args ...any) (*Rows, error) {
	return s.db.query(ctx, s.tx, q, args)
}

func (s snapshot) QueryRow(ctx context.Context, q string, args ...any) Row {
	return s.db.queryRow(ctx, s.tx, q, args)
}

// Write runs fn in a transaction and returns after its commit, with nil, or
// after all that fn did is undone. fn runs on another goroutine (SQLite), not
// in ctx and perhaps more than once, so it sets its results anew each time; a
// panic in it comes back as an error. When ctx ends before fn has begun it
// never runs and ctx's error is returned; once begun, its end is waited for.
// fn must not call Write, Do or Migrate.
//
// PostgreSQL: a SERIALIZABLE transaction of its own, tried again on conflicts.
// SQLite: the same lane as all others.
func (d *DB) Write(ctx context.Context, fn func(tx *Tx) error) error {
	if d.engine == PostgreSQL {
		return d.writeAlone(ctx, fn)
	}
	return d.Lane("").Write(ctx, fn)
}

// Lane returns the lane of that name, the same one each time. On SQLite all
// names are one lane. The names are few and fixed: each is a goroutine and a
// connection of PostgreSQL's.
func (d *DB) Lane(name string) *Lane {
	if d.engine == SQLite {
		name = ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes[name]
	if l == nil {
		l = newLane(d)
		d.lanes[name] = l
		if d.closed {
			l.queue.close()
		}
		go l.run()
	}
	return l
}

// Ping says whether the database answers. When SQLite's last commit failed the
// disk must also take a megabyte, so that a full one shows.
func (d *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	var one int
	if err := d.QueryRow(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("pinging the database: %w", err)
	}
	if d.engine == SQLite && d.sick.Load() != nil {
		if err := d.probe(); err != nil {
			return fmt.Errorf("trying a write: %w", err)
		}
	}
	return nil
}

// Stats are the numbers since Open, over all lanes.
type Stats struct {
	Commits uint64 // groups committed
	Jobs    uint64 // jobs and items of batches in them
	Failed  uint64 // groups that could not be committed
	Retries uint64 // tries that another transaction got in the way of
	Reads   uint64 // queries outside of groups
	Queue   int    // jobs waiting now
	Conns   int    // connections open now
	Waits   int64  // how often a reader had to wait for a connection
}

// Stats returns the numbers of now.
func (d *DB) Stats() Stats {
	s := Stats{
		Commits: d.counts.commits.Load(),
		Jobs:    d.counts.jobs.Load(),
		Failed:  d.counts.failed.Load(),
		Retries: d.counts.retries.Load(),
		Reads:   d.counts.reads.Load(),
	}
	d.mu.Lock()
	for _, l := range d.lanes {
		s.Queue += l.queue.len()
	}
	d.mu.Unlock()
	p := d.pool.Stats()
	s.Conns, s.Waits = p.OpenConnections, p.WaitCount
	return s
}

// Close lets the jobs that wait be committed and closes all connections.
// Callers that come later get ErrClosed.
func (d *DB) Close() error {
	d.mu.Lock()
	d.closed = true
	lanes := make([]*Lane, 0, len(d.lanes))
	for _, l := range d.lanes {
		lanes = append(lanes, l)
	}
	d.mu.Unlock()
	for _, l := range lanes {
		l.close()
	}
	// The writer comes last: the last to go moves SQLite's log into the file.
	var err error
	if d.pool != nil {
		err = d.pool.Close()
	}
	if d.writer != nil && d.writer != d.pool {
		err = errors.Join(err, d.writer.Close())
	}
	return err
}
