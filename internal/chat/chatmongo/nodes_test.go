package chatmongo_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/chat/chatmongo"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb/mongodbtest"
)

// nodes are several stores on one database, as on several machines, with what
// each was told.
type nodes struct {
	all  []*chattest.Fixture
	mu   sync.Mutex
	told [][]*chat.Event
}

func setupNodes(t *testing.T, n int) *nodes {
	t.Helper()
	cfg := mongodbtest.Config(t)
	cfg.MaxConns = 8
	ns := &nodes{told: make([][]*chat.Event, n)}
	for i := range n {
		db := mongodbtest.Open(t, cfg)
		if i == 0 {
			t.Cleanup(func() { _ = db.Drop(context.Background()) })
		}
		// The first node remembers little and forms small groups.
		store := prepare(t, db, chatmongo.Config{Heads: 1 + 100*i, Group: 3 + 100*i})
		store.OnCommit(func(events []*chat.Event) {
			ns.mu.Lock()
			defer ns.mu.Unlock()
			ns.told[i] = append(ns.told[i], events...)
		})
		ns.all = append(ns.all, chattest.NewFixture(store))
	}
	return ns
}

// order checks that each node was told in order, and all of them together of
// every position once.
func (ns *nodes) order(t *testing.T) {
	t.Helper()
	var seen []int64
	for _, told := range ns.told {
		for i, e := range told {
			if i > 0 && e.Pos <= told[i-1].Pos {
				t.Fatalf("told %d after %d", e.Pos, told[i-1].Pos)
			}
			seen = append(seen, e.Pos)
		}
	}
	slices.Sort(seen)
	for i, pos := range seen {
		if pos != int64(i+1) {
			t.Fatalf("position %d comes after %d others", pos, i)
		}
	}
	for i, f := range ns.all {
		if pos := f.Position(t); pos != int64(len(seen)) {
			t.Fatalf("%d events were told, node %d is at %d", len(seen), i, pos)
		}
	}
	dense(t, ns.all[0].Store)
}

// dense checks that the journal has every position, in a store without
// receipts.
func dense(t *testing.T, store chat.Store) {
	t.Helper()
	_, pos, err := store.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for after := int64(0); after < pos; {
		events, upTo, err := store.Read(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if after++; e.Pos != after {
				t.Fatalf("position %d comes after %d", e.Pos, after-1)
			}
		}
		if upTo != after {
			t.Fatalf("the last event is at %d of %d", after, upTo)
		}
	}
}

func TestNodesThatWriteTheSameConversationsFollowEachOther(t *testing.T) {
	t.Parallel()
	ns := setupNodes(t, 3)
	const writers, each = 18, 15
	u := chattest.Users(writers)
	rooms := []ids.Conversation{ns.all[0].Group(t, u...).ID, ns.all[1].Group(t, u...).ID}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			f := ns.all[i%len(ns.all)]
			for n := range each {
				m, err := f.Store.Append(t.Context(), chat.NewMessage{
					ID: ids.New[ids.Message](), Conversation: rooms[(i+n)%2], Sender: u[i], Kind: chat.Text,
					Text: "text", CreatedAt: f.Now(), Version: 1,
				})
				if err == nil && n%5 == 0 {
					_, err = f.Store.Revise(t.Context(), chat.Revision{Message: m.ID, Version: 1, Text: "edited", At: f.Now()})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, id := range rooms {
		all := ns.all[2].All(t, u[0], id)
		for i, m := range all {
			if m.Seq != int64(i+1) || i > 0 && m.Pos <= all[i-1].Pos {
				t.Fatalf("message %d: %+v", i+1, m)
			}
		}
		if v := ns.all[1].View(t, u[0], id); v.LastSeq != int64(len(all)) || v.LastOrd != v.LastSeq {
			t.Fatalf("%d messages, but %+v", len(all), v)
		}
		total += len(all)
	}
	if total != writers*each {
		t.Fatalf("%d messages", total)
	}
	ns.order(t)
}

func TestCopiesOfASendOnSeveralNodesMakeOneMessage(t *testing.T) {
	t.Parallel()
	ns := setupNodes(t, 2)
	u := chattest.Users(2)
	c := ns.all[0].Group(t, u...)
	const keys, copies = 20, 10
	got := make([]ids.Message, keys*copies)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			f := ns.all[i%2]
			m, err := f.Store.Append(t.Context(), chat.NewMessage{
				ID: ids.New[ids.Message](), Conversation: c.ID, Sender: u[0], Kind: chat.Text, Text: "text",
				ClientID: fmt.Sprint("key", i/copies), InputHash: []byte("hash"), CreatedAt: f.Now(), Version: 1,
			})
			if got[i] = m.ID; err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, id := range got {
		if id != got[i/copies*copies] {
			t.Fatalf("copy %d of key %d is another message", i%copies, i/copies)
		}
	}
	if n := len(ns.all[1].All(t, u[1], c.ID)); n != keys {
		t.Fatalf("%d messages", n)
	}
	ns.order(t)
}

func TestAPairOpenedOnSeveralNodesHasOneConversation(t *testing.T) {
	t.Parallel()
	ns := setupNodes(t, 2)
	u := chattest.Users(2)
	got := make([]ids.Conversation, 20)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			f := ns.all[i%2]
			c, _, err := f.Store.Create(t.Context(), f.NewDirect(u[i/2%2], u[1-i/2%2]))
			if got[i] = c.ID; err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range got {
		if id != got[0] {
			t.Fatal("there are two conversations")
		}
	}
	ns.order(t)
}

func TestANodeThatKnowsAnOldMembershipIsNotHeldByIt(t *testing.T) {
	t.Parallel()
	ns := setupNodes(t, 2)
	a, b := ns.all[0], ns.all[1]
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
	ns.order(t)
}

func TestReactionsOnSeveralNodesAreAllCounted(t *testing.T) {
	t.Parallel()
	ns := setupNodes(t, 2)
	chattest.ReactOnNodes(t, 30, ns.all...)
	ns.order(t)
}
