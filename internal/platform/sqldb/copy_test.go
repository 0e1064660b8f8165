package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"chatd/internal/platform/sqldb"
)

// filled is a database with n rows of about a page each.
func filled(t *testing.T, n int) (db *sqldb.DB, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "x.db")
	db, err := sqldb.Open(t.Context(), sqldb.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(t.Context(), "CREATE TABLE x (n INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"); err != nil {
			return err
		}
		for i := range n {
			if err := addPage(t.Context(), tx, i+1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, path
}

func addPage(ctx context.Context, tx *sqldb.Tx, n int) error {
	_, err := tx.Exec(ctx, "INSERT INTO x (n, text) VALUES ($1, $2)", n, strings.Repeat("x", 3000))
	return err
}

// rowsOf opens a copy and counts: rows, and the highest n.
func rowsOf(t *testing.T, path string) (count, last int) {
	t.Helper()
	if err := sqldb.Verify(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	db, err := sqldb.Open(t.Context(), sqldb.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(t.Context(), "SELECT count(*), max(n) FROM x").Scan(&count, &last); err != nil {
		t.Fatal(err)
	}
	return count, last
}

func TestACopyIsOneStateWithAllThatWasCommittedBefore(t *testing.T) {
	t.Parallel()
	const begin = 1500
	db, path := filled(t, begin)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	n := begin // committed
	committed := func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		for ctx.Err() == nil {
			next := committed() + 1
			if err := db.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error { return addPage(context.WithoutCancel(ctx), tx, next) }); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			n = next
			mu.Unlock()
		}
	})
	defer writing.Wait()
	defer cancel()
	for i := range 5 {
		to := filepath.Join(t.TempDir(), fmt.Sprint(i))
		before := committed()
		if err := sqldb.Copy(t.Context(), sqldb.CopyConfig{From: path, To: to}); err != nil {
			t.Fatal(err)
		}
		during := committed() - before
		if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		count, last := rowsOf(t, to)
		if count != last || last < before {
			t.Errorf("%d rows up to %d in the copy, %d committed before it", count, last, before)
		}
		t.Logf("%d rows, %d committed meanwhile", count, during)
	}
}

func TestACopyOfADatabaseThatNobodyHasOpenLeavesItAsItWas(t *testing.T) {
	t.Parallel()
	db, path := filled(t, 50)
	crashed := filepath.Join(t.TempDir(), "crashed.db") // with its log, as after kill -9
	for _, end := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(crashed+end, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{path, crashed} {
		before, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		log, _ := os.ReadFile(from + "-wal")
		to := filepath.Join(t.TempDir(), "copy.db")
		if err := sqldb.Copy(t.Context(), sqldb.CopyConfig{From: from, To: to}); err != nil {
			t.Fatal(err)
		}
		if count, _ := rowsOf(t, to); count != 50 {
			t.Errorf("%d rows", count)
		}
		after, _ := os.ReadFile(from)
		logAfter, _ := os.ReadFile(from + "-wal")
		if string(after) != string(before) || string(logAfter) != string(log) {
			t.Errorf("%s or its log has changed", from)
		}
		again, err := sqldb.Open(t.Context(), sqldb.Config{Path: from})
		if err != nil {
			t.Fatalf("opening what was copied: %v", err)
		}
		_ = again.Close()
	}
}

func TestACopyRefusesWhatIsDamagedAndWhatIsThere(t *testing.T) {
	t.Parallel()
	db, path := filled(t, 50)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, []byte("a diary"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sqldb.Copy(t.Context(), sqldb.CopyConfig{From: path, To: there}); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if b, _ := os.ReadFile(there); string(b) != "a diary" {
		t.Error("the file was changed")
	}
	if err := sqldb.Copy(t.Context(), sqldb.CopyConfig{From: filepath.Join(dir, "no.db"), To: filepath.Join(dir, "a")}); !errors.Is(err, sqldb.ErrCorrupt) {
		t.Errorf("of nothing: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sqldb.Copy(ctx, sqldb.CopyConfig{From: path, To: filepath.Join(dir, "b")}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut.db")
	if err := os.WriteFile(cut, content[:len(content)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sqldb.Copy(t.Context(), sqldb.CopyConfig{From: cut, To: filepath.Join(dir, "c")}); !errors.Is(err, sqldb.ErrCorrupt) {
		t.Errorf("of a file that is cut off: %v", err)
	}
	for i := 4096 * 10; i < 4096*12; i++ {
		content[i] = 0xff
	}
	spoilt := filepath.Join(dir, "spoilt.db")
	if err := os.WriteFile(spoilt, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sqldb.Verify(t.Context(), spoilt); !errors.Is(err, sqldb.ErrCorrupt) || !strings.Contains(err.Error(), spoilt) {
		t.Errorf("a spoilt file is verified: %v", err)
	}
}

func TestACopyGivesUpBeforeTheLogGrowsWithoutBound(t *testing.T) {
	t.Parallel()
	_, path := filled(t, 50)
	err := sqldb.Copy(t.Context(), sqldb.CopyConfig{From: path, To: filepath.Join(t.TempDir(), "copy"), MaxLog: 1})
	if !errors.Is(err, sqldb.ErrSlowCopy) {
		t.Error(err)
	}
}
