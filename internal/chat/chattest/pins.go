package chattest

import (
	"context"
	"fmt"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) pinTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"pinned messages are listed by their pins, newest first": s.pins,
		"a conversation has so many pins and no more":            s.manyPins,
		"a pin and its removal that race leave one of them":      s.pinAgainstUnpin,
	}
}

func (s suite) pinned(t *testing.T, viewer ids.User, id ids.Conversation) []chat.Message {
	t.Helper()
	var all []chat.Message
	for before := int64(0); ; {
		some, err := s.Store.Pinned(t.Context(), viewer, id, before, 2)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, some...); len(some) < 2 {
			return all
		}
		before = some[1].Pin.Rev
	}
}

func (s suite) pins(t *testing.T) {
	u := Users(2)
	c, other := s.Group(t, u...), s.Group(t, u...)
	var m []chat.Message
	for i := range 4 {
		m = append(m, s.Send(t, c.ID, u[0], fmt.Sprint(i)))
	}
	same(t, "none", len(s.pinned(t, u[1], c.ID)), 0)
	elsewhere := s.Pin(t, u[0], s.Send(t, other.ID, u[0], "elsewhere"))
	want := m[2]
	third := s.Pin(t, u[1], m[2])
	if third.Pin == nil {
		t.Fatal("it is not pinned")
	}
	want.Rev, want.Pin = 6, &chat.Pin{Rev: 6, At: third.Pin.At, By: u[1]}
	same(t, "answer", third, want)
	told := s.told.of(c.ID)
	same(t, "told", *told[len(told)-1].Message, want)
	first, last := s.Pin(t, u[0], m[0]), s.Pin(t, u[0], m[3])
	same(t, "pinned", s.pinned(t, u[1], c.ID), []chat.Message{last, first, third})
	same(t, "again, by another", s.Pin(t, u[0], third), third)
	same(t, "none of it", s.Unpin(t, u[0], m[1]), m[1])
	third = s.React(t, u[0], s.Edit(t, third, "edited"), emoji[0])
	same(t, "its pin stays", third.Pin, want.Pin)
	same(t, "and its place", s.pinned(t, u[1], c.ID), []chat.Message{last, first, third})
	first = s.Unpin(t, u[1], first)
	if first.Pin != nil {
		t.Fatalf("%+v", first)
	}
	same(t, "read back", s.message(t, u[0], first.ID), first)
	same(t, "what is left", s.pinned(t, u[1], c.ID), []chat.Message{last, third})
	first = s.Pin(t, u[1], first)
	same(t, "pinned anew", s.pinned(t, u[0], c.ID), []chat.Message{first, last, third})
	same(t, "elsewhere", s.pinned(t, u[1], other.ID), []chat.Message{elsewhere})
	for _, who := range s.strangers(t, c.ID, u[0]) {
		_, err := s.Store.Pinned(t.Context(), who, c.ID, 0, 10)
		refused(t, "a stranger", err, chat.ErrNoConversation)
	}
}

func (s suite) manyPins(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	var m [chat.MaxPins + 2]chat.Message
	failed := atOnce(t.Context(), len(m), func(ctx context.Context, i int) (err error) {
		m[i], err = s.Store.Append(ctx, chat.NewMessage{
			ID: ids.New[ids.Message](), Conversation: c.ID, Sender: u[0], Kind: chat.Text, Text: "text", CreatedAt: s.Now(), Version: 1,
		})
		if err == nil {
			m[i], err = s.Store.Revise(ctx, chat.Revision{Message: m[i].ID, Version: 1, Kind: chat.ToPin, User: u[0], At: s.Now()})
		}
		return err
	})
	var without, pinned int
	for i, err := range failed {
		if err == nil {
			pinned = i
			continue
		}
		refused(t, "one more", err, chat.ErrTooManyPins)
		without++
	}
	same(t, "refused", without, 2)
	all, err := s.Store.Pinned(t.Context(), u[0], c.ID, 0, 2*chat.MaxPins)
	if err != nil || len(all) != chat.MaxPins {
		t.Fatal(len(all), err)
	}
	same(t, "the same again", s.Pin(t, u[0], m[pinned]).Pin != nil, true)
	s.Delete(t, m[pinned])
	last := s.Pin(t, u[0], s.Send(t, c.ID, u[0], "in place of one that is gone"))
	_, err = s.Store.Revise(t.Context(), chat.Revision{
		Message: s.Send(t, c.ID, u[0], "text").ID, Version: 1, Kind: chat.ToPin, User: u[0], At: s.Now(),
	})
	refused(t, "one more", err, chat.ErrTooManyPins)
	s.Unpin(t, u[0], last)
	s.Pin(t, u[0], last)
}

func (s suite) pinAgainstUnpin(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "text")
	for _, err := range atOnce(t.Context(), 20, func(ctx context.Context, i int) error {
		r := chat.Revision{Message: m.ID, Version: 1, Kind: chat.ToPin, User: u[i%2], At: s.Now()}
		if i%3 == 0 {
			r.Kind = chat.ToUnpin
		}
		_, err := s.Store.Revise(ctx, r)
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	m = s.message(t, u[0], m.ID)
	told := s.told.of(c.ID)
	on := false
	for _, e := range told[2:] {
		if (e.Message.Pin != nil) == on {
			t.Fatalf("rev %d changes nothing", e.Rev)
		}
		on = !on
	}
	same(t, "the last that was told", *told[len(told)-1].Message, m)
	same(t, "pinned", len(s.pinned(t, u[0], c.ID)) == 1, m.Pin != nil)
}
