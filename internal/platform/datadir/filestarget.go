package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// filesTarget is where a restore puts files: in the data directory, or in one of
// their own. There, too, a folder RestoreDir says that a restore has not come to
// its end.
type filesTarget struct {
	dir   string // that they get
	stage string // that they are in meanwhile; it vanishes
	own   bool   // it is not in the data directory
}

// beginFiles makes the place that files are brought to. A directory of their own
// must be missing, empty, or one that a restore has left; it is left alone when
// there are no files.
func (d *Dir) beginFiles(given string, from *Dir) (*filesTarget, error) {
	t := &filesTarget{dir: filepath.Join(d.Path, FilesDir), stage: filepath.Join(d.Path, RestoreDir, FilesDir)}
	if given == "" || !from.hasFiles() {
		return t, nil
	}
	abs, err := filepath.Abs(given)
	if err != nil || abs == t.dir {
		return t, err
	}
	if liesIn(abs, from.Path) || liesIn(abs, d.Path) || liesIn(d.Path, abs) {
		return nil, fmt.Errorf("files directory %s: must lie neither in what is restored nor in the data directory; name another --files-dir", abs)
	}
	t = &filesTarget{dir: abs, stage: filepath.Join(abs, RestoreDir), own: true}
	return t, t.begin()
}

func (t *filesTarget) begin() error {
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return t.told("cannot be made", err)
	}
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return t.told("cannot be read", err)
	}
	if !hasEntry(entries, RestoreDir) {
		for _, e := range entries {
			if e.Name() != "lost+found" {
				return fmt.Errorf("files directory %s: is not empty; move it away, or name another --files-dir", t.dir)
			}
		}
	}
	for _, e := range entries { // of a restore that was killed
		if e.Name() != "lost+found" && e.Name() != RestoreDir {
			err = errors.Join(err, os.RemoveAll(filepath.Join(t.dir, e.Name())))
		}
	}
	if err = errors.Join(err, emptied(t.stage)); err == nil {
		err = syncDir(t.dir)
	}
	if err != nil {
		return t.told("cannot be written", err)
	}
	return nil
}

// emptied makes a directory that is there and has nothing in it.
func emptied(path string) error {
	if err := os.Mkdir(path, 0o700); err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(path, e.Name())))
	}
	return err
}

func (t *filesTarget) told(what string, err error) error {
	return fmt.Errorf("files directory %s: %s: %s", t.dir, what, reason(err))
}

// place moves what was brought to its place.
func (t *filesTarget) place() error {
	if !t.own {
		err := os.Rename(t.stage, t.dir)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // there are none
		}
		return err
	}
	entries, err := os.ReadDir(t.stage)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(t.stage, e.Name()), filepath.Join(t.dir, e.Name())); err != nil {
			return err
		}
	}
	return syncDir(t.dir)
}

// finish takes the mark of a restore off.
func (t *filesTarget) finish() error {
	if !t.own {
		return nil
	}
	return errors.Join(os.RemoveAll(t.stage), syncDir(t.dir))
}
