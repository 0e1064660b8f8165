package chattest

import (
	"context"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) receiptTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"a read position goes forward only":                   s.forward,
		"the server's notes are never unread":                 s.notesUnread,
		"sending moves the sender's position without receipt": s.ownMessages,
		"nobody else has a read position":                     s.readRights,
		"receipts that race end at the furthest":              s.readsRace,
	}
}

func (s suite) forward(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	for range 5 {
		s.Send(t, c.ID, u[0], "text")
	}
	told := len(s.told.of(c.ID))
	for _, step := range []struct{ ask, get, told int64 }{
		{0, 0, 0}, {2, 2, 1}, {1, 2, 1}, {2, 2, 1}, {-1, 2, 1}, {4, 4, 2}, {99, 5, 3}, {99, 5, 3},
	} {
		r, lastOrd, err := s.Store.MarkRead(t.Context(), u[1], c.ID, step.ask)
		if err != nil {
			t.Fatal(err)
		}
		want := chat.Receipt{User: u[1], ReadSeq: step.get, ReadOrd: step.get, DeliveredSeq: step.get}
		same(t, "receipt", r, want)
		same(t, "last ord", lastOrd, 5)
		same(t, "unread", s.View(t, u[1], c.ID).UnreadCount(), 5-step.get)
		same(t, "told", int64(len(s.told.of(c.ID))-told), step.told)
	}
	all := s.told.of(c.ID)
	last := all[len(all)-1]
	same(t, "event", *last, chat.Event{
		Kind: chat.ReceiptChanged, Conversation: c.ID, Pos: last.Pos, LastOrd: 5,
		Receipt: &chat.Receipt{User: u[1], ReadSeq: 5, ReadOrd: 5, DeliveredSeq: 5},
	})
	if v := s.View(t, u[1], c.ID); v.LastRev != 6 {
		t.Fatal("a receipt took a rev:", v.LastRev)
	}
}

func (s suite) notesUnread(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u[0], u[1])
	s.Send(t, c.ID, u[0], "one")
	s.Add(t, c.ID, u[0], u[2])
	s.Send(t, c.ID, u[0], "two")
	v := s.View(t, u[1], c.ID)
	same(t, "last", []int64{v.LastSeq, v.LastOrd}, []int64{3, 2})
	same(t, "unread", v.UnreadCount(), 2)
	same(t, "at the note", s.MarkRead(t, u[1], c.ID, 2).ReadOrd, 1)
	same(t, "unread then", s.View(t, u[1], c.ID).UnreadCount(), 1)
}

func (s suite) ownMessages(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	s.Send(t, c.ID, u[0], "one")
	s.Send(t, c.ID, u[1], "two")
	a, b := s.View(t, u[0], c.ID), s.View(t, u[1], c.ID)
	same(t, "first sender", []int64{a.Viewer.ReadSeq, a.Viewer.ReadOrd, a.UnreadCount()}, []int64{1, 1, 1})
	same(t, "second sender", []int64{b.Viewer.ReadSeq, b.Viewer.ReadOrd, b.UnreadCount()}, []int64{2, 2, 0})
	for _, e := range s.told.of(c.ID) {
		if e.Kind == chat.ReceiptChanged {
			t.Fatal("a receipt was told")
		}
	}
}

func (s suite) readRights(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	s.Send(t, c.ID, u[0], "text")
	for _, stranger := range s.strangers(t, c.ID, u[0]) {
		_, _, err := s.Store.MarkRead(t.Context(), stranger, c.ID, 1)
		refused(t, "a stranger", err, chat.ErrNoConversation)
	}
	_, _, err := s.Store.MarkRead(t.Context(), u[0], ids.New[ids.Conversation](), 1)
	refused(t, "none", err, chat.ErrNoConversation)
}

func (s suite) readsRace(t *testing.T) {
	u := Users(4)
	c := s.Group(t, u...)
	for range 40 {
		s.Send(t, c.ID, u[0], "text")
	}
	for _, err := range atOnce(t.Context(), 120, func(ctx context.Context, i int) error {
		_, _, err := s.Store.MarkRead(ctx, u[1+i%3], c.ID, int64(i/3+1))
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	at := make(map[ids.User]int64)
	for _, e := range s.told.of(c.ID) {
		if r := e.Receipt; r != nil {
			if r.ReadSeq <= at[r.User] {
				t.Fatalf("told %d after %d", r.ReadSeq, at[r.User])
			}
			at[r.User] = r.ReadSeq
		}
	}
	for _, user := range u[1:] {
		same(t, "told", at[user], 40)
		same(t, "stored", s.View(t, user, c.ID).Viewer.ReadSeq, 40)
	}
}
