package auth_test

import (
	"testing"

	"chatd/internal/auth"
	"chatd/internal/auth/authsql"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/migrations"
)

func open(t testing.TB, db *sqldb.DB) *authsql.Store {
	t.Helper()
	if err := db.Migrate(t.Context(), "auth", migrations.FS("auth")); err != nil {
		t.Fatal(err)
	}
	return authsql.New(db)
}

// each runs a test in a house of its own on every engine.
func each(t *testing.T, test func(t *testing.T, h *authtest.House), setup ...authtest.Setup) {
	t.Helper()
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		test(t, authtest.New(t, open(t, db), setup...))
	})
}

// setup builds one house, on SQLite.
func setup(t *testing.T, setup ...authtest.Setup) *authtest.House {
	t.Helper()
	return house(t, setup...)
}

func house(t testing.TB, setup ...authtest.Setup) *authtest.House {
	t.Helper()
	return houseIn(t, t.TempDir(), setup...)
}

func houseIn(t testing.TB, dir string, setup ...authtest.Setup) *authtest.House {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{Path: dir + "/auth.db", Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return authtest.New(t, open(t, db), setup...)
}

func field(err error) any {
	if e := errs.Of(err); e != nil {
		return e.Extensions()["field"]
	}
	return nil
}

func config(change func(*auth.Config)) authtest.Setup {
	return func(_ *auth.Deps, c *auth.Config) { change(c) }
}
