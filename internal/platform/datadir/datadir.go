package datadir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// What lies in a data directory beside what other parts keep there.
const (
	DatabaseFile = "chatd.db"   // the embedded store; SQLite adds -wal and -shm
	MarkerFile   = "chatd.json" // says that this is a data directory, and what must be in it
	lockFile     = "chatd.lock" // held by flock while a chatd uses the directory; its text is the pid
)

// ErrInUse says that another process has the directory.
var ErrInUse = errors.New("in use by another chatd")

// dataFormat numbers the layout of the directory. A chatd refuses a higher
// one than its own. The schema of the store has numbers of its own.
const dataFormat = 1

// Dir is a data directory that this process alone uses until Close.
type Dir struct {
	Path string
	// Full says that the disk has no room: the directory was used before and
	// can be read, but writes will fail until there is room again.
	Full   bool
	lock   *os.File
	marker marker
}

// marker is the text of MarkerFile.
type marker struct {
	Format int `json:"format"`
	// Holds names what was made here and must be here ever after. Without it
	// a lost database would silently become a fresh, empty one.
	Holds []string `json:"holds"`
	// Backup says that this is one; nil otherwise.
	Backup *backupNote `json:"backup,omitempty"`
	// Move says that the embedded store is being copied elsewhere, or was.
	Move *Move `json:"move,omitempty"`
}

// Open makes the directory where it is missing (mode 0700), locks it
// and checks that it is whole. Errors are one line that says what to do: the
// directory is another chatd's, of a newer chatd, has lost what it must hold,
// cannot be written, or is new and without room.
func Open(path string) (*Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, dirError(abs, "cannot be made", err)
	}
	d := &Dir{Path: abs}
	if err := d.open(); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dir) open() error {
	if err := d.keepPrivate(); err != nil {
		return err
	}
	if err := d.takeLock(); err != nil {
		return err
	}
	if err := d.readMarker(); err != nil {
		return err
	}
	if err := d.checkRestored(); err != nil {
		return err
	}
	if err := d.checkHolds(); err != nil {
		return err
	}
	return d.checkWritable()
}

// Database is the path of the embedded store's file.
func (d *Dir) Database() string { return filepath.Join(d.Path, DatabaseFile) }

// Hold writes down that the named files are here and must be from now on. It
// is called once they are whole: after the first migration, the first key.
func (d *Dir) Hold(names ...string) error {
	m := marker{Format: dataFormat, Holds: slices.Clone(d.marker.Holds), Move: d.marker.Move}
	for _, name := range names {
		if !slices.Contains(m.Holds, name) {
			m.Holds = append(m.Holds, name)
		}
	}
	if m.Format == d.marker.Format && len(m.Holds) == len(d.marker.Holds) {
		return nil
	}
	if err := d.writeMarker(m); err != nil {
		return dirError(d.Path, "cannot be written", err)
	}
	return nil
}

func (d *Dir) writeMarker(m marker) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("%s: %w", MarkerFile, err)
	}
	if err := d.replace(MarkerFile, append(text, '\n')); err != nil {
		return err
	}
	d.marker = m
	return nil
}

// Close gives the directory free.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	// Not by closing alone: a child that is just being made holds a copy of the
	// file until it runs its own program, and the lock with it.
	return errors.Join(syscall.Flock(int(d.lock.Fd()), syscall.LOCK_UN), d.lock.Close())
}

// keepPrivate takes the directory from others' eyes when it is chatd's alone:
// empty, or marked. An orchestrator's volume is often open to all, and not
// always ours to change; the files in it are 0600 in any case.
func (d *Dir) keepPrivate() error {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return dirError(d.Path, "cannot be read", err)
	}
	ours := len(entries) == 0 || slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == MarkerFile })
	if ours {
		_ = os.Chmod(d.Path, 0o700) //nolint:gosec // a directory needs its x
	}
	return nil
}

