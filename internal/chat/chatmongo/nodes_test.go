package chatmongo_test

import (
	"context"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/chat/chatmongo"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/mongodb/mongodbtest"
)

func setupNodes(t *testing.T, n int) *chattest.Nodes {
	t.Helper()
	cfg := mongodbtest.Config(t)
	cfg.MaxConns = 8
	var stores []chat.Store
	for i := range n {
		db := mongodbtest.Open(t, cfg)
		if i == 0 {
			t.Cleanup(func() { _ = db.Drop(context.Background()) })
		}
		// The first node remembers little and forms small groups.
		stores = append(stores, prepare(t, db, chatmongo.Config{Heads: 1 + 100*i, Group: 3 + 100*i}))
	}
	return chattest.NewNodes(stores...)
}

func TestNodes(t *testing.T) {
	t.Parallel()
	chattest.RunNodes(t, setupNodes)
}

func TestANodeThatKnowsAnOldMembershipIsNotHeldByIt(t *testing.T) {
	t.Parallel()
	ns := setupNodes(t, 2)
	a, b := ns.All[0], ns.All[1]
	u := chattest.Users(3)
	c := a.Group(t, u[0], u[1])
	b.Send(t, c.ID, u[1], "b now has the counters in memory")
	late := b.Message(t, c.ID, u[1], "too late")
	a.Remove(t, c.ID, u[0], u[1])
	if _, err := b.Store.Append(t.Context(), late); err == nil {
		t.Fatal("a removed member has sent")
	}
	a.Add(t, c.ID, u[0], u[2])
	if m := b.Send(t, c.ID, u[2], "decided on the new membership"); m.Seq != 4 {
		t.Fatalf("%+v", m)
	}
	ns.Order(t)
}

func TestReactionsOnSeveralNodesAreAllCounted(t *testing.T) {
	t.Parallel()
	ns := setupNodes(t, 2)
	chattest.ReactOnNodes(t, 30, ns.All...)
	ns.Order(t)
}
