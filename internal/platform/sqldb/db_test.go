package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func yield() { runtime.Gosched() }

func TestASnapshotSeesOneState(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		setup(t, db)
		mustExec(t, db, "INSERT INTO things (id, name) VALUES (1, 'one')")
		err := db.Snapshot(t.Context(), func(q sqldb.Querier) error {
			if got := thingsOf(t, q); !slices.Equal(got, []int64{1}) {
				t.Errorf("first %v", got)
			}
			mustExec(t, db, "INSERT INTO things (id, name) VALUES (2, 'two')")
			if got := thingsOf(t, q); !slices.Equal(got, []int64{1}) {
				t.Errorf("then %v", got)
			}
			var name string
			if err := q.QueryRow(t.Context(), "SELECT name FROM things WHERE id = $1", int64(2)).Scan(&name); !errors.Is(err, sql.ErrNoRows) {
				t.Errorf("the new row: %v", err)
			}
			return errRefused
		})
		if !errors.Is(err, errRefused) {
			t.Errorf("its error came back as %v", err)
		}
		if got := thingsOf(t, db); !slices.Equal(got, []int64{1, 2}) {
			t.Errorf("afterwards %v", got)
		}
	})
}

func TestReadersDoNotWaitForAWriter(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		l := setup(t, db)
		err := l.Write(t.Context(), func(tx *sqldb.Tx) error {
			if err := add(tx, 1); err != nil {
				return err
			}
			if got := thingsOf(t, db); len(got) != 0 {
				t.Errorf("read what is not committed: %v", got)
			}
			if got := thingsOf(t, tx); len(got) != 1 {
				t.Errorf("the writer itself read %v", got)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := thingsOf(t, db); len(got) != 1 {
			t.Errorf("after the commit: %v", got)
		}
	})
}

func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t)
	setup(t, db)
	var id int64
	err := db.QueryRow(t.Context(), "INSERT INTO things (id, name) VALUES (1, '') RETURNING id").Scan(&id)
	if err == nil {
		t.Error("a reader wrote")
	}
}

func TestAUniqueViolationNamesItsKey(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		mustExec(t, db, "CREATE TABLE accounts (id BIGINT PRIMARY KEY, username TEXT NOT NULL UNIQUE, host TEXT NOT NULL, port BIGINT)")
		mustExec(t, db, "CREATE UNIQUE INDEX accounts_host_port_key ON accounts (host, port)")
		mustExec(t, db, "INSERT INTO accounts VALUES (1, 'ada', 'h', 1)")
		for part, text := range map[string]string{
			"username": "INSERT INTO accounts VALUES (2, 'ada', 'h', 2)",
			"port":     "INSERT INTO accounts VALUES (2, 'bob', 'h', 1)",
			"accounts": "INSERT INTO accounts VALUES (1, 'bob', 'h', 2)",
		} {
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				_, err := tx.Exec(t.Context(), text)
				return err
			})
			if !errors.Is(err, sqldb.ErrUnique) || !sqldb.UniqueOn(err, part) || sqldb.UniqueOn(err, "nothing") {
				t.Errorf("%s: %v", text, err)
			}
		}
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(t.Context(), "INSERT INTO accounts VALUES (2, NULL, 'h', 2)")
			return err
		})
		if err == nil || errors.Is(err, sqldb.ErrUnique) {
			t.Errorf("a missing value: %v", err)
		}
	})
}

func TestQueriesEndWithTheirContext(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var n int
		if err := db.QueryRow(ctx, "SELECT 1").Scan(&n); !errors.Is(err, context.Canceled) {
			t.Errorf("a row: %v", err)
		}
		if _, err := db.Query(ctx, "SELECT 1"); !errors.Is(err, context.Canceled) {
			t.Errorf("rows: %v", err)
		}
		if err := db.Write(ctx, func(*sqldb.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("a job: %v", err)
		}
	})
}

func TestMoreTextsThanAreKeptPreparedStillRun(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t)
	for i := range 600 {
		var n int
		if err := db.QueryRow(t.Context(), "SELECT "+strconv.Itoa(i)).Scan(&n); err != nil || n != i {
			t.Fatal(n, err)
		}
	}
}

func TestALockIsHeldByOne(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		held, ok, err := db.TryLock(t.Context(), "node")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if _, ok, err := db.TryLock(t.Context(), "node"); ok || err != nil {
			t.Errorf("taken twice: %v, %v", ok, err)
		}
		other, ok, err := db.TryLock(t.Context(), "another")
		if err != nil || !ok {
			t.Fatal("another name: ", ok, err)
		}
		other.Release()
		if err := held.Check(t.Context()); err != nil {
			t.Error(err)
		}
		held.Release()
		held, ok, err = db.TryLock(t.Context(), "node")
		if err != nil || !ok {
			t.Fatal("after its release: ", ok, err)
		}
		held.Release()
	})
}

func TestALockIsSharedByManyOrHeldByOne(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		var shared []*sqldb.Lock
		for range 3 {
			l, ok, err := db.TryShare(t.Context(), "node")
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			shared = append(shared, l)
		}
		for _, l := range shared {
			if _, ok, err := db.TryLock(t.Context(), "node"); ok || err != nil {
				t.Errorf("held by one beside others: %v, %v", ok, err)
			}
			l.Release()
		}
		alone, ok, err := db.TryLock(t.Context(), "node")
		if err != nil || !ok {
			t.Fatal("after all have gone: ", ok, err)
		}
		if _, ok, err := db.TryShare(t.Context(), "node"); ok || err != nil {
			t.Errorf("shared beside one: %v, %v", ok, err)
		}
		alone.Release()
	})
}

func TestPingAnswers(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		if err := db.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestExactlyOneDatabaseIsNamed(t *testing.T) {
	t.Parallel()
	for _, cfg := range []sqldb.Config{{}, {Path: "x", URL: "postgres:///"}} {
		if _, err := sqldb.Open(t.Context(), cfg); err == nil {
			t.Errorf("%+v was opened", cfg)
		}
	}
}
