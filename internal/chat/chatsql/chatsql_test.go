package chatsql_test

import (
	"testing"

	"chatd/internal/chat"
	"chatd/internal/chat/chatsql"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/migrations"
)

func TestStore(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		chattest.RunStore(t, func(t *testing.T) chat.Store { return setup(t, db) })
	})
}

func setup(t testing.TB, db *sqldb.DB) *chatsql.Store {
	t.Helper()
	if err := db.Migrate(t.Context(), "chat", migrations.FS("chat")); err != nil {
		t.Fatal(err)
	}
	return chatsql.New(db, chatsql.Config{})
}
