package datadir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/datadir"
	"chatd/internal/platform/sqldb"
)

// served is a data directory in use, whose database names files.
type served struct {
	t     *testing.T
	path  string
	files string
	db    *sqldb.DB
}

func serve(t *testing.T, files string) *served {
	t.Helper()
	s := &served{t: t, path: filepath.Join(t.TempDir(), "data"), files: files}
	dir, err := datadir.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	if s.db, err = sqldb.Open(t.Context(), sqldb.Config{Path: dir.Database(), Relaxed: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	s.exec("CREATE TABLE named (name TEXT PRIMARY KEY NOT NULL) STRICT")
	if err := dir.Hold(datadir.DatabaseFile); err != nil {
		t.Fatal(err)
	}
	if s.files == "" {
		s.files = filepath.Join(s.path, datadir.FilesDir)
	}
	return s
}

func (s *served) exec(text string, args ...any) {
	s.t.Helper()
	err := s.db.Write(s.t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(s.t.Context(), text, args...)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// add adds a file, and has the database name it.
func (s *served) add(name, text string) {
	s.t.Helper()
	write(s.t, filepath.Join(s.files, name), text)
	s.exec("INSERT INTO named (name) VALUES ($1)", name)
}

// named lists what the database names.
func named(ctx context.Context, db *sqldb.DB) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		rows, err := db.Query(ctx, "SELECT name FROM named ORDER BY name")
		if err != nil {
			yield("", err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil || !yield(name, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield("", err)
		}
	}
}

func (s *served) backup(to string, list datadir.Files) (datadir.Report, error) {
	return datadir.Backup(s.t.Context(), datadir.BackupConfig{From: s.path, To: to, Relaxed: true, Files: list, FilesDir: s.files})
}

func restore(t *testing.T, from, to, files string) (datadir.Report, error) {
	t.Helper()
	return datadir.Restore(t.Context(), datadir.RestoreConfig{
		From: from, To: to, Files: named, FilesDir: files, Renew: func(context.Context, *sqldb.DB) error { return nil },
	})
}

// tree is what lies in a directory; "" where it is not there.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !e.IsDir() {
			text, err := os.ReadFile(path)
			fmt.Fprintf(&b, "%s=%s ", rel, text)
			return err
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return b.String()
}

func mustSay(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error with %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestABackupHasTheFilesThatItsDatabaseNames(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		t.Run(fmt.Sprintf("in a directory of their own %v", own), func(t *testing.T) {
			t.Parallel()
			place := func(name string) string {
				if own {
					return filepath.Join(t.TempDir(), name)
				}
				return ""
			}
			s := serve(t, place("files"))
			s.add("aa/1", "one")
			s.add("aa/1.thumbnail", "one, small")
			s.add("bb/2", "")
			s.add("bb/3", strings.Repeat("large", 500_000))
			write(t, filepath.Join(s.files, "incoming", "4"), "half of a")
			write(t, filepath.Join(s.files, "aa", "1.unfinished"), "half of a")
			to := filepath.Join(t.TempDir(), "backup")
			r, err := s.backup(to, named)
			if err != nil || r.Files != (datadir.FilesReport{Brought: 4}) || r.Bytes < 2_500_000 {
				t.Fatalf("%+v, %v", r, err)
			}
			want := "aa/1=one aa/1.thumbnail=one, small bb/2= bb/3=" + strings.Repeat("large", 500_000) + " "
			if got := tree(t, filepath.Join(to, datadir.FilesDir)); got != want {
				t.Errorf("in the backup: %.200s", got)
			}
			data, files := filepath.Join(t.TempDir(), "data"), place("restored")
			r, err = restore(t, to, data, files)
			if err != nil || r.Files != (datadir.FilesReport{Brought: 4}) || r.Bytes < 2_500_000 {
				t.Fatalf("%+v, %v", r, err)
			}
			if files == "" {
				files = filepath.Join(data, datadir.FilesDir)
			}
			if got := tree(t, files); got != want {
				t.Errorf("restored: %.200s", got)
			}
			if _, err := os.Lstat(filepath.Join(files, datadir.RestoreDir)); !errors.Is(err, fs.ErrNotExist) {
				t.Error("the mark of the restore is left")
			}
		})
	}
}

func TestFilesThatAreDeletedDuringABackupAreNoError(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	s.add("aa/1", "one")
	s.add("aa/2", "two")
	s.add("aa/3", "three")
	calls := 0
	r, err := s.backup(filepath.Join(t.TempDir(), "backup"), func(ctx context.Context, db *sqldb.DB) iter.Seq2[string, error] {
		if calls++; calls == 1 { // the database is copied
			s.exec("DELETE FROM named WHERE name = 'aa/2'")
			if err := os.Remove(filepath.Join(s.files, "aa/2")); err != nil {
				t.Error(err)
			}
		}
		return named(ctx, db)
	})
	if err != nil || r.Files != (datadir.FilesReport{Brought: 2, Gone: 1}) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestFilesThatAreLostAreTold(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	s.add("aa/1", "one")
	s.add("aa/2", "two")
	lost := filepath.Join(s.files, "aa", "2")
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	r, err := s.backup(filepath.Join(t.TempDir(), "backup"), named)
	if err != nil || r.Files != (datadir.FilesReport{Brought: 1, Lost: 1, Missing: lost}) {
		t.Errorf("%+v, %v", r, err)
	}
	s.files = filepath.Join(t.TempDir(), "elsewhere")
	to := filepath.Join(t.TempDir(), "backup")
	_, err = s.backup(to, named)
	mustSay(t, err, s.files, "none of the 2 files", "--files-dir")
	if got := tree(t, filepath.Dir(to)); got != "" {
		t.Errorf("it has left %s", got)
	}
	_, err = datadir.Backup(t.Context(), datadir.BackupConfig{From: s.path, To: filepath.Join(s.files, "in it"), Files: named, FilesDir: s.files})
	mustSay(t, err, "lies in the directory of files")
}

func TestADamagedFileOfABackupIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	s.add("aa/1", "one")
	s.add("aa/2", "two")
	for name, damage := range map[string]func(dir string) error{
		"another text": func(dir string) error { return os.WriteFile(filepath.Join(dir, "files/aa/2"), []byte("TWO"), 0o600) },
		"cut off":      func(dir string) error { return os.Truncate(filepath.Join(dir, "files/aa/2"), 2) },
		"gone":         func(dir string) error { return os.Remove(filepath.Join(dir, "files/aa/2")) },
		"a name that leads outside": func(dir string) error {
			path := filepath.Join(dir, datadir.MarkerFile)
			text, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, bytes.Replace(text, []byte(`"files/aa/2"`), []byte(`"files/../../aa/2"`), 1), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backup := filepath.Join(t.TempDir(), "backup")
			if _, err := s.backup(backup, named); err != nil {
				t.Fatal(err)
			}
			if err := damage(backup); err != nil {
				t.Fatal(err)
			}
			data := filepath.Join(t.TempDir(), "data")
			_, err := restore(t, backup, data, "")
			mustSay(t, err, filepath.Join(backup, "files"))
			if _, err := os.Lstat(filepath.Join(data, datadir.DatabaseFile)); !errors.Is(err, fs.ErrNotExist) {
				t.Error("it was restored all the same")
			}
		})
	}
}

func TestFilesAreRestoredToAnEmptyDirectoryAlone(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	s.add("aa/1", "one")
	backup := filepath.Join(t.TempDir(), "backup")
	if _, err := s.backup(backup, named); err != nil {
		t.Fatal(err)
	}
	files, data := filepath.Join(t.TempDir(), "files"), filepath.Join(t.TempDir(), "data")
	write(t, filepath.Join(files, "zz", "other"), "another's")
	_, err := restore(t, backup, data, files)
	mustSay(t, err, files, "not empty", "--files-dir")
	if got := tree(t, files); got != "zz/other=another's " {
		t.Errorf("it has %s", got)
	}
	for _, in := range []string{filepath.Join(backup, "x"), filepath.Join(data, "x")} {
		_, err := restore(t, backup, data, in)
		mustSay(t, err, "--files-dir")
	}
	// As a restore leaves it that is killed: marked, with some of the files.
	write(t, filepath.Join(files, datadir.RestoreDir, "aa", "1"), "on")
	for range 2 {
		if _, err = restore(t, backup, data, files); err != nil {
			t.Fatal(err)
		}
		if got := tree(t, files); got != "aa/1=one " {
			t.Errorf("it has %s", got)
		}
		// Killed after the last file was at its place, and before the database was.
		data = filepath.Join(t.TempDir(), "data")
		if err := errors.Join(os.MkdirAll(filepath.Join(data, datadir.RestoreDir), 0o700), os.Mkdir(filepath.Join(files, datadir.RestoreDir), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAStoppedDirectoryIsRestoredWithItsFiles(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	s.add("aa/1", "one")
	s.add("aa/2", "two")
	write(t, filepath.Join(s.files, "incoming", "4"), "half of a")
	if err := errors.Join(os.Remove(filepath.Join(s.files, "aa/2")), s.db.Close()); err != nil {
		t.Fatal(err)
	}
	copied, data := filepath.Join(t.TempDir(), "copied"), filepath.Join(t.TempDir(), "data")
	if err := errors.Join(os.CopyFS(copied, os.DirFS(s.path)), os.Chmod(copied, 0o700)); err != nil {
		t.Fatal(err)
	}
	r, err := restore(t, copied, data, "")
	if err != nil || r.Files.Brought != 1 || r.Files.Lost != 1 || r.Files.Missing != filepath.Join(copied, "files/aa/2") {
		t.Errorf("%+v, %v", r, err)
	}
	if got := tree(t, filepath.Join(data, "files")); got != "aa/1=one " {
		t.Errorf("it has %s", got)
	}
}

func TestTenThousandSmallFilesAreBackedUpInSeconds(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	const files = 10_000
	some := make([]string, 100) // the others are links to them, which are quickly made
	for i := range some {
		some[i] = filepath.Join(s.path, "some", fmt.Sprint(i))
		write(t, some[i], strings.Repeat("small", i*10))
	}
	err := s.db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for i := range files {
			name := fmt.Sprintf("%02x/%d", i%256, i)
			path := filepath.Join(s.files, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.Link(some[i%len(some)], path)); err != nil {
				return err
			}
			if _, err := tx.Exec(t.Context(), "INSERT INTO named (name) VALUES ($1)", name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "backup")
	begun := time.Now()
	r, err := s.backup(backup, named)
	took := time.Since(begun)
	if err != nil || r.Files.Brought != files {
		t.Fatalf("%+v, %v", r, err)
	}
	t.Logf("%d files, %d KiB: backed up in %v", files, r.Bytes>>10, took)
	if took > 2*time.Minute {
		t.Error("it takes for ever")
	}
	for i := 0; i < files; i += 97 {
		text, err := os.ReadFile(filepath.Join(backup, datadir.FilesDir, fmt.Sprintf("%02x/%d", i%256, i)))
		if want := strings.Repeat("small", i%len(some)*10); err != nil || string(text) != want {
			t.Errorf("file %d has %q, %v", i, text, err)
		}
	}
}
