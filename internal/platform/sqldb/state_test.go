package sqldb_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/migrations"
)

func threeSteps() fstest.MapFS {
	return fstest.MapFS{
		"0001_a.sql": step("CREATE TABLE a (n BIGINT)"),
		"0002_b.sql": step("CREATE TABLE b (n BIGINT)"),
		"0003_c.sql": {Data: []byte("-- +goose Up\nALTER TABLE a RENAME TO c;\nCREATE TABLE IF NOT EXISTS d (n BIGINT);\nDROP TABLE b;\n")},
	}
}

func TestTheStateOfASetIsTold(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		fsys := threeSteps()
		is := func(want sqldb.State) {
			t.Helper()
			if got, err := db.State(t.Context(), "auth", fsys); got != want || err != nil {
				t.Fatalf("%q, %v; wanted %q", got, err, want)
			}
		}
		is(sqldb.Absent)
		if got := tables(t, db); len(got) != 0 {
			t.Errorf("to ask has made %v", got)
		}
		third := fsys["0003_c.sql"]
		delete(fsys, "0003_c.sql")
		if err := db.Migrate(t.Context(), "auth", fsys); err != nil {
			t.Fatal(err)
		}
		is(sqldb.Current)
		fsys["0003_c.sql"] = third
		is(sqldb.Older)
		if err := db.Migrate(t.Context(), "auth", fsys); err != nil {
			t.Fatal(err)
		}
		is(sqldb.Current)
	})
}

func TestAHalfMigratedDatabaseIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ upTo, spoil, want string }{
		"a step was left out":             {"0003", "DELETE FROM auth_migrations WHERE version_id = 2", "step 2 of auth"},
		"a step was begun":                {"0003", "UPDATE auth_migrations SET is_applied = NOT is_applied WHERE version_id = 3", "step 3 of auth"},
		"a table is gone":                 {"0002", "DROP TABLE a", "its table a is not there"},
		"a renamed table is gone":         {"0003", "DROP TABLE c", "its table c is not there"},
		"a later step's table is there":   {"0002", "CREATE TABLE d (n BIGINT)", "a table d already"},
		"the mark is gone":                {"0003", "DROP TABLE auth_migrations", "a table c already"},
		"the mark is empty":               {"0001", "DELETE FROM auth_migrations WHERE version_id > 0", "a table a already"},
		"the tables were there before it": {"", "CREATE TABLE b (n BIGINT)", "a table b already"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
				upTo := threeSteps()
				for name := range upTo {
					if name[:4] > c.upTo {
						delete(upTo, name)
					}
				}
				if err := db.Migrate(t.Context(), "auth", upTo); err != nil {
					t.Fatal(err)
				}
				mustExec(t, db, c.spoil)
				before := strings.Join(tables(t, db), " ")
				_, err := db.State(t.Context(), "auth", threeSteps())
				migrated := db.Migrate(t.Context(), "auth", threeSteps())
				for _, err := range []error{err, migrated} {
					if !errors.Is(err, sqldb.ErrHalfMigrated) || !strings.Contains(err.Error(), c.want) {
						t.Errorf("%v, wanted %q", err, c.want)
					}
				}
				if after := strings.Join(tables(t, db), " "); after != before {
					t.Errorf("the tables were %s and are %s", before, after)
				}
			})
		})
	}
}

// State reads the tables' names out of the steps' text: what it finds there
// must be what chatd's own steps make.
func TestEachTableOfEachSetIsMissed(t *testing.T) {
	t.Parallel()
	for _, set := range []string{"auth", "user", "chat", "relay"} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
				fsys := migrations.FS(set)
				if err := db.Migrate(t.Context(), set, fsys); err != nil {
					t.Fatal(err)
				}
				made := tables(t, db)
				if len(made) == 0 {
					t.Fatal("it made no tables")
				}
				for _, table := range made {
					mustExec(t, db, "ALTER TABLE "+table+" RENAME TO kept")
					if _, err := db.State(t.Context(), set, fsys); !errors.Is(err, sqldb.ErrHalfMigrated) || !strings.Contains(err.Error(), table) {
						t.Errorf("without %s: %v", table, err)
					}
					mustExec(t, db, "ALTER TABLE kept RENAME TO "+table)
				}
				if state, err := db.State(t.Context(), set, fsys); state != sqldb.Current || err != nil {
					t.Errorf("with all of them: %s, %v", state, err)
				}
			})
		})
	}
}
