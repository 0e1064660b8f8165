package chattest

import (
	"fmt"
	"testing"

	"chatd/internal/chat"
)

func (s suite) pageTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"pages are cut from either end":            s.pages,
		"a page of an empty conversation is empty": s.emptyPage,
	}
}

func (s suite) pages(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	var all []chat.Message
	for i := range 9 {
		all = append(all, s.Send(t, c.ID, u[0], fmt.Sprint(i+1)))
	}
	all[4] = s.Delete(t, all[4])
	all[6] = s.Edit(t, all[6], "edited")
	for _, p := range []struct {
		after, before int64
		backward      bool
		limit         int
		from, to      int64 // seq, inclusive
	}{
		{limit: 100, from: 1, to: 9},
		{limit: 100, backward: true, from: 1, to: 9},
		{limit: 3, from: 1, to: 3},
		{limit: 3, backward: true, from: 7, to: 9},
		{after: 3, limit: 3, from: 4, to: 6},
		{before: 7, limit: 3, from: 1, to: 3},
		{before: 7, backward: true, limit: 3, from: 4, to: 6},
		{after: 3, backward: true, limit: 3, from: 7, to: 9},
		{after: 2, before: 6, limit: 100, from: 3, to: 5},
		{after: 2, before: 6, backward: true, limit: 2, from: 4, to: 5},
		{after: 9, limit: 10, from: 1, to: 0},
		{before: 1, limit: 10, from: 1, to: 0},
		{after: 5, before: 6, limit: 10, from: 1, to: 0},
		{after: 8, before: 3, limit: 10, from: 1, to: 0},
	} {
		got, err := s.Store.Page(t.Context(), u[0], chat.MessagePage{
			Conversation: c.ID, After: p.after, Before: p.before, Backward: p.backward, Limit: p.limit,
		})
		if err != nil {
			t.Fatal(err)
		}
		want := all[p.from-1 : p.to]
		if len(got) != len(want) {
			t.Fatalf("%+v: %d messages", p, len(got))
		}
		for i := range got {
			same(t, fmt.Sprintf("%+v", p), got[i], want[i])
		}
	}
}

func (s suite) emptyPage(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	got, err := s.Store.Page(t.Context(), u[0], chat.MessagePage{Conversation: c.ID, Limit: 10})
	if len(got) != 0 || err != nil {
		t.Fatal(got, err)
	}
	got, err = s.Store.Changed(t.Context(), u[0], c.ID, 0, 10)
	if len(got) != 0 || err != nil {
		t.Fatal(got, err)
	}
}
