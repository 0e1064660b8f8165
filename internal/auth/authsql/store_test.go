package authsql_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authsql"
	"chatd/internal/auth/authtest"
	"chatd/internal/auth/authv1"
	"chatd/internal/platform/ids"
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

func TestStore(t *testing.T) {
	t.Parallel()
	authtest.RunStore(t, func(t *testing.T, run func(*testing.T, authtest.Store)) {
		sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { run(t, open(t, db)) })
	})
}

func TestRelaysReadTheLogAsEnvelopes(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		store := open(t, db)
		at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
		n := auth.NewAccount{ID: ids.New[ids.User](), Username: "ada", EmailKey: "ada@example.org", CreatedAt: at}
		first := auth.Session{ID: ids.New[ids.Session](), User: n.ID, Refresh: auth.Refresh{Current: []byte("x")}}
		if _, err := store.CreateAccount(t.Context(), n, first); err != nil {
			t.Fatal(err)
		}
		events, last, err := store.Read(t.Context(), 0, 10)
		if err != nil || last != 1 || len(events) != 1 {
			t.Fatal(events, last, err)
		}
		e := events[0]
		if e.Name != authv1.AccountRegisteredName || e.Topic != "auth" || e.Key != n.ID.String() || e.Pos != 1 ||
			!e.Time.Equal(at) || !strings.HasPrefix(e.ID, "auth/1/") {
			t.Fatalf("%+v", e)
		}
		if events, last, err := store.Read(t.Context(), 1, 10); err != nil || last != 1 || len(events) != 0 {
			t.Fatal(events, last, err)
		}
	})
}

func BenchmarkStore(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		cfg := sqldb.Config{Path: filepath.Join(b.TempDir(), "bench.db")} // durable
		authtest.BenchStore(b, open(b, sqldbtest.Open(b, cfg)))
	})
	b.Run("postgres", func(b *testing.B) { authtest.BenchStore(b, open(b, sqldbtest.Postgres(b))) })
}
