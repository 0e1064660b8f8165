package datadir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"chatd/internal/platform/sqldb"
)

// RestoreDir is in a data directory from the first step of a restore to its
// last. Nothing is served as long as it is there.
const RestoreDir = "chatd.restore"

// RestoreConfig says what to restore, and where to.
type RestoreConfig struct {
	From string // a backup, or a data directory that no chatd uses
	To   string // missing, or empty
	// Renew is called with the copied database, before anybody else opens it,
	// so that what was given out after the backup is not mistaken for what
	// will be given out now.
	Renew func(context.Context, *sqldb.DB) error
	// Files lists what a data directory has in FilesDir; a backup knows it.
	Files    Files
	FilesDir string // where they get; FilesDir in To where it is empty
}

// Restore makes a data directory of a backup. It has the directory's lock from
// the first step on; one that was not restored to the end is neither opened
// nor taken for an empty one, and can be restored to again. Errors are one
// line that says what to do.
func Restore(ctx context.Context, cfg RestoreConfig) (Report, error) {
	from, err := embedded(cfg.From)
	if err != nil {
		return Report{}, err
	}
	defer from.Close() //nolint:errcheck // Only read.
	if err := from.lockShared(); err != nil {
		return Report{}, err
	}
	to, err := openEmpty(cfg.To, from.Path)
	if err != nil {
		return Report{}, err
	}
	defer to.Close() //nolint:errcheck // It lets go.
	bytes, files, err := to.fill(ctx, from, cfg)
	switch {
	case errors.Is(err, context.Canceled):
		return Report{}, fmt.Errorf("interrupted; what there is in %s is not finished", to.Path)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return Report{}, fmt.Errorf("%s: the disk is full: make room, or name another --data-dir", to.Path)
	case err != nil:
		return Report{}, err
	}
	r := Report{From: from.Path, To: to.Path, Bytes: bytes, Key: from.holdsKey(), Files: files}
	if note := from.marker.Backup; note != nil {
		r.Begun = note.Begun
	}
	return r, nil
}

// lockShared keeps a chatd from starting on the directory; error when one
// uses it. A backup has no lock and needs none.
func (d *Dir) lockShared() error {
	f, err := os.Open(filepath.Join(d.Path, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return dirError(d.Path, "cannot be read", err)
	}
	d.lock = f
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s is in use by a chatd; take a backup of it with `chatd backup`, and restore that", d.Path)
	}
	return nil
}

// openEmpty makes and locks the directory to restore to: one that is missing,
// empty, or has what a restore left that was killed.
func openEmpty(path, from string) (*Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	if liesIn(abs, from) {
		return nil, fmt.Errorf("data directory %s: is or lies in what is to be restored; name another --data-dir", abs)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, dirError(abs, "cannot be made", err)
	}
	d := &Dir{Path: abs}
	if err := d.openEmpty(); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dir) openEmpty() error {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return dirError(d.Path, "cannot be read", err)
	}
	if len(entries) > 0 && !hasEntry(entries, lockFile) { // which would be made
		if err := d.refuseUsed(entries); err != nil {
			return err
		}
	}
	if err := d.keepPrivate(); err != nil {
		return err
	}
	if err := d.takeLock(); err != nil {
		return err
	}
	if entries, err = os.ReadDir(d.Path); err != nil {
		return dirError(d.Path, "cannot be read", err)
	}
	return d.refuseUsed(entries)
}

func hasEntry(entries []os.DirEntry, name string) bool {
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == name })
}

// refuseUsed refuses a directory with anything in it that no restore has left.
func (d *Dir) refuseUsed(entries []os.DirEntry) error {
	again := hasEntry(entries, RestoreDir)
	for _, e := range entries {
		switch name := e.Name(); {
		case name == lockFile, name == "lost+found", again && (name == RestoreDir || ofBackup(name)):
		default:
			return fmt.Errorf("data directory %s: is not empty; move it away, or name another --data-dir", d.Path)
		}
	}
	return nil
}

