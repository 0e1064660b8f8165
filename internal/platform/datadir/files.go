package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"chatd/internal/platform/sqldb"
)

// FilesDir has the files of which the database tells, where no other place is
// given, and in a backup.
const FilesDir = "files"

// Files lists the files that a database tells of, by their names under the
// directory that they lie in, with slashes. What a name stands for never
// changes: it is there whole or not at all.
type Files func(ctx context.Context, db *sqldb.DB) iter.Seq2[string, error]

// FilesReport tells of the files that were brought.
type FilesReport struct {
	Brought int
	Gone    int    // were deleted since the database was copied
	Lost    int    // are not there, though the database still tells of them
	Missing string // one of those that are lost, as a path
}

// takeFiles copies the files that the copied database tells of.
func (t *target) takeFiles(ctx context.Context, cfg BackupConfig, from *Dir, sums map[string]fileSum) (r FilesReport, err error) {
	if cfg.Files == nil {
		return r, nil
	}
	db, err := sqldb.OpenReader(ctx, filepath.Join(t.dir.Path, DatabaseFile), true)
	if err != nil {
		return r, err
	}
	defer db.Close() //nolint:errcheck // Only read.
	dir := cfg.FilesDir
	b := newBulk(filepath.Join(t.dir.Path, FilesDir))
	missing := make(map[string]bool)
	for name, err := range cfg.Files(ctx, db) {
		if err != nil {
			return r, fmt.Errorf("list the files: %w", err)
		}
		sum, err := b.bring(ctx, dir, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing[name] = true
			continue
		case err != nil:
			return r, err
		}
		sums[path.Join(FilesDir, name)] = sum
		r.Brought++
	}
	if err := b.finish(); err != nil {
		return r, err
	}
	return r, r.explain(ctx, cfg, from.Database(), missing)
}

// explain says of files that are not there whether they have been deleted: then
// the database that is in use does not tell of them any more.
func (r *FilesReport) explain(ctx context.Context, cfg BackupConfig, database string, missing map[string]bool) error {
	if len(missing) == 0 {
		return nil
	}
	now, err := sqldb.OpenReader(ctx, database, false)
	if err != nil {
		return err
	}
	defer now.Close() //nolint:errcheck // Only read.
	for name, err := range cfg.Files(ctx, now) {
		if err != nil {
			return fmt.Errorf("list the files: %w", err)
		}
		if missing[name] {
			r.Lost++
			r.Missing = filepath.Join(cfg.FilesDir, filepath.FromSlash(name))
		}
	}
	r.Gone = len(missing) - r.Lost
	if r.Lost > 0 && r.Brought == 0 {
		return fmt.Errorf("%s has none of the %d files that were uploaded; say by --files-dir where they are", cfg.FilesDir, r.Lost)
	}
	return nil
}

// hasFiles says whether a directory has files to restore; else they lie
// elsewhere, and stay there.
func (d *Dir) hasFiles() bool {
	if note := d.marker.Backup; note != nil {
		for name := range note.Files {
			if strings.HasPrefix(name, FilesDir+"/") {
				return true
			}
		}
		return false
	}
	info, err := os.Stat(filepath.Join(d.Path, FilesDir))
	return err == nil && info.IsDir()
}

// files lists what a directory has to restore, by their names in it, when its
// database is copied to staged.
func (d *Dir) files(ctx context.Context, list Files, staged string) iter.Seq2[string, error] {
	if !d.hasFiles() {
		return func(func(string, error) bool) {}
	}
	return func(yield func(string, error) bool) {
		if note := d.marker.Backup; note != nil {
			for _, name := range slices.Sorted(maps.Keys(note.Files)) {
				if under, ok := strings.CutPrefix(name, FilesDir+"/"); ok && !yield(under, nil) {
					return
				}
			}
			return
		}
		if list == nil {
			return
		}
		db, err := sqldb.OpenReader(ctx, staged, true)
		if err != nil {
			yield("", err)
			return
		}
		defer db.Close() //nolint:errcheck // Only read.
		for name, err := range list(ctx, db) {
			if !yield(name, err) {
				return
			}
		}
	}
}

// fillFiles brings the files of from into stage. Those of a backup must be as
// they were written.
func (d *Dir) fillFiles(ctx context.Context, from *Dir, list Files, stage string) (r FilesReport, bytes int64, err error) {
	b := newBulk(stage)
	dir := filepath.Join(from.Path, FilesDir)
	for name, err := range from.files(ctx, list, filepath.Join(d.Path, RestoreDir, DatabaseFile)) {
		if err != nil {
			return r, bytes, fmt.Errorf("list the files: %w", err)
		}
		sum, err := b.bring(ctx, dir, name)
		note := from.marker.Backup
		switch {
		case errors.Is(err, fs.ErrNotExist) && note == nil:
			r.Lost++
			r.Missing = filepath.Join(dir, filepath.FromSlash(name))
			continue
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return r, bytes, err
		case err != nil, note != nil && sum != note.Files[path.Join(FilesDir, name)]:
			return r, bytes, fmt.Errorf("%s is not as it was written: the backup is damaged; restore another", filepath.Join(dir, filepath.FromSlash(name)))
		}
		r.Brought++
		bytes += sum.Size
	}
	return r, bytes, b.finish()
}

// bulk copies many files into a directory, with its folders. Small ones are
// synced together: one by one each would wait for the disk.
type bulk struct {
	dir     string
	made    map[string]bool // folders
	waiting []string        // for being synced
}

const (
	bulkSmall = 1 << 20 // larger files are synced one by one
	bulkFiles = 1000    // that are synced together, so that other writers of the disk do not wait long
)

func newBulk(dir string) *bulk { return &bulk{dir: dir, made: make(map[string]bool)} }

// bring copies dir's file of that name; fs.ErrNotExist when there is none.
func (b *bulk) bring(ctx context.Context, dir, name string) (sum fileSum, err error) {
	local := filepath.FromSlash(name)
	if !filepath.IsLocal(local) {
		return sum, fmt.Errorf("%s: %q is no name of a file in it", dir, name)
	}
	src, err := os.Open(filepath.Join(dir, local))
	if err != nil {
		return sum, err
	}
	defer src.Close() //nolint:errcheck // Only read.
	to := filepath.Join(b.dir, local)
	if folder := filepath.Dir(to); !b.made[folder] {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return sum, err
		}
		b.made[folder] = true
	}
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return sum, err
	}
	sum, err = pour(ctx, src, dst)
	if err == nil && sum.Size > bulkSmall {
		err = dst.Sync()
	}
	if err = errors.Join(err, dst.Close()); err != nil {
		return sum, err
	}
	if b.waiting = append(b.waiting, to); len(b.waiting) == bulkFiles {
		err = b.sync()
	}
	return sum, err
}

func (b *bulk) sync() error {
	err := syncFiles(b.dir, b.waiting)
	b.waiting = b.waiting[:0]
	return err
}

// finish returns when all is on the disk, the folders' names too.
func (b *bulk) finish() error {
	if len(b.made) == 0 {
		return nil
	}
	if err := b.sync(); err != nil {
		return err
	}
	for folder := range b.made {
		if err := syncDir(folder); err != nil {
			return err
		}
	}
	return syncDir(b.dir)
}
