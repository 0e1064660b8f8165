package chattest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Nodes are several stores on one database, as on several machines, with what
// each was told.
type Nodes struct {
	All []*Fixture

	mu   sync.Mutex
	told [][]*chat.Event
}

// NewNodes listens to what stores on one empty database are told.
func NewNodes(stores ...chat.Store) *Nodes {
	ns := &Nodes{told: make([][]*chat.Event, len(stores))}
	for i, store := range stores {
		store.OnCommit(func(events []*chat.Event) {
			ns.mu.Lock()
			defer ns.mu.Unlock()
			ns.told[i] = append(ns.told[i], events...)
		})
		ns.All = append(ns.All, NewFixture(store))
	}
	return ns
}

// Order checks that each node was told in order, and all of them together of
// every position once.
func (ns *Nodes) Order(t *testing.T) {
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
	for i, f := range ns.All {
		if pos := f.Position(t); pos != int64(len(seen)) {
			t.Fatalf("%d events were told, node %d is at %d", len(seen), i, pos)
		}
	}
	Dense(t, ns.All[0].Store)
}

// Dense checks that the journal has every position, in a store without
// receipts.
func Dense(t *testing.T, store chat.Store) {
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

// RunNodes holds stores on one database to what they promise together. Each
// test has a database of its own, which setup opens n times.
func RunNodes(t *testing.T, setup func(t *testing.T, n int) *Nodes) {
	t.Helper()
	for _, c := range []struct {
		name  string
		nodes int
		run   func(t *testing.T, ns *Nodes)
	}{
		{"nodes that write the same conversations follow each other", 3, writeOnNodes},
		{"copies of a send on several nodes make one message", 2, copyOnNodes},
		{"a pair opened on several nodes has one conversation", 2, openOnNodes},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ns := setup(t, c.nodes)
			c.run(t, ns)
			ns.Order(t)
		})
	}
}

func writeOnNodes(t *testing.T, ns *Nodes) {
	t.Helper()
	const writers, each = 18, 15
	u := Users(writers)
	rooms := []ids.Conversation{ns.All[0].Group(t, u...).ID, ns.All[1].Group(t, u...).ID}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			f := ns.All[i%len(ns.All)]
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
		all := ns.All[2].All(t, u[0], id)
		for i, m := range all {
			if m.Seq != int64(i+1) || i > 0 && m.Pos <= all[i-1].Pos {
				t.Fatalf("message %d: %+v", i+1, m)
			}
		}
		if v := ns.All[1].View(t, u[0], id); v.LastSeq != int64(len(all)) || v.LastOrd != v.LastSeq {
			t.Fatalf("%d messages, but %+v", len(all), v)
		}
		total += len(all)
	}
	if total != writers*each {
		t.Fatalf("%d messages", total)
	}
}

func copyOnNodes(t *testing.T, ns *Nodes) {
	t.Helper()
	u := Users(2)
	c := ns.All[0].Group(t, u...)
	const keys, copies = 20, 10
	got := make([]ids.Message, keys*copies)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			f := ns.All[i%2]
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
	if n := len(ns.All[1].All(t, u[1], c.ID)); n != keys {
		t.Fatalf("%d messages", n)
	}
}

func openOnNodes(t *testing.T, ns *Nodes) {
	t.Helper()
	u := Users(2)
	got := make([]ids.Conversation, 20)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			f := ns.All[i%2]
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
}
