package sqldb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func oneStep(set string) fstest.MapFS {
	return fstest.MapFS{"0001_start.sql": {Data: fmt.Appendf(nil, `-- +goose Up
CREATE TABLE %[1]s_things (id BYTEA PRIMARY KEY, name TEXT NOT NULL UNIQUE, at BIGINT NOT NULL);
CREATE INDEX %[1]s_things_at ON %[1]s_things (at);
`, set)}}
}

func mustExec(t testing.TB, db *sqldb.DB, text string, args ...any) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), text, args...)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func tables(t *testing.T, db *sqldb.DB) []string {
	t.Helper()
	text := "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE '%_migrations' AND name NOT LIKE 'sqlite_%' ORDER BY name"
	if db.Engine() == sqldb.PostgreSQL {
		text = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT LIKE '%_migrations' ORDER BY tablename"
	}
	rows, err := db.Query(t.Context(), text)
	names, err := sqldb.Collect(rows, err, func(r sqldb.Row) (s string, err error) { return s, r.Scan(&s) })
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func step(text string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte("-- +goose Up\n" + text + ";\n")}
}

func TestStepsAreAppliedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		fsys := fstest.MapFS{"0001_a.sql": step("CREATE TABLE a (n BIGINT)")}
		for range 2 {
			if err := db.Migrate(t.Context(), "auth", fsys); err != nil {
				t.Fatal(err)
			}
		}
		fsys["0002_b.sql"] = step("ALTER TABLE a RENAME TO b")
		fsys["0010_c.sql"] = step("CREATE TABLE c (n BIGINT)")
		fsys[".keep"] = &fstest.MapFile{}
		if err := db.Migrate(t.Context(), "auth", fsys); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context(), "users", fstest.MapFS{"0001_d.sql": step("CREATE TABLE d (n BIGINT)")}); err != nil {
			t.Fatal("another set: ", err)
		}
		if err := db.Migrate(t.Context(), "chat", fstest.MapFS{".keep": {}}); err != nil {
			t.Fatal("an empty set: ", err)
		}
		if got := tables(t, db); !slices.Equal(got, []string{"b", "c", "d"}) {
			t.Errorf("tables %v", got)
		}
	})
}

func TestAnEngineHasItsOwnText(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		err := db.Migrate(t.Context(), "auth", fstest.MapFS{
			"0001_a.sql":          step("CREATE TABLE common (n BIGINT)"),
			"0001_a.postgres.sql": step("CREATE TABLE own_postgres (n BIGINT)"),
			"0001_a.sqlite.sql":   step("CREATE TABLE own_sqlite (n BIGINT)"),
			"0002_b.postgres.sql": step("CREATE TABLE only_postgres (n BIGINT)"),
			"0003_c.sql":          step("CREATE TABLE third (n BIGINT)"),
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"own_sqlite", "third"}
		if db.Engine() == sqldb.PostgreSQL {
			want = []string{"only_postgres", "own_postgres", "third"}
		}
		if got := tables(t, db); !slices.Equal(got, want) {
			t.Errorf("tables %v", got)
		}
	})
}

func TestANewerDatabaseIsLeftAlone(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		newer := fstest.MapFS{
			"0001_a.sql": step("CREATE TABLE a (n BIGINT)"),
			"0007_b.sql": step("CREATE TABLE b (n BIGINT)"),
		}
		if err := db.Migrate(t.Context(), "auth", newer); err != nil {
			t.Fatal(err)
		}
		delete(newer, "0007_b.sql")
		err := db.Migrate(t.Context(), "auth", newer)
		if !errors.Is(err, sqldb.ErrNewerSchema) || !strings.Contains(err.Error(), "version 7, this program knows 1") {
			t.Errorf("migrated with %v", err)
		}
	})
}

func TestAStepThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		fsys := fstest.MapFS{
			"0001_a.sql": step("CREATE TABLE a (n BIGINT)"),
			"0002_b.sql": step("CREATE TABLE b (n BIGINT); INSERT INTO nowhere VALUES (1)"),
		}
		if err := db.Migrate(t.Context(), "auth", fsys); err == nil {
			t.Fatal("a wrong step was applied")
		}
		if got := tables(t, db); !slices.Equal(got, []string{"a"}) {
			t.Errorf("tables %v", got)
		}
		fsys["0002_b.sql"] = step("CREATE TABLE b (n BIGINT)")
		if err := db.Migrate(t.Context(), "auth", fsys); err != nil {
			t.Errorf("put right: %v", err)
		}
	})
}

func TestSeveralNodesMayMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := sqldbtest.PostgresURL(t)
	var wg sync.WaitGroup
	for range 4 {
		db := sqldbtest.Open(t, sqldb.Config{URL: url, MaxConns: 2})
		wg.Go(func() {
			if err := db.Migrate(t.Context(), "auth", oneStep("auth")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
