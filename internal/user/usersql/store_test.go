package usersql_test

import (
	"path/filepath"
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/internal/user"
	"chatd/internal/user/usersql"
	"chatd/internal/user/usertest"
	"chatd/migrations"
)

func TestStore(t *testing.T) {
	t.Parallel()
	for engine, open := range map[sqldb.Engine]func(testing.TB) *sqldb.DB{
		sqldb.SQLite: sqldbtest.SQLite, sqldb.PostgreSQL: sqldbtest.Postgres,
	} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			usertest.RunStore(t, func(t *testing.T) user.Store {
				t.Helper()
				return store(t, open(t))
			})
		})
	}
}

func TestACommitIsToldWhenItWroteToTheLog(t *testing.T) {
	t.Parallel()
	s, told := store(t, sqldbtest.SQLite(t)), 0
	s.OnCommit(func() { told++ })
	p := usertest.Profile("ada", "Ada")
	if err := s.Create(t.Context(), p); err != nil || told != 0 {
		t.Errorf("told %d times of a new profile, %v", told, err)
	}
	if _, err := s.Update(t.Context(), p.ID, func(*user.Profile) error { return nil }); err != nil || told != 1 {
		t.Errorf("told %d times of an update, %v", told, err)
	}
	if last, err := s.LastChange(t.Context()); err != nil || last != 1 {
		t.Errorf("the log ends at %d, %v", last, err)
	}
}

func store(t testing.TB, db *sqldb.DB) *usersql.Store {
	t.Helper()
	if err := db.Migrate(t.Context(), "user", migrations.FS("user")); err != nil {
		t.Fatal(err)
	}
	return usersql.New(db)
}

func BenchmarkStore(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		cfg := sqldb.Config{Path: filepath.Join(b.TempDir(), "bench.db")} // durable
		usertest.BenchStore(b, store(b, sqldbtest.Open(b, cfg)))
	})
	b.Run("postgres", func(b *testing.B) { usertest.BenchStore(b, store(b, sqldbtest.Postgres(b))) })
}
