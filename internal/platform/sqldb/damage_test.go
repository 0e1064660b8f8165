package sqldb_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func TestADamagedFileIsNeverReplaced(t *testing.T) {
	t.Parallel()
	good := filepath.Join(t.TempDir(), "good.db")
	db := sqldbtest.Open(t, sqldb.Config{Path: good})
	setup(t, db)
	for id := range int64(500) {
		mustExec(t, db, "INSERT INTO things (id, name) VALUES ($1, $2)", id, strings.Repeat("x", 200))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"empty":          {},
		"cut in header":  whole[:50],
		"cut in a page":  whole[:6000],
		"last page gone": whole[:len(whole)-4096],
		"not a database": []byte(strings.Repeat("not a database at all\n", 500)),
		"header flipped": append([]byte{whole[0] ^ 1}, whole[1:]...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := sqldb.Open(context.Background(), sqldb.Config{Path: path})
			if err == nil {
				db.Close()
			}
			if !errors.Is(err, sqldb.ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("opened with %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(content) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
	t.Run("gone beside its log", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "x.db")
		if err := os.WriteFile(path+"-wal", whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sqldb.Open(context.Background(), sqldb.Config{Path: path}); !errors.Is(err, sqldb.ErrCorrupt) {
			t.Errorf("opened with %v", err)
		}
	})
	t.Run("damaged inside", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "x.db")
		content := []byte(string(whole))
		for i := 2 * 4096; i < len(content); i++ {
			content[i] ^= 0x55
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		db := sqldbtest.Open(t, sqldb.Config{Path: path})
		var n int
		err := db.QueryRow(t.Context(), "SELECT count(*) FROM things WHERE name > ''").Scan(&n)
		if !errors.Is(err, sqldb.ErrCorrupt) || !strings.Contains(err.Error(), path) {
			t.Errorf("read %d with %v", n, err)
		}
	})
}

func TestAnInterruptedFirstStartIsNoDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path+".new", []byte("half a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	setup(t, sqldbtest.Open(t, sqldb.Config{Path: path}))
	if _, err := os.Stat(path + ".new"); !os.IsNotExist(err) {
		t.Errorf("the unfinished file: %v", err)
	}
}

// copyOf copies the files of a database as a crash would leave them.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "x.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestADamagedLogIsNotPassedOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db := sqldbtest.Open(t, sqldb.Config{Path: path})
	l := setup(t, db)
	const rows = 12
	for id := range int64(rows) {
		err := l.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(t.Context(), "INSERT INTO things (id, name) VALUES ($1, $2)", id, strings.Repeat("x", 6000))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	crashed := copyOf(t, path)
	log, err := os.ReadFile(crashed + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	refused, intact, last := 0, 0, 0
	for at := 0; at < len(log); at++ {
		if at > 32+24 { // the log's header and the first frame's, then here and there
			at += 1021
		}
		if at >= len(log) {
			break
		}
		flipped := []byte(string(log))
		flipped[at] ^= 1 << (at % 8)
		if err := os.WriteFile(crashed+"-wal", flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		damaged := copyOf(t, crashed)
		db, err := sqldb.Open(context.Background(), sqldb.Config{Path: damaged})
		if err != nil {
			if !errors.Is(err, sqldb.ErrCorrupt) || !strings.Contains(err.Error(), damaged+"-wal") {
				t.Errorf("byte %d: %v", at, err)
			}
			refused++
			continue
		}
		switch n := len(thingsOf(t, db)); n {
		case rows:
			intact++
		case rows - 1: // cannot be told from a commit that a power cut spoilt
			last++
		default:
			t.Errorf("byte %d: %d of %d commits are left", at, n, rows)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d refused, %d intact, %d without the last commit", refused, intact, last)
	if refused < 20 {
		t.Errorf("only %d were refused", refused)
	}
}

func TestALogAfterACrashIsNoDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db := sqldbtest.Open(t, sqldb.Config{Path: path})
	setup(t, db)
	for id := range int64(300) { // the log begins anew over old frames
		mustExec(t, db, "INSERT INTO things (id, name) VALUES ($1, $2)", id, strings.Repeat("x", 20_000))
	}
	crashed := copyOf(t, path)
	log, err := os.ReadFile(crashed + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	// The last commit, half written, wherever the log ends.
	for cut := len(log); cut > len(log)-40_000; cut -= 1777 {
		if err := os.WriteFile(crashed+"-wal", log[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := sqldb.Open(context.Background(), sqldb.Config{Path: copyOf(t, crashed)})
		if err != nil {
			t.Errorf("cut at %d: %v", cut, err)
			continue
		}
		thingsOf(t, db)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