// fill brings what is in from here: whole and renewed in RestoreDir first, then
// to its places, the marker last.
func (d *Dir) fill(ctx context.Context, from *Dir, cfg RestoreConfig) (bytes int64, files FilesReport, err error) {
	place, err := d.beginFiles(cfg.FilesDir, from)
	if err != nil {
		return 0, files, err
	}
	staged := filepath.Join(d.Path, RestoreDir)
	if err := d.clear(staged); err != nil {
		return 0, files, err
	}
	for _, name := range from.marker.Holds {
		sum, err := from.copyOut(ctx, name, staged)
		if err != nil {
			return 0, files, err
		}
		bytes += sum.Size
	}
	if err := renew(ctx, filepath.Join(staged, DatabaseFile), cfg.Renew); err != nil {
		return 0, files, err
	}
	files, more, err := d.fillFiles(ctx, from, cfg.Files, place.stage)
	if err != nil {
		return 0, files, err
	}
	bytes += more
	if err := place.place(); err != nil {
		return 0, files, err
	}
	for _, name := range from.marker.Holds {
		if err := os.Rename(filepath.Join(staged, name), filepath.Join(d.Path, name)); err != nil {
			return 0, files, err
		}
	}
	if err := syncDir(d.Path); err != nil {
		return 0, files, err
	}
	if err := d.Hold(from.marker.Holds...); err != nil {
		return 0, files, err
	}
	if err := os.RemoveAll(staged); err != nil {
		return 0, files, err
	}
	return bytes, files, errors.Join(place.finish(), syncDir(d.Path))
}

// clear makes RestoreDir anew, on the disk before anything else is, and takes
// away what a restore that was killed has left.
func (d *Dir) clear(staged string) error {
	if err := os.Mkdir(staged, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return dirError(d.Path, "cannot be written", err)
	}
	if err := syncDir(d.Path); err != nil {
		return dirError(d.Path, "cannot be written", err)
	}
	for _, dir := range []string{staged, d.Path} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return dirError(d.Path, "cannot be read", err)
		}
		for _, e := range entries {
			if dir == d.Path && !ofBackup(e.Name()) {
				continue
			}
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return dirError(d.Path, "cannot be written", err)
			}
		}
	}
	return nil
}

// copyOut copies a file into dir. One of a backup must be as it was written; a
// database that is none may have a log.
func (d *Dir) copyOut(ctx context.Context, name, dir string) (fileSum, error) {
	sum, err := copyFile(ctx, filepath.Join(d.Path, name), filepath.Join(dir, name))
	if err != nil {
		return sum, err
	}
	if note := d.marker.Backup; note != nil {
		if sum != note.Files[name] {
			return sum, fmt.Errorf("%s is not as it was written: the backup is damaged; restore another", filepath.Join(d.Path, name))
		}
		return sum, nil
	}
	if name == DatabaseFile {
		_, err = copyFile(ctx, filepath.Join(d.Path, name+"-wal"), filepath.Join(dir, name+"-wal"))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return sum, err
}

// renew has a copied database made fresh, checks it, and leaves it on the disk
// without a log.
func renew(ctx context.Context, path string, fresh func(context.Context, *sqldb.DB) error) error {
	db, err := sqldb.Open(ctx, sqldb.Config{Path: path})
	if err != nil {
		return err
	}
	err = fresh(ctx, db)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		return fmt.Errorf("%s keeps its log", path)
	}
	if err := sqldb.Verify(ctx, path); err != nil {
		return err
	}
	return syncFile(path)
}

// copyFile copies into a new file of mode 0600 and syncs it.
func copyFile(ctx context.Context, from, to string) (fileSum, error) {
	src, err := os.Open(from)
	if err != nil {
		return fileSum{}, err
	}
	defer src.Close() //nolint:errcheck // Only read.
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fileSum{}, err
	}
	sum, err := pour(ctx, src, dst)
	return sum, errors.Join(err, dst.Sync(), dst.Close())
}

func sumOf(ctx context.Context, path string) (fileSum, error) {
	f, err := os.Open(path)
	if err != nil {
		return fileSum{}, err
	}
	defer f.Close() //nolint:errcheck // Only read.
	return pour(ctx, f, io.Discard)
}

// pour copies until the end of from, or of ctx.
func pour(ctx context.Context, from io.Reader, to io.Writer) (fileSum, error) {
	hash := sha256.New()
	var size int64
	for both := io.MultiWriter(to, hash); ; {
		n, err := io.CopyN(both, from, 1<<20)
		size += n
		switch {
		case errors.Is(err, io.EOF):
			return fileSum{size, hex.EncodeToString(hash.Sum(nil))}, nil
		case err == nil:
			err = ctx.Err()
		}
		if err != nil {
			return fileSum{}, err
		}
	}
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
