package chatmongo_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
	"chatd/internal/platform/mongodb/mongodbtest"
)

// everybody is a directory in which everybody is.
type everybody struct{}

func (everybody) Known(_ context.Context, of []ids.User) ([]ids.User, error) { return of, nil }

func (everybody) Named(context.Context, []string) (map[string]ids.User, error) { return nil, nil }

// What a deleted account's owner wrote is in no document any more, once his
// traces have been erased; others' are.
func TestWhatWasErasedIsInNoDocument(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	store := setup(t, db)
	chats := chat.New(chat.Deps{Store: store, Directory: everybody{}, Secret: make([]byte, 32), Log: zerolog.Nop()}, chat.Config{})
	f, u := chattest.NewFixture(store), chattest.Users(2)
	group, direct := f.Group(t, u...), f.Direct(t, u[0], u[1])
	for _, c := range []ids.Conversation{group.ID, direct.ID} {
		m := f.Message(t, c, u[0], "what the canary says")
		m.ClientID, m.InputHash = "canary-key", []byte("hash")
		sent, err := store.Append(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		f.Edit(t, sent, "what the canary meant")
		theirs := f.Send(t, c, u[1], "a sparrow's word")
		f.React(t, u[0], theirs, "🐤")
		if _, err := store.AddReport(t.Context(), f.Report(theirs, u[0], "no canary")); err != nil {
			t.Fatal(err)
		}
		file := f.Image(t, u[0])
		f.SendFiles(t, c, file)
	}
	f.Index(t)
	if n := count(t, db, "canar"); n < 4 {
		t.Fatalf("%d documents have the word before", n)
	}
	for range 2 {
		if err := chats.Erase(t.Context(), u[0]); err != nil {
			t.Fatal(err)
		}
	}
	if n, birds := count(t, db, "canar"), count(t, db, "🐤"); n != 0 || birds != 0 {
		t.Errorf("%d documents have the word, %d the reaction", n, birds)
	}
	if n := count(t, db, "sparrow"); n < 2 {
		t.Errorf("%d documents have what the other wrote", n)
	}
}

// count looks for a word in all documents.
func count(t *testing.T, db *mongodb.DB, word string) (n int) {
	t.Helper()
	for _, name := range []string{"chat_log", "chat_conversations", "chat_members", "chat_invites", "chat_reports", "chat_files", "chat_meta"} {
		found, err := db.Collection(name).Find(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		var all []bson.M
		if err := found.All(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			text, err := bson.MarshalExtJSON(d, false, false)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), word) {
				n++
			}
		}
	}
	return n
}
