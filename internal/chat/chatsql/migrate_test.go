package chatsql_test

import (
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/migrations"
)

// Members of a database from before receipts and settings have none, and go on.
func TestMembersOfAnOlderDatabaseGoOn(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		first := fstest.MapFS{}
		all, err := fs.Glob(migrations.FS("chat"), "0001_*")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range all {
			text, err := fs.ReadFile(migrations.FS("chat"), name)
			if err != nil {
				t.Fatal(err)
			}
			first[name] = &fstest.MapFile{Data: text}
		}
		if err := db.Migrate(t.Context(), "chat", first); err != nil {
			t.Fatal(err)
		}
		ada, bob, room := ids.New[ids.User](), ids.New[ids.User](), ids.New[ids.Conversation]()
		at := time.Now().UnixMicro()
		err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
			for _, step := range []struct {
				text string
				args []any
			}{
				{`INSERT INTO chat_position (id, pos, epoch) VALUES (1, 2, 'before')`, nil},
				{`INSERT INTO chat_conversation (id, kind, name, description, creator, created_at, updated_at, last_seq, last_rev, last_ord,
					last_pos, active_pos, member_version, member_count) VALUES ($1, 'GROUP', 'old', '', $2, $3, $3, 1, 2, 1, 2, 2, 1, 2)`, []any{room, ada, at}},
				{`INSERT INTO chat_change (pos, conversation, rev, ord, kind, at) VALUES (1, $1, 1, 0, 'CONVERSATION', $2)`, []any{room, at}},
				{`INSERT INTO chat_member (conversation, user_id, role, joined_at, read_seq, read_ord, delivered_seq, read_pos, read_top)
					VALUES ($1, $2, 'OWNER', $4, 1, 1, 1, 0, 0), ($1, $3, 'MEMBER', $4, 0, 0, 0, 0, 0)`, []any{room, ada, bob, at}},
				{`INSERT INTO chat_message (pos, id, conversation, seq, add_rev, rev, ord, kind, sender, text, created_at)
					VALUES (2, $1, $2, 1, 2, 2, 1, 'TEXT', $3, 'old', $4)`, []any{ids.New[ids.Message](), room, ada, at}},
			} {
				if _, err := tx.Exec(t.Context(), step.text, step.args...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		store := setup(t, db)
		v, err := store.View(t.Context(), bob, room)
		if err != nil || v.UnreadCount() != 1 || v.Viewer.Settings != (chat.Settings{}) || v.Viewer.SeenSeq != 0 || v.Viewer.JoinedSeq != 0 {
			t.Fatalf("%+v, %v", v, err)
		}
		if _, _, err := store.MarkRead(t.Context(), bob, room, 1); err != nil {
			t.Fatal(err)
		}
		r, err := store.MarkUnread(t.Context(), bob, room, 1)
		if err != nil || r.ReadSeq != 0 || r.SeenSeq != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		set, err := store.SetSettings(t.Context(), bob, room, func(s *chat.Settings) { s.Pinned = true })
		if err != nil || !set.Pinned {
			t.Errorf("%+v, %v", set, err)
		}
		if _, pos, err := store.Position(t.Context()); err != nil || pos != 5 {
			t.Errorf("the position is %d, %v", pos, err)
		}
	})
}
