package sqldb

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
)

// SQLite moves its log into the file after walPages pages, on the way of a
// commit. Readers can hold it back: beyond walLimit the committer insists, at
// most once in walEvery, waiting walPatience for them.
const (
	walPages    = 1000
	walLimit    = 16 << 20
	walEvery    = time.Second
	walPatience = 20 * time.Millisecond
)

func (d *DB) openSQLite(ctx context.Context) error {
	d.engine = SQLite
	if err := d.prepareFile(ctx); err != nil {
		return err
	}
	var err error
	if d.writer, err = d.sqlitePool("_txlock=immediate", 2); err != nil {
		return err
	}
	readers := max(2, d.cfg.MaxConns)
	if d.pool, err = d.sqlitePool("_query_only=1", readers); err != nil {
		return err
	}
	d.snapshots = make(chan struct{}, readers-1)
	d.stmts = newPrepared(d.pool.PrepareContext)
	var tables int
	if err := d.QueryRow(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return fmt.Errorf("opening %s: %w", d.cfg.Path, err)
	}
	return nil
}

// sqlitePool opens the file for one use. Page caches are small: the system
// keeps the file in memory, and each connection has its own.
func (d *DB) sqlitePool(use string, conns int) (*sql.DB, error) {
	synchronous := "FULL"
	if d.cfg.Relaxed {
		synchronous = "NORMAL"
	}
	dsn := d.dsn(d.cfg.Path, fmt.Sprintf(
		"_pragma=journal_mode(WAL)&_pragma=synchronous(%s)&_pragma=foreign_keys(1)"+
			"&_pragma=cache_size(-2000)&_pragma=temp_store(MEMORY)&_pragma=secure_delete(ON)"+
			"&_pragma=wal_autocheckpoint(%d)&_pragma=journal_size_limit(%d)&%s",
		synchronous, walPages, walLimit/2, use))
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", d.cfg.Path, err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}

func (d *DB) dsn(path, params string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	return fmt.Sprintf("%s?_busy_timeout=%d&_dqs=0&_defensive=1&%s", u.String(), d.cfg.Timeout.Milliseconds(), params)
}

// prepareFile refuses a file that SQLite would silently take for an empty
// database, and makes a new one so that it is never seen unfinished: then an
// empty file is not ours.
func (d *DB) prepareFile(ctx context.Context) error {
	path := d.cfg.Path
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d.createFile(ctx)
	}
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer f.Close() //nolint:errcheck // Only read.
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	if info.Size() == 0 {
		return fmt.Errorf("%w: %s is empty; remove it to start anew", ErrCorrupt, path)
	}
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		if d.cfg.Relaxed || d.cfg.Beside { // a power cut may leave any commit out; another may be writing it
			return nil
		}
		return checkLog(path + "-wal") // the file may rightly be behind its own header
	}
	var header [100]byte // https://www.sqlite.org/fileformat.html#the_database_header
	if _, err := f.ReadAt(header[:], 0); err != nil {
		return fmt.Errorf("%w: %s is cut off", ErrCorrupt, path)
	}
	page := int64(binary.BigEndian.Uint16(header[16:]))
	if page == 1 {
		page = 65536
	}
	if pages := int64(binary.BigEndian.Uint32(header[28:])); info.Size() < pages*page {
		return fmt.Errorf("%w: %s is cut off: %d bytes of %d", ErrCorrupt, path, info.Size(), pages*page)
	}
	return nil
}

func (d *DB) createFile(ctx context.Context) error {
	path := d.cfg.Path
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		return fmt.Errorf("%w: %s is gone, but its log %s-wal is there", ErrCorrupt, path, path)
	}
	unfinished := path + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("making the database: %w", err)
	}
	f, err := os.OpenFile(unfinished, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("making the database: %w", err)
	}
	defer f.Close() //nolint:errcheck // SQLite writes it.
	pool, err := sql.Open("sqlite", d.dsn(unfinished, "_pragma=synchronous(OFF)&_pragma=journal_mode(WAL)"))
	if err != nil {
		return fmt.Errorf("making the database: %w", err)
	}
	_, err = pool.ExecContext(ctx, "PRAGMA user_version = 1")
	if err = errors.Join(err, pool.Close(), f.Sync()); err != nil {
		return fmt.Errorf("making the database: %w", d.translate(err))
	}
	if err := os.Rename(unfinished, path); err != nil {
		return fmt.Errorf("making the database: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("making the database: %w", err)
	}
	defer dir.Close()      //nolint:errcheck // Only read.
	if dir.Sync() != nil { // not every system lets a directory be synced
		return nil
	}
	return nil
}

// probe says whether the disk takes more than a commit needs.
func (d *DB) probe() error {
	path := d.cfg.Path + ".probe"
	err := os.WriteFile(path, make([]byte, 1<<20), 0o600)
	if removed := os.Remove(path); err == nil {
		err = removed
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// wal keeps the log bounded.
type wal struct {
	path string
	next time.Time // when to look again
}

// tend is called between groups. It says how soon it must be called again when
// nothing is written; 0: not before the next group.
func (w *wal) tend(ctx context.Context, s *session) time.Duration {
	if wait := time.Until(w.next); wait > 0 {
		return wait
	}
	w.next = time.Now().Add(walEvery)
	info, err := os.Stat(w.path)
	if err != nil || info.Size() <= walLimit {
		return 0
	}
	var busy, pages, moved int
	for _, text := range []string{
		fmt.Sprintf("PRAGMA busy_timeout = %d", walPatience.Milliseconds()),
		"PRAGMA wal_checkpoint(TRUNCATE)",
		fmt.Sprintf("PRAGMA busy_timeout = %d", s.db.cfg.Timeout.Milliseconds()),
	} {
		if e := s.conn.QueryRowContext(ctx, text).Scan(&busy, &pages, &moved); e != nil && err == nil {
			err = e
		}
	}
	if info, err := os.Stat(w.path); err == nil && info.Size() <= walLimit {
		return 0
	}
	s.db.cfg.Log.Debug().Int("pages", pages).Int("moved", moved).Msg("readers hold the log back")
	return walEvery
}
