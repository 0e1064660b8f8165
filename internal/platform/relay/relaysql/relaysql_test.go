package relaysql_test

import (
	"testing"

	"chatd/internal/platform/relay"
	"chatd/internal/platform/relay/relaysql"
	"chatd/internal/platform/relay/relaytest"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/migrations"
)

func TestPositions(t *testing.T) {
	t.Parallel()
	for engine, open := range map[sqldb.Engine]func(testing.TB) *sqldb.DB{
		sqldb.SQLite: sqldbtest.SQLite, sqldb.PostgreSQL: sqldbtest.Postgres,
	} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			relaytest.RunPositions(t, func(t *testing.T) relay.Positions {
				t.Helper()
				db := open(t)
				if err := db.Migrate(t.Context(), "relay", migrations.FS("relay")); err != nil {
					t.Fatal(err)
				}
				return relaysql.New(db)
			})
		})
	}
}
