package datadir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestADirectoryThatIsMovedIsMarkedUntilItIsTakenBack(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	put(t, path, MarkerFile, `{"format":1,"holds":["chatd.db","secret.key"]}`)
	put(t, path, DatabaseFile, "x")
	put(t, path, "secret.key", "x")
	reopened := func() *Dir {
		t.Helper()
		d, err := OpenStopped(path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := reopened()
	if d.Move() != nil || d.CheckEmbedded() != nil || !d.HasKey() {
		t.Errorf("%+v, %v", d.Move(), d.CheckEmbedded())
	}
	if _, err := OpenStopped(path); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second one: %v", err)
	}
	mark := Move{Copy: "c", To: "postgres://db/chatd", Begun: time.Now().UTC().Truncate(time.Second)}
	if err := d.SetMove(&mark); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	if err := os.Rename(filepath.Join(path, DatabaseFile), filepath.Join(path, "away")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStopped(path); err == nil || !strings.Contains(err.Error(), "chatd.db is missing") {
		t.Errorf("the store is gone before all was copied: %v", err)
	}
	if err := os.Rename(filepath.Join(path, "away"), filepath.Join(path, DatabaseFile)); err != nil {
		t.Fatal(err)
	}

	served := open(t, path) // with PostgreSQL, for its key
	if err := served.Hold("new file"); err != nil {
		t.Fatal(err)
	}
	if err := served.CheckEmbedded(); err == nil || !strings.Contains(err.Error(), "is being moved to postgres://db/chatd") {
		t.Errorf("while it is copied: %v", err)
	}
	_ = served.Close()
	put(t, path, "new file", "x")
	d = reopened()
	if *d.Move() != mark {
		t.Errorf("the mark is %+v", d.Move())
	}
	mark.Done, mark.Target = mark.Begun, "t"
	if err := d.SetMove(&mark); err != nil {
		t.Fatal(err)
	}
	if err := d.CheckEmbedded(); err == nil || !strings.Contains(err.Error(), "was moved to postgres://db/chatd on") ||
		!strings.Contains(err.Error(), "--undo") || strings.Contains(err.Error(), "\n") {
		t.Errorf("afterwards: %v", err)
	}
	_ = d.Close()
	if err := os.Remove(filepath.Join(path, DatabaseFile)); err != nil {
		t.Fatal(err)
	}
	d = reopened()
	if d.CheckDatabase() == nil {
		t.Error("the store is not missed")
	}
	_ = d.Close()
	put(t, path, DatabaseFile, "x")
	d = reopened()
	if err := d.SetMove(nil); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	if d = reopened(); d.CheckEmbedded() != nil {
		t.Error(d.CheckEmbedded())
	}
}

func TestADirectoryWithoutAnEmbeddedStoreIsNotMoved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ marker, want string }{
		"none of chatd's":  {"", "no data directory"},
		"one without":      {`{"format":1,"holds":["secret.key"]}`, "no embedded store"},
		"a backup":         {`{"format":1,"holds":["chatd.db"],"backup":{}}`, "chatd restore"},
		"a damaged marker": {"{", "damaged"},
	} {
		path := t.TempDir()
		put(t, path, DatabaseFile, "x")
		if c.marker != "" {
			put(t, path, MarkerFile, c.marker)
		}
		if _, err := OpenStopped(path); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := OpenStopped(missing); err == nil {
		t.Error("a directory was made up")
	}
	if _, err := os.Lstat(missing); err == nil {
		t.Error("and left behind")
	}
}