func (d *Dir) readMarker() error {
	file := filepath.Join(d.Path, MarkerFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return dirError(d.Path, "cannot be read", err)
	}
	var m marker
	if err := json.Unmarshal(text, &m); err != nil || m.Format < 1 {
		return fmt.Errorf("data directory %s: %s is damaged; restore it from a backup, or the whole directory", d.Path, file)
	}
	if m.Format > dataFormat {
		return fmt.Errorf("data directory %s: written by a newer chatd (format %d, this one knows %d); run that version or restore an earlier backup",
			d.Path, m.Format, dataFormat)
	}
	d.marker = m
	return nil
}

// checkRestored refuses what may not be served: a backup as it is, and a
// directory that was not restored to the end.
func (d *Dir) checkRestored() error {
	if d.marker.Backup != nil {
		return fmt.Errorf("data directory %s: is a backup; restore it with `chatd restore --from %s --data-dir DIR`, else clients miss messages", d.Path, d.Path)
	}
	if _, err := os.Lstat(filepath.Join(d.Path, RestoreDir)); err == nil {
		return fmt.Errorf("data directory %s: was not restored to the end; run `chatd restore` again", d.Path)
	}
	return nil
}

// takeLock locks lockFile. The kernel lets go of it when the process ends,
// however it ends, so that a stale lock cannot be.
func (d *Dir) takeLock() error {
	f, err := os.OpenFile(filepath.Join(d.Path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return dirError(d.Path, "cannot be written", err)
	}
	d.lock = f
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		pid := make([]byte, 20)
		n, _ := f.ReadAt(pid, 0)
		return fmt.Errorf("data directory %s: %w (pid %s); stop it, or name another --data-dir",
			d.Path, ErrInUse, bytes.TrimSpace(pid[:n]))
	}
	if err != nil {
		return dirError(d.Path, "cannot be locked", err)
	}
	// A full disk is told by checkWritable, which knows whether it matters.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return nil
}

// checkHolds refuses a directory that has lost something: what the marker
// names, or the database beside its own write-ahead log.
func (d *Dir) checkHolds() error {
	must := slices.Clone(d.marker.Holds)
	if d.marker.Move.done() { // what was copied may be thrown away
		must = slices.DeleteFunc(must, func(name string) bool { return name == DatabaseFile })
	} else if _, err := os.Stat(d.Database() + "-wal"); err == nil && !slices.Contains(must, DatabaseFile) {
		must = append(must, DatabaseFile)
	}
	for _, name := range must {
		info, err := os.Stat(filepath.Join(d.Path, name))
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return dirError(d.Path, "cannot be read", err)
		case err != nil:
			return fmt.Errorf("data directory %s: %s is missing; restore it from a backup, or name another --data-dir to begin anew", d.Path, name)
		case info.Size() == 0:
			return fmt.Errorf("data directory %s: %s is empty; restore it from a backup, or name another --data-dir to begin anew", d.Path, name)
		}
	}
	return nil
}

// room is what a new directory needs to be of use.
const room = 1 << 20 // bytes

// checkWritable writes and syncs a trial file. A full disk stops only a new
// directory: one with data can still be read.
func (d *Dir) checkWritable() error {
	err := d.replace("chatd.trial", make([]byte, room))
	_ = os.Remove(filepath.Join(d.Path, "chatd.trial"))
	if (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) && len(d.marker.Holds) > 0 {
		d.Full = true
		return nil
	}
	if err != nil {
		return dirError(d.Path, "cannot be written", err)
	}
	return nil
}

// replace writes a file so that after a crash the old or the new text is
// there, whole.
func (d *Dir) replace(name string, text []byte) error {
	path := filepath.Join(d.Path, name)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path + ".new")
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(d.Path)
}

// dirError says in one line what is wrong with the directory and what to do.
func dirError(path, what string, err error) error {
	todo := "look at the directory"
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		todo = "the disk is full: make room"
	case errors.Is(err, fs.ErrPermission):
		todo = "give it to the user that runs chatd (chown), or name another --data-dir"
	case errors.Is(err, syscall.EROFS):
		todo = "the file system is read-only: name another --data-dir"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		todo = "a file stands in its place: name another --data-dir"
	}
	return fmt.Errorf("data directory %s: %s: %s (%s)", path, what, todo, strings.ReplaceAll(err.Error(), "\n", "; "))
}
