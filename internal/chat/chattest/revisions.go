package chattest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) revisionTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"an edit keeps what was before":                         s.edit,
		"a deleted message leaves a tombstone and no text":      s.delete,
		"a revision decided on another membership is refused":   s.reviseMoved,
		"changes come once a message, by rev":                   s.changed,
		"edits that race are kept in order":                     s.editsOfOne,
		"an edit and the deletion that race end in a tombstone": s.editAgainstDelete,
	}
}

func (s suite) edits(t *testing.T, viewer ids.User, id ids.Message) []chat.Edit {
	t.Helper()
	all, err := s.Store.Edits(t.Context(), viewer, id, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s suite) edit(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	m := s.append(t, s.keyed(t, c.ID, u[0], "one", "key"))
	s.Send(t, c.ID, u[1], "between")
	same(t, "no edits yet", len(s.edits(t, u[1], m.ID)), 0)
	second := s.Edit(t, m, "two")
	want := m
	want.Text, want.Rev, want.EditedAt = "two", 4, second.EditedAt
	same(t, "answer", second, want)
	third := s.Edit(t, m, "three")
	got, err := s.Store.Message(t.Context(), u[1], m.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "read back", got, third)
	before := []chat.Edit{{Rev: 4, Text: "one", EditedAt: second.EditedAt}, {Rev: 5, Text: "two", EditedAt: third.EditedAt}}
	same(t, "edits", s.edits(t, u[1], m.ID), before)
	page, err := s.Store.Edits(t.Context(), u[1], m.ID, 4, 10)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "after a rev", page, before[1:])
	page, err = s.Store.Edits(t.Context(), u[1], m.ID, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the first", page, before[:1])
	told := s.told.of(c.ID)
	last := told[len(told)-1]
	same(t, "told", *last, chat.Event{
		Kind: chat.MessageChanged, Conversation: c.ID, Pos: last.Pos, Rev: 5, LastOrd: 2, Message: &third,
	})
	v := s.View(t, u[1], c.ID)
	same(t, "conversation", []int64{v.LastSeq, v.LastRev, v.LastOrd}, []int64{2, 5, 2})
}

func (s suite) delete(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "one")
	s.Edit(t, m, "two")
	gone := s.Delete(t, m)
	if gone.Text != "" || !gone.Deleted() || gone.Rev != 4 || gone.Seq != m.Seq || gone.Ord != m.Ord {
		t.Fatalf("%+v", gone)
	}
	same(t, "page", s.All(t, u[1], c.ID), []chat.Message{gone})
	same(t, "edits", len(s.edits(t, u[1], m.ID)), 0)
	same(t, "again", s.Delete(t, m), gone)
	same(t, "rev", s.View(t, u[0], c.ID).LastRev, 4)
	_, err := s.Store.Revise(t.Context(), chat.Revision{
		Message: m.ID, Version: s.View(t, u[0], c.ID).MemberVersion, Text: "back", At: s.Now(),
	})
	refused(t, "editing a tombstone", err, chat.ErrDeleted)
	same(t, "unread still counts it", s.View(t, u[1], c.ID).UnreadCount(), 1)
	for _, e := range s.readAll(t, s.told.of(c.ID)[0].Pos-1, 100) {
		if e.Conversation == c.ID && e.Message != nil {
			same(t, "journal", *e.Message, gone)
		}
	}
}

func (s suite) reviseMoved(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u[0])
	m := s.Send(t, c.ID, u[0], "text")
	version := s.View(t, u[0], c.ID).MemberVersion
	s.Add(t, c.ID, u[0], u[1])
	for _, r := range []chat.Revision{{Text: "new"}, {Kind: chat.ToDelete}} {
		r.Message, r.Version, r.At = m.ID, version, s.Now()
		_, err := s.Store.Revise(t.Context(), r)
		refused(t, "an old version", err, chat.ErrMoved)
		r.Message = ids.New[ids.Message]()
		_, err = s.Store.Revise(t.Context(), r)
		refused(t, "none", err, chat.ErrNoMessage)
	}
	same(t, "the message is as it was", s.All(t, u[0], c.ID)[0], m)
}

func (s suite) changed(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u[0])
	var m []chat.Message
	for i := range 4 {
		m = append(m, s.Send(t, c.ID, u[0], fmt.Sprint(i)))
	}
	s.Edit(t, m[0], "edited")
	second := s.Edit(t, m[1], "edited")
	s.Add(t, c.ID, u[0], u[1])
	first := s.Edit(t, m[0], "edited again")
	third := s.Delete(t, m[2])
	want := []chat.Message{second, first, third}
	for _, p := range []struct {
		after    int64
		limit    int
		from, to int
	}{{0, 10, 0, 3}, {0, 2, 0, 2}, {second.Rev, 10, 1, 3}, {first.Rev, 1, 2, 3}, {third.Rev, 10, 3, 3}} {
		got, err := s.Store.Changed(t.Context(), u[1], c.ID, p.after, p.limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != p.to-p.from {
			t.Fatalf("%+v: %d messages", p, len(got))
		}
		for i := range got {
			same(t, fmt.Sprintf("%+v", p), got[i], want[p.from+i])
		}
	}
}

func (s suite) editsOfOne(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "before")
	version := s.View(t, u[0], c.ID).MemberVersion
	for _, err := range atOnce(t.Context(), 20, func(ctx context.Context, i int) error {
		_, err := s.Store.Revise(ctx, chat.Revision{Message: m.ID, Version: version, Text: fmt.Sprint(i), At: s.Now()})
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	texts := make(map[string]bool)
	edits := s.edits(t, u[0], m.ID)
	for i, e := range edits {
		same(t, "rev", e.Rev, int64(i+3))
		texts[e.Text] = true
	}
	texts[s.All(t, u[0], c.ID)[0].Text] = true
	same(t, "first", edits[0].Text, "before")
	same(t, "texts", len(texts), 21)
}

func (s suite) editAgainstDelete(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	version := s.View(t, u[0], c.ID).MemberVersion
	for range 5 {
		m := s.Send(t, c.ID, u[0], "before")
		for i, err := range atOnce(t.Context(), 10, func(ctx context.Context, i int) error {
			r := chat.Revision{Message: m.ID, Version: version, Text: "after", At: s.Now()}
			if i == 5 {
				r.Kind, r.Text = chat.ToDelete, ""
			}
			_, err := s.Store.Revise(ctx, r)
			return err
		}) {
			if err != nil && (i == 5 || !errors.Is(err, chat.ErrDeleted)) {
				t.Fatal(i, err)
			}
		}
		got, err := s.Store.Message(t.Context(), u[0], m.ID)
		if err != nil || !got.Deleted() || got.Text != "" {
			t.Fatalf("%+v, %v", got, err)
		}
		same(t, "edits", len(s.edits(t, u[0], m.ID)), 0)
	}
}
