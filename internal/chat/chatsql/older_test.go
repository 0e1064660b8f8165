package chatsql_test

import (
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"chatd/internal/chat"
	"chatd/internal/chat/chatsql"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/migrations"
)

// before returns the steps of chat's migrations that an earlier version had.
func before(t testing.TB, newer string) fs.FS {
	t.Helper()
	all, steps := migrations.FS("chat"), fstest.MapFS{}
	names, err := fs.Glob(all, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(all, name)
		if err != nil {
			t.Fatal(err)
		}
		if name < newer {
			steps[name] = &fstest.MapFile{Data: text}
		}
	}
	return steps
}

func TestChannelsOfAnOlderDatabaseAreListed(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		if err := db.Migrate(t.Context(), "chat", before(t, "0002")); err != nil {
			t.Fatal(err)
		}
		user := ids.New[ids.User]()
		insert := func(kind, name string, archived any) ids.Conversation {
			t.Helper()
			id := ids.New[ids.Conversation]()
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				_, err := tx.Exec(t.Context(), `INSERT INTO chat_conversation (id, kind, name, description, creator, created_at, updated_at,
					archived_at, last_seq, last_rev, last_ord, last_pos, active_pos, member_version, member_count)
					VALUES ($1, $2, $3, '', $4, 1, 1, $5, 0, 1, 0, 1, 1, 1, 1)`, id, kind, name, user, archived)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		first, second := insert("CHANNEL", "Zoo animals", nil), insert("CHANNEL", "Animals at home", nil)
		insert("GROUP", "Animals", nil)
		insert("CHANNEL", "Animals of old", int64(5))
		if err := db.Migrate(t.Context(), "chat", migrations.FS("chat")); err != nil {
			t.Fatal(err)
		}
		store := chatsql.New(db, chatsql.Config{})
		for range 2 {
			if err := store.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		found, err := store.Channels(t.Context(), user, chat.ChannelQuery{Words: []string{"anim"}, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		var got []ids.Conversation
		for _, c := range found {
			got = append(got, c.ID)
		}
		if !slices.Equal(got, []ids.Conversation{second, first}) {
			t.Errorf("listed: %+v", found)
		}
	})
}
