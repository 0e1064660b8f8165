package chattest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"chatd/internal/chat"
)

func (s suite) markRaceTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"whoever reacts at once is counted":                             s.reactionsAtOnce,
		"one user's reactions that race leave the count of one or none": s.oneReactsAtOnce,
		"reactions that race with a deletion are gone":                  s.reactAgainstDelete,
		"edits, reactions and pins that race all hold":                  s.editAgainstReact,
	}
}

func (s suite) reactionsAtOnce(t *testing.T) {
	n := int64(120)
	if s.short {
		n = 60 // still more than a store may read together
	}
	u := Users(int(n))
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "text")
	for i, err := range atOnce(t.Context(), len(u), func(ctx context.Context, i int) error {
		r := chat.Revision{Message: m.ID, Version: 1, Kind: chat.ToReact, User: u[i], Emoji: emoji[0], At: s.Now()}
		_, err := s.Store.Revise(ctx, r)
		if err == nil && i%3 == 0 {
			r.Emoji = emoji[1]
			_, err = s.Store.Revise(ctx, r)
		}
		if err == nil && i%10 == 0 {
			r.Kind, r.Emoji = chat.ToUnreact, emoji[0]
			_, err = s.Store.Revise(ctx, r)
		}
		return err
	}) {
		if err != nil {
			t.Fatal(i, err)
		}
	}
	gone, second := n/10, n/3
	m = s.message(t, u[1], m.ID)
	counts := make(map[string]int64)
	for _, r := range m.Reactions {
		counts[r.Emoji] = r.Count
	}
	same(t, "counts", counts, map[string]int64{emoji[0]: n - gone, emoji[1]: second})
	same(t, "rev", m.Rev, 2+n+gone+second)
	all := s.reactorsOf(t, len(u), m)
	same(t, "reactors", []int64{int64(len(users(all, m.ID, emoji[0]))), int64(len(users(all, m.ID, emoji[1])))}, []int64{n - gone, second})
	first := s.reactorsOf(t, 3, m)
	for _, e := range emoji[:2] {
		same(t, "the first", users(first, m.ID, e), users(all, m.ID, e)[:3])
	}
	var rev int64
	for _, e := range s.told.of(c.ID) {
		if e.Rev != rev+1 {
			t.Fatalf("rev %d was told after %d", e.Rev, rev)
		}
		rev = e.Rev
	}
	same(t, "the last that was told", rev, m.Rev)
}

func (s suite) oneReactsAtOnce(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "text")
	for _, err := range atOnce(t.Context(), 30, func(ctx context.Context, i int) error {
		r := chat.Revision{Message: m.ID, Version: 1, Kind: chat.ToReact, User: u[0], Emoji: emoji[0], At: s.Now()}
		if i%2 == 1 {
			r.Kind = chat.ToUnreact
		}
		_, err := s.Store.Revise(ctx, r)
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	m = s.message(t, u[0], m.ID)
	there := len(s.reacted(t, u[0], m)[m.ID])
	if there > 1 || len(m.Reactions) != there || there == 1 && m.Reactions[0].Count != 1 {
		t.Fatalf("%d reactions of one user are counted as %+v", there, m.Reactions)
	}
	same(t, "reactors", len(s.reactorsOf(t, 10, m)), there)
	m = s.React(t, u[0], m, emoji[0])
	same(t, "once more", m.Reactions, []chat.Reaction{{Emoji: emoji[0], Count: 1}})
	// Each change turned what was before it: as many have come as have gone, or one more.
	same(t, "changes", (m.Rev-2)%2, 1)
}

func (s suite) reactAgainstDelete(t *testing.T) {
	u := Users(10)
	c := s.Group(t, u...)
	for range 3 {
		m := s.Send(t, c.ID, u[0], "text")
		for i, err := range atOnce(t.Context(), len(u), func(ctx context.Context, i int) error {
			r := chat.Revision{Message: m.ID, Version: 1, Kind: chat.ToReact, User: u[i], Emoji: emoji[i%2], At: s.Now()}
			switch i {
			case 4:
				r.Kind = chat.ToPin
			case 5:
				r.Kind = chat.ToDelete
			}
			_, err := s.Store.Revise(ctx, r)
			return err
		}) {
			if err != nil && (i == 5 || !errors.Is(err, chat.ErrDeleted)) {
				t.Fatal(i, err)
			}
		}
		got := s.message(t, u[0], m.ID)
		if !got.Deleted() || got.Reactions != nil || got.Pin != nil {
			t.Fatalf("%+v", got)
		}
		m.Reactions = []chat.Reaction{{Emoji: emoji[0], Count: 10}, {Emoji: emoji[1], Count: 10}}
		same(t, "reactors", len(s.reactorsOf(t, 10, m)), 0)
		for _, who := range u {
			same(t, "own", len(s.reacted(t, who, m)), 0)
		}
	}
	same(t, "pinned", len(s.pinned(t, u[0], c.ID)), 0)
}

func (s suite) editAgainstReact(t *testing.T) {
	const n = 12
	u := Users(n)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "before")
	for _, err := range atOnce(t.Context(), n, func(ctx context.Context, i int) error {
		r := chat.Revision{Message: m.ID, Version: 1, User: u[i], At: s.Now()}
		switch {
		case i == 0:
			r.Kind = chat.ToPin
		case i%2 == 0:
			r.Kind, r.Emoji = chat.ToReact, emoji[0]
		default:
			r.Text = fmt.Sprint(i)
		}
		_, err := s.Store.Revise(ctx, r)
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := s.message(t, u[0], m.ID)
	same(t, "reactions", got.Reactions, []chat.Reaction{{Emoji: emoji[0], Count: n/2 - 1}})
	same(t, "rev", got.Rev, int64(2+n))
	if got.Pin == nil || got.Pin.By != u[0] {
		t.Fatalf("%+v", got.Pin)
	}
	edits := s.edits(t, u[0], m.ID)
	same(t, "edits", len(edits), n/2)
	texts := map[string]bool{got.Text: true}
	for _, e := range edits {
		texts[e.Text] = true
	}
	same(t, "texts", len(texts), n/2+1)
}

// ReactOnNodes has many users react to one message at once, on stores that
// share their data, and checks that all are counted.
func ReactOnNodes(t *testing.T, users int, nodes ...*Fixture) {
	t.Helper()
	u := Users(users)
	c := nodes[0].Group(t, u...)
	m := nodes[0].Send(t, c.ID, u[0], "text")
	for i, err := range atOnce(t.Context(), users, func(ctx context.Context, i int) error {
		on := nodes[i%len(nodes)]
		r := chat.Revision{Message: m.ID, Version: 1, Kind: chat.ToReact, User: u[i], Emoji: emoji[0], At: on.Now()}
		_, err := on.Store.Revise(ctx, r)
		return err
	}) {
		if err != nil {
			t.Fatal(i, err)
		}
	}
	for i, on := range nodes {
		got, err := on.Store.Message(t.Context(), u[1], m.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("node ", i), got.Reactions, []chat.Reaction{{Emoji: emoji[0], Count: int64(users)}})
		same(t, "rev", got.Rev, int64(users)+2)
		all, err := on.Store.Reactors(t.Context(), []chat.Message{got}, users)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "reactors", len(all), users)
	}
}
