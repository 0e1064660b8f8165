package sqldb_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/internal/platform/testenv"
)

func TestWritesAreSyncedUnlessRelaxed(t *testing.T) {
	t.Parallel()
	for relaxed, want := range map[bool]int{false: 2, true: 1} {
		db := sqldbtest.Open(t, sqldb.Config{Path: filepath.Join(t.TempDir(), "x.db"), Relaxed: relaxed})
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			for pragma, want := range map[string]int{"synchronous": want, "foreign_keys": 1, "busy_timeout": 5000} {
				var got int
				if err := tx.QueryRow(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil {
					return err
				}
				if got != want {
					t.Errorf("%s is %d", pragma, got)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if err := db.CheckDurable(t.Context()); errors.Is(err, sqldb.ErrNotDurable) != relaxed {
			t.Errorf("relaxed %v: %v", relaxed, err)
		}
	}
}

func TestTheFileIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a name with ? and % and #.db")
	setup(t, sqldbtest.Open(t, sqldb.Config{Path: path}))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", suffix, info, err)
		}
	}
}

func TestTheLogIsBoundedAfterALongReader(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db := sqldbtest.Open(t, sqldb.Config{Path: path, Relaxed: true})
	setup(t, db)
	size := func() int64 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	text := strings.Repeat("x", 1<<20)
	var id int64
	more := func(rows int) {
		t.Helper()
		for range rows {
			id++
			mustExec(t, db, "INSERT INTO things (id, name) VALUES ($1, $2)", id, text)
		}
	}
	more(40)
	if n := size(); n > 16<<20 {
		t.Errorf("with nobody reading the log has %d bytes", n)
	}
	err := db.Snapshot(t.Context(), func(q sqldb.Querier) error {
		var n int
		if err := q.QueryRow(t.Context(), "SELECT count(*) FROM things").Scan(&n); err != nil {
			return err
		}
		more(30)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := size(); n < 20<<20 {
		t.Fatalf("the reader did not hold the log back: %d bytes", n)
	}
	waitFor(func() bool { return size() <= 16<<20 }) // without any write
}

func TestAFullDiskRefusesAndHeals(t *testing.T) {
	t.Parallel()
	dir := testenv.SmallDisk(t, 8<<20)
	db := sqldbtest.Open(t, sqldb.Config{Path: filepath.Join(dir, "x.db")})
	l := setup(t, db)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 5<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var acked []int64
	text := strings.Repeat("x", 10_000)
	write := func(id int64) error {
		undone := false
		err := l.Write(t.Context(), func(tx *sqldb.Tx) error {
			tx.OnRollback(func() { undone = true })
			tx.AfterCommit(func() { acked = append(acked, id) })
			_, err := tx.Exec(t.Context(), "INSERT INTO things (id, name) VALUES ($1, $2)", id, text)
			return err
		})
		if undone != (err != nil) {
			t.Errorf("%d: undone %v with %v", id, undone, err)
		}
		return err
	}
	var id int64
	var err error
	for ; err == nil && id < 2000; id++ {
		err = write(id)
	}
	if !errors.Is(err, errs.ErrUnavailable) {
		t.Fatalf("a full disk gave %v after %d rows", err, id)
	}
	jobs := make([]func() error, 0, 5)
	for range 5 {
		id++
		jobs = append(jobs, func() error { return write(id) })
	}
	for _, err := range together(t, db, l, jobs...) {
		if !errors.Is(err, errs.ErrUnavailable) {
			t.Errorf("a group on a full disk: %v", err)
		}
	}
	if err := db.Ping(t.Context()); !errors.Is(err, errs.ErrUnavailable) {
		t.Errorf("pinged with %v", err)
	}
	if got := thingsOf(t, db); len(got) != len(acked) {
		t.Errorf("%d rows are read, %d were acknowledged", len(got), len(acked))
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	id++
	if err := write(id); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("pinged with %v", err)
	}
	if got := thingsOf(t, db); len(got) != len(acked) {
		t.Errorf("%d rows, %d acknowledged", len(got), len(acked))
	}
	var check string
	if err := db.QueryRow(t.Context(), "PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
		t.Errorf("integrity: %q, %v", check, err)
	}
}

func TestCloseLeavesNoFileOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db := sqldbtest.Open(t, sqldb.Config{Path: path})
	l := setup(t, db)
	for range 2 { // the second fails
		_ = l.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, 1) })
	}
	thingsOf(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !os.IsNotExist(err) {
		t.Errorf("the log was not moved into the file: %v", err)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	for _, fd := range open {
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(name, path) {
			t.Errorf("%s is still open", name)
		}
	}
}

func TestAnotherProgramsLockIsWaitedForThenTold(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db := sqldbtest.Open(t, sqldb.Config{Path: path, Timeout: 20e6})
	l := setup(t, db)
	other, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, 1) }); !errors.Is(err, errs.ErrUnavailable) {
		t.Errorf("while another writes: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, 1) }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
