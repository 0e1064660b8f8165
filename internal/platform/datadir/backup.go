package datadir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"chatd/internal/platform/keys"
	"chatd/internal/platform/sqldb"
)

// Unfinished ends the name of a backup that is being made beside its target.
const Unfinished = ".unfinished"

// backupNote is what a marker tells of a backup. A directory with it is not
// one to run on: its numbers of positions are those of the original, which
// has gone on with them.
type backupNote struct {
	Begun time.Time          `json:"begun"` // all that was acknowledged before is in it
	Files map[string]fileSum `json:"files"`
}

// fileSum tells a file from one that has been changed.
type fileSum struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func (n *backupNote) size() (bytes int64) {
	for _, sum := range n.Files {
		bytes += sum.Size
	}
	return bytes
}

// BackupConfig says what to back up, and where to.
type BackupConfig struct {
	From string // a data directory, in use or not
	To   string // must not exist; its parent must
	// Relaxed says that the database is written so, as in sqldb.Config.
	Relaxed bool
	// Files lists what of FilesDir is to be copied too; nil: nothing.
	Files    Files
	FilesDir string // FilesDir in From where it is empty
}

// Report tells what was backed up or restored.
type Report struct {
	From, To string // as absolute paths
	Bytes    int64
	Begun    time.Time // the backup; zero for a restore of what is none
	Key      bool      // the master key's file is in it
	Files    FilesReport
}

// Backup copies a data directory with an embedded store, with all that was
// committed before the call, and the files that it tells of then, but for those
// that are deleted meanwhile. The server that uses it does not notice. The copy
// is made in a directory beside To, which gets that name when all is on the
// disk and checked; after an error nothing is left of it. Errors are one line
// that says what to do.
func Backup(ctx context.Context, cfg BackupConfig) (Report, error) {
	begun := time.Now().UTC()
	from, err := embedded(cfg.From)
	if err != nil {
		return Report{}, err
	}
	if from.marker.Backup != nil {
		return Report{}, fmt.Errorf("%s is a backup itself; copy it as any directory", from.Path)
	}
	if cfg.FilesDir, err = filepath.Abs(cmp.Or(cfg.FilesDir, filepath.Join(from.Path, FilesDir))); err != nil {
		return Report{}, err
	}
	to, err := beginTarget(cfg.To, from.Path, cfg.FilesDir)
	if err != nil {
		return Report{}, err
	}
	defer to.discard()
	note := &backupNote{Begun: begun, Files: map[string]fileSum{}}
	for _, name := range from.marker.Holds {
		if note.Files[name], err = to.take(ctx, from, name, cfg.Relaxed); err != nil {
			return Report{}, to.refine(err)
		}
	}
	files, err := to.takeFiles(ctx, cfg, from, note.Files)
	if err != nil {
		return Report{}, to.refine(err)
	}
	if err := to.finish(marker{Format: from.marker.Format, Holds: from.marker.Holds, Backup: note}); err != nil {
		return Report{}, to.refine(err)
	}
	return Report{From: from.Path, To: to.path, Bytes: note.size(), Begun: begun, Key: from.holdsKey(), Files: files}, nil
}

func (d *Dir) holdsKey() bool { return slices.Contains(d.marker.Holds, keys.FileName) }

// embedded reads a data directory with an embedded store, without its lock: it
// may be another process's, which goes on.
func embedded(path string) (*Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	d := &Dir{Path: abs}
	if _, err := os.ReadDir(abs); err != nil {
		return nil, fmt.Errorf("data directory %s: cannot be read: %s", abs, reason(err))
	}
	if err := d.readMarker(); err != nil {
		return nil, err
	}
	switch {
	case d.marker.Format == 0:
		return nil, fmt.Errorf("%s is no data directory of chatd: it has no %s", abs, MarkerFile)
	case !slices.Contains(d.marker.Holds, DatabaseFile):
		return nil, fmt.Errorf("data directory %s: it has no embedded store; if the data is in PostgreSQL, back it up and restore it with PostgreSQL's own tools (docs/operations.md)", abs)
	}
	for _, name := range d.marker.Holds {
		if !filepath.IsLocal(name) || filepath.Base(name) != name {
			return nil, fmt.Errorf("data directory %s: %s is damaged: it names %q", abs, MarkerFile, name)
		}
	}
	return d, d.checkHolds()
}

// target is a backup that is being made.
type target struct {
	path string // that it gets
	dir  *Dir   // that it has now; its lock is the directory itself
}

