package main

import (
	"context"
	"net/url"
	"testing"

	"chatd/internal/platform/mongodb"
	"chatd/internal/platform/mongodb/mongodbtest"
)

// The store's promises are tested in chat/chatmongo; here the whole program
// keeps its conversations there, through a crash.
func TestConversationsCanBeKeptInMongoDB(t *testing.T) {
	t.Parallel()
	cfg := mongodbtest.Config(t)
	db := mongodbtest.Open(t, cfg)
	t.Cleanup(func() { _ = db.Drop(context.WithoutCancel(t.Context())) })
	p := startProgram(t, append(unlimited, "--mongo-url", in(t, cfg))...)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	room := p.group(t, ada, bob)
	events := listenAll(t, p.dial(t, bob), "1", nil)
	started := receive(t, events)
	if started.Type != "StreamStarted" {
		t.Fatalf("%+v", started)
	}
	first, err := p.send(t.Context(), ada, room, "one", "key")
	if err != nil {
		t.Fatal(err)
	}
	if e := receive(t, events); e.Type != "MessageAdded" || e.Message.ID != first.ID || e.UnreadCount == nil || *e.UnreadCount != 1 {
		t.Errorf("%+v", e)
	}
	p.kill()
	p.start(t)
	again, err := p.send(t.Context(), ada, room, "one", "key")
	if err != nil || again.ID != first.ID {
		t.Errorf("the retry made %+v, %v", again, err)
	}
	if _, err := p.send(t.Context(), ada, room, "another", "key"); codeOf(err) != "CONFLICT" {
		t.Errorf("another text under the key: %v", err)
	}
	second, err := p.send(t.Context(), bob, room, "two", "")
	if err != nil {
		t.Fatal(err)
	}
	resumed := listenAll(t, p.dial(t, bob), "1", started.Cursor)
	for _, want := range []string{"StreamStarted", "MessageAdded", "MessageAdded", "CaughtUp"} {
		if e := receive(t, resumed); e.Type != want {
			t.Errorf("%+v instead of %s", e, want)
		}
	}
	stored := p.history(t, bob, room)
	if len(stored) != 2 || stored[0].ID != first.ID || stored[1].ID != second.ID {
		t.Errorf("stored: %+v", stored)
	}
}

// in is the URL with the database's name in it.
func in(t testing.TB, cfg mongodb.Config) string {
	t.Helper()
	u, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + cfg.Name
	return u.String()
}
