package chatmongo_test

import (
	"context"
	"sync/atomic"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/chat/chatmongo"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/mongodb"
	"chatd/internal/platform/mongodb/mongodbtest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T) chat.Store { return setup(t, mongodbtest.New(t)) }
	if mongodbtest.Scans() {
		mongodbtest.New(t) // or the test ends here, once
		chattest.RunStoreApart(t, open)
		return
	}
	chattest.RunStore(t, open)
}

func setup(t testing.TB, db *mongodb.DB) *chatmongo.Store {
	t.Helper()
	return prepare(t, db, chatmongo.Config{})
}

func prepare(t testing.TB, db *mongodb.DB, cfg chatmongo.Config) *chatmongo.Store {
	t.Helper()
	cfg.Timeout = mongodbtest.Patience
	store := chatmongo.New(db, cfg)
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

// BenchmarkStore is every method, with the commands that it sends; chatsql has
// the same for its engines. Where the server scans, there is less to scan.
func BenchmarkStore(b *testing.B) {
	var sent atomic.Int64
	cfg := mongodbtest.Config(b)
	cfg.OnCommand = func(string) { sent.Add(1) }
	db := mongodbtest.Open(b, cfg)
	b.Cleanup(func() { _ = db.Drop(context.Background()) })
	hall := chattest.Hall{Rooms: 100, Size: 2000, Sent: sent.Load}
	if mongodbtest.Scans() {
		hall.Size = 200
	}
	chattest.BenchStore(b, setup(b, db), hall)
}
