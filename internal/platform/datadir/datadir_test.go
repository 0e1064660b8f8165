package datadir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"chatd/internal/platform/testenv"
)

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAMissingDataDirectoryIsMadeForItsUserAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b")
	open(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatal(info.Mode(), err)
	}
}

func TestADataDirectoryInUseIsRefusedWithThePid(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	first := open(t, path)
	_, err := Open(path)
	if want := fmt.Sprintf("in use by another chatd (pid %d)", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestADataDirectoryThatIsNotWholeIsRefusedAndNotTouched(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"of a newer chatd":              {map[string]string{MarkerFile: `{"format":2,"holds":[]}`, DatabaseFile: "x"}, "newer chatd (format 2"},
		"whose marker is damaged":       {map[string]string{MarkerFile: "{", DatabaseFile: "x"}, "chatd.json is damaged"},
		"whose marker is empty":         {map[string]string{MarkerFile: "", DatabaseFile: "x"}, "chatd.json is damaged"},
		"that lost its database":        {map[string]string{MarkerFile: `{"format":1,"holds":["chatd.db"]}`}, "chatd.db is missing"},
		"whose database is empty":       {map[string]string{MarkerFile: `{"format":1,"holds":["chatd.db"]}`, DatabaseFile: ""}, "chatd.db is empty"},
		"that lost its key":             {map[string]string{MarkerFile: `{"format":1,"holds":["secret.key"]}`}, "secret.key is missing"},
		"with a log but no database":    {map[string]string{DatabaseFile + "-wal": "x"}, "chatd.db is missing"},
		"with a log beside an unmarked": {map[string]string{DatabaseFile + "-wal": "x", DatabaseFile: ""}, "chatd.db is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			for file, text := range c.files {
				put(t, path, file, text)
			}
			_, err := Open(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Fatal(err)
			}
			for file, text := range c.files {
				if got, err := os.ReadFile(filepath.Join(path, file)); err != nil || string(got) != text {
					t.Errorf("%s was changed: %q, %v", file, got, err)
				}
			}
		})
	}
}

func TestWhatIsHeldMustBeThereTheNextTime(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d := open(t, path)
	put(t, path, DatabaseFile, "x")
	if err := d.Hold(DatabaseFile); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(path, DatabaseFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "restore it") {
		t.Fatal(err)
	}
}

func TestAFileInThePlaceOfTheDirectoryIsOneClearLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "file", "")
	_, err := Open(filepath.Join(dir, "file"))
	if err == nil || !strings.Contains(err.Error(), "name another --data-dir") {
		t.Fatal(err)
	}
}

func TestWhatToDoIsSaidForEveryUsualFailure(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		syscall.EACCES: "chown",
		syscall.EPERM:  "chown",
		syscall.EROFS:  "read-only",
		syscall.ENOSPC: "make room",
		syscall.EDQUOT: "make room",
	} {
		line := dirError("/data", "cannot be written", fmt.Errorf("open: %w", err)).Error()
		if !strings.Contains(line, want) || !strings.Contains(line, "/data") || strings.Contains(line, "\n") {
			t.Errorf("%v: %s", err, line)
		}
	}
}

func TestAFullDiskStopsANewDirectoryButNotOneWithData(t *testing.T) {
	t.Parallel()
	path := testenv.SmallDisk(t, 256<<10)
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "make room") {
		t.Fatal(err)
	}
	put(t, path, DatabaseFile, "x")
	put(t, path, MarkerFile, `{"format":1,"holds":["chatd.db"]}`)
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Full {
		t.Error("the full disk went unnoticed")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestAReadOnlyFileSystemIsOneClearLine(t *testing.T) {
	t.Parallel()
	path := testenv.SmallDisk(t, 256<<10)
	if err := syscall.Mount("", path, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		testenv.Missing(t, "mount", err.Error())
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Fatal(err)
	}
}
