package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// CopyConfig says which SQLite file to copy and where to.
type CopyConfig struct {
	From string // may be in use by this or another program
	To   string // must not exist; its directory must
	// Relaxed says that From is written so, as in Config.
	Relaxed bool
	// MaxLog is how far the log of From may grow, in bytes, because the copy
	// keeps one state of it (1 GiB, or the size of From where that is more).
	MaxLog int64
}

const (
	copyPages = 256 // at once; then the log is looked at
	copyLog   = 1 << 30
	// copySync is how many times copyPages are written before they are synced:
	// those who write wait for the disk beside it, and never for the whole file.
	copySync = 4
)

// A commit that is under way can look like damage. What is seen copyTries
// times, copyPause apart, is there.
const (
	copyTries = 5
	copyPause = 50 * time.Millisecond
)

// ErrSlowCopy says that a copy took so long that the log of the database grew
// beyond MaxLog.
var ErrSlowCopy = errors.New("sqldb: the copy is too slow for those who write")

// Copy writes one state of a database, with all that was committed before the
// call, into a new file of mode 0600 that is on the disk when Copy returns.
// Nobody waits for it: it reads as any reader does, through a connection that
// cannot write, so that the file and its log stay as they are even when it is
// the only one to have them open. The log cannot begin anew meanwhile.
//
// ErrCorrupt when From is damaged, ErrSlowCopy, and syscall.ENOSPC when there
// is no room for To. After an error To may be there in part.
func Copy(ctx context.Context, cfg CopyConfig) error {
	d := &DB{cfg: Config{Path: cfg.From, Relaxed: cfg.Relaxed}.withDefaults(), engine: SQLite}
	if err := d.seemsWhole(ctx); err != nil {
		return err
	}
	to, err := os.OpenFile(cfg.To, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	defer to.Close() //nolint:errcheck // SQLite writes it.
	pool, err := sql.Open("sqlite", d.dsn(cfg.From, "mode=ro&_pragma=cache_size(-2000)"))
	if err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	defer pool.Close() //nolint:errcheck // Only read.
	conn, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("copying the database: %w", d.translate(err))
	}
	defer conn.Close() //nolint:errcheck // Only read.
	// One transaction over all steps: else each commit makes SQLite begin anew.
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("copying the database: %w", d.translate(err))
	}
	defer tx.Rollback() //nolint:errcheck // Nothing was written.
	var tables int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return fmt.Errorf("copying the database: %w", d.translate(err))
	}
	err = conn.Raw(func(driver any) error { return d.copyPages(ctx, driver, cfg, to) })
	if err = errors.Join(err, ctx.Err()); err == nil {
		err = to.Sync()
	}
	if err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	return nil
}

// seemsWhole refuses what Open would, but for what passes.
func (d *DB) seemsWhole(ctx context.Context) error {
	if _, err := os.Stat(d.cfg.Path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is gone", ErrCorrupt, d.cfg.Path)
	}
	for n := 1; ; n++ {
		err := d.prepareFile(ctx)
		if !errors.Is(err, ErrCorrupt) || n == copyTries {
			return err
		}
		select {
		case <-time.After(copyPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *DB) copyPages(ctx context.Context, driver any, cfg CopyConfig, file *os.File) error {
	from, ok := driver.(interface {
		NewBackup(dst string) (*sqlite.Backup, error)
	})
	if !ok {
		return fmt.Errorf("the driver %T makes no copies", driver)
	}
	to := &DB{cfg: Config{Path: cfg.To}.withDefaults(), engine: SQLite}
	limit := cfg.MaxLog
	if info, err := os.Stat(cfg.From); err == nil {
		limit = cmp.Or(limit, max(copyLog, info.Size()))
	}
	// A copy that is not finished is nobody's, so nothing needs to be undone,
	// and Copy syncs it once.
	b, err := from.NewBackup(to.dsn(cfg.To, "_pragma=journal_mode(MEMORY)&_pragma=synchronous(OFF)"))
	if err != nil {
		return to.copyError(err)
	}
	more := true
	for n := 1; more && err == nil; n++ {
		if more, err = b.Step(copyPages); err != nil {
			break
		}
		if n%copySync == 0 {
			if err = file.Sync(); err != nil {
				break
			}
		}
		if log, _ := os.Stat(cfg.From + "-wal"); log != nil && log.Size() > limit {
			err = fmt.Errorf("%w: the log has grown to %d MiB", ErrSlowCopy, log.Size()>>20)
		} else {
			err = ctx.Err()
		}
	}
	if finished := b.Finish(); err == nil {
		err = finished
	}
	return to.copyError(err)
}

// copyError tells a full disk as other writers of files do.
func (d *DB) copyError(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == sqlite3.SQLITE_FULL {
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	return d.translate(err)
}

// Verify has SQLite check a whole file that nobody has open and that has no
// log: its structure, its keys and its references. ErrCorrupt when it is not
// sound.
func Verify(ctx context.Context, path string) error {
	d := &DB{cfg: Config{Path: path}.withDefaults(), engine: SQLite}
	pool, err := sql.Open("sqlite", d.dsn(path, "mode=ro&immutable=1"))
	if err != nil {
		return fmt.Errorf("checking the database: %w", err)
	}
	defer pool.Close() //nolint:errcheck // Only read.
	var said string
	if err := pool.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&said); err != nil {
		return fmt.Errorf("checking the database: %w", d.translate(err))
	}
	if said != "ok" {
		return fmt.Errorf("%w: %s: %s", ErrCorrupt, path, said)
	}
	var table string
	err = pool.QueryRowContext(ctx, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`).Scan(&table)
	switch {
	case err == nil:
		return fmt.Errorf("%w: %s: a row of %s refers to one that is not there", ErrCorrupt, path, table)
	case errors.Is(err, sql.ErrNoRows):
		return nil
	}
	return fmt.Errorf("checking the database: %w", d.translate(err))
}