// beginTarget makes the directory beside path, in the place of what an earlier
// try has left there.
func beginTarget(path, data, files string) (*target, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	t := &target{path: abs, dir: &Dir{Path: abs + Unfinished}}
	switch _, err := os.Lstat(abs); {
	case err == nil:
		return nil, fmt.Errorf("%s is there already; name a directory that is not", abs)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %s", abs, reason(err))
	case liesIn(abs, data):
		return nil, fmt.Errorf("%s lies in the data directory; name a place outside, best on another disk", abs)
	case liesIn(abs, files):
		return nil, fmt.Errorf("%s lies in the directory of files; name a place outside, best on another disk", abs)
	}
	if err := t.sweep(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Dir(abs)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not there: make it, or mount it", filepath.Dir(abs))
	}
	if err := os.Mkdir(t.dir.Path, 0o700); err != nil {
		return nil, fmt.Errorf("%s cannot be made: %s", t.dir.Path, reason(err))
	}
	if err := t.lock(); err != nil {
		return nil, err
	}
	return t, nil
}

// liesIn says whether path lies in dir, by the names that both really have.
func liesIn(path, dir string) bool {
	parent, name := filepath.Split(path)
	if real, err := filepath.EvalSymlinks(parent); err == nil {
		path = filepath.Join(real, name)
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// lock keeps other processes from sweeping what this one makes.
func (t *target) lock() error {
	f, err := os.Open(t.dir.Path)
	if err != nil {
		return fmt.Errorf("%s: %s", t.dir.Path, reason(err))
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return fmt.Errorf("another backup to %s is being made", t.path)
	}
	t.dir.lock = f
	return nil
}

// sweep takes away what a backup to the same target has left that was killed.
func (t *target) sweep() error {
	entries, err := os.ReadDir(t.dir.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %s", t.dir.Path, reason(err))
	}
	for _, e := range entries {
		if !ofBackup(e.Name()) {
			return fmt.Errorf("%s is in the way and has %s, which is no backup's; take it away, or name another target", t.dir.Path, e.Name())
		}
	}
	if err := t.lock(); err != nil {
		return err
	}
	err = os.RemoveAll(t.dir.Path)
	_ = t.dir.Close()
	t.dir.lock = nil
	if err != nil {
		return fmt.Errorf("%s cannot be removed: %s", t.dir.Path, reason(err))
	}
	return nil
}

// ofBackup says whether a backup makes a file of that name on its way.
func ofBackup(name string) bool {
	return name == FilesDir || slices.ContainsFunc([]string{DatabaseFile, keys.FileName, MarkerFile}, func(own string) bool {
		rest, ok := strings.CutPrefix(name, own)
		return ok && slices.Contains([]string{"", "-journal", "-wal", "-shm", ".new"}, rest)
	})
}

// take copies a file of the data directory: the database in one state that is
// checked, others as they are.
func (t *target) take(ctx context.Context, from *Dir, name string, relaxed bool) (fileSum, error) {
	src, dst := filepath.Join(from.Path, name), filepath.Join(t.dir.Path, name)
	if name != DatabaseFile {
		return copyFile(ctx, src, dst)
	}
	if err := sqldb.Copy(ctx, sqldb.CopyConfig{From: src, To: dst, Relaxed: relaxed}); err != nil {
		return fileSum{}, err
	}
	if err := sqldb.Verify(ctx, dst); err != nil {
		return fileSum{}, fmt.Errorf("the copy is not sound, so %s is not either: %w", src, err)
	}
	return sumOf(ctx, dst)
}

// finish writes the marker and gives the backup its name.
func (t *target) finish(m marker) error {
	if err := t.dir.writeMarker(m); err != nil {
		return err
	}
	if _, err := os.Lstat(t.path); err == nil {
		return fmt.Errorf("%s has come up meanwhile", t.path)
	}
	if err := os.Rename(t.dir.Path, t.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(t.path))
}

// discard takes away what is not finished.
func (t *target) discard() {
	_ = os.RemoveAll(t.dir.Path)
	_ = t.dir.Close()
}

// refine says what to do about an error on the way.
func (t *target) refine(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: the disk is full: make room, or name another place", t.path)
	case errors.Is(err, sqldb.ErrSlowCopy):
		return fmt.Errorf("%s: the disk is too slow beside what is written meanwhile: name a faster one, and copy from there (%w)", t.path, err)
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted; nothing is left of it")
	}
	return err
}

// reason is the system's word on a file, without the path.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}
