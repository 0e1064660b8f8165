package chatsql_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/chat/chatsql"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

// What was indexed by another edition of terms, or not at all, is indexed
// again at the next start, and by no node that has begun before.
func TestAnotherEditionsIndexIsMadeAnew(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := chattest.NewFixture(setup(t, db))
		u := chattest.Users(1)[0]
		in := f.Group(t, u).ID
		for i := range 300 {
			f.Send(t, in, u, fmt.Sprintf("needle number%dx", i))
		}
		f.Index(t)
		exec := func(text string) {
			t.Helper()
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				_, err := tx.Exec(t.Context(), text)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		exec(`UPDATE derived_chat_searched SET edition = 'another', pos = 150`)
		if at, err := f.Store.Index(t.Context(), 10); err != nil || !at.Elsewhere || at.UpTo != 150 {
			t.Fatalf("the older program indexes: %+v, %v", at, err)
		}
		if db.Engine() == sqldb.SQLite { // rows that are not as they should be
			exec(`INSERT INTO derived_chat_search (derived_chat_search) VALUES ('delete-all')`)
			exec(`INSERT INTO derived_chat_search (rowid, words) VALUES (7, 'needle'), (9999, 'needle')`)
		} else {
			exec(`UPDATE derived_chat_search SET words = ''`)
		}
		f = chattest.NewFixture(chatsql.New(db, chatsql.Config{}))
		if at, err := f.Store.Index(t.Context(), 10); err != nil || at.Elsewhere || at.UpTo >= at.Newest {
			t.Fatalf("it is made anew at once: %+v, %v", at, err)
		}
		f.Index(t)
		if got := f.Search(t, u, "needle", chat.MessageQuery{Limit: 1000}); len(got) != 300 {
			t.Errorf("%d messages are found", len(got))
		}
		if got := f.Search(t, u, "number7x", chat.MessageQuery{}); len(got) != 1 {
			t.Errorf("%d messages are found", len(got))
		}
		if db.Engine() == sqldb.SQLite {
			exec(`INSERT INTO derived_chat_search (derived_chat_search) VALUES ('integrity-check')`)
		}
	})
}

// The words of a deleted message, and those that an edit took out, are nowhere
// in the file, also after segments of the index were merged around them.
func TestWordsThatWereTakenOutAreNotInTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chat.db")
	db, err := sqldb.Open(t.Context(), sqldb.Config{Path: path, Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	f := chattest.NewFixture(setup(t, db))
	u := chattest.Users(1)[0]
	in := f.Group(t, u).ID
	// The index shares the beginnings of words, so that the rest is looked for.
	secret := func(i int) string { return fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))[:24] }
	tail := func(m chat.Message) []byte { return []byte(m.Text[8:24]) }
	var deleted, edited []chat.Message
	for i := range 3000 {
		m := f.Send(t, in, u, fmt.Sprintf("%s is word%d of some%d words%d", secret(i), i*7919%1000, i%50, i))
		switch i % 100 {
		case 13:
			deleted = append(deleted, m)
		case 57:
			edited = append(edited, m)
		}
		if i%40 == 39 {
			f.Index(t)
		}
	}
	for i, m := range deleted {
		f.Delete(t, m)
		f.Edit(t, edited[i], "harmless")
	}
	if err := db.Close(); err != nil { // moves the log into the file
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(raw, []byte(secret(2900)[8:])); n < 2 {
		t.Fatalf("the words of a message are in the file %d times", n)
	}
	for _, m := range deleted {
		if bytes.Contains(raw, tail(m)) {
			t.Errorf("%s was deleted and is in the file", tail(m))
		}
	}
	for _, m := range edited { // the text before is in the edit's history, once
		if n := bytes.Count(raw, tail(m)); n != 1 {
			t.Errorf("%s was edited out and is in the file %d times", tail(m), n)
		}
	}
}

// Who is in more conversations than the index is asked for one by one finds
// the same, and nothing of others.
func TestWhoIsInManyConversationsFindsHisOwn(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := chattest.NewFixture(setup(t, db))
		all := chattest.Users(2)
		var last chat.Message
		for i := range 252 {
			c := f.Group(t, all[0])
			if i%50 == 0 {
				last = f.Send(t, c.ID, all[0], fmt.Sprintf("needle %d", i))
				f.Send(t, f.Group(t, all[1]).ID, all[1], "needle of another")
			}
		}
		f.Index(t)
		got := f.Search(t, all[0], "needle", chat.MessageQuery{})
		if len(got) != 6 || got[0].ID != last.ID {
			t.Errorf("found %+v", got)
		}
		for _, m := range got {
			if m.Sender != all[0] {
				t.Errorf("found %+v", m)
			}
		}
		if got := f.Search(t, all[0], "needle", chat.MessageQuery{Sender: all[1]}); len(got) > 0 {
			t.Errorf("found %+v", got)
		}
	})
}
