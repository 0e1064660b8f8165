package chattest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) messageTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"a message comes back as it was sent":              s.roundTrip,
		"messages are numbered without a hole":             s.numbered,
		"a message is told with its state":                 s.sendTold,
		"a send decided on another membership is refused":  s.sendMoved,
		"messages are their conversation's members' alone": s.messageRights,
		"several messages are read at once":                s.messagesByID,
		"one message of each conversation is read at once": s.messagesAt,
		"a message in the middle of a group fails alone":   s.failsAlone,
	}
}

func (s suite) roundTrip(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	first := s.Send(t, c.ID, u[0], "first")
	for _, text := range []string{
		"a", "'; DELETE FROM chat_message; --", `$1 ?1 :a @b \0 \' "`, "line\nbreaks\r\n\tand tabs", "é𝄞👩‍👩‍👧 مرحبا \u202e",
		strings.Repeat("𝄞", chat.MaxTextLen), "\ufeff", " ",
	} {
		in := s.Message(t, c.ID, u[1], text)
		in.ClientID, in.InputHash, in.ReplyTo = "é "+in.ID.String(), []byte{0, 1, 2, 255}, first.ID
		out, err := s.Store.Append(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		want := chat.Message{
			ID: in.ID, Conversation: c.ID, Seq: out.Seq, Rev: out.Rev, Ord: out.Ord, Pos: out.Pos, Kind: chat.Text,
			Sender: u[1], Text: text, ClientID: in.ClientID, ReplyTo: first.ID, CreatedAt: in.CreatedAt,
		}
		same(t, "answer", out, want)
		got, err := s.Store.Message(t.Context(), u[0], in.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "read back", got, want)
	}
}

func (s suite) numbered(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	for i := range int64(5) {
		m := s.Send(t, c.ID, u[i%2], "text")
		same(t, "numbers", []int64{m.Seq, m.Rev, m.Ord}, []int64{i + 1, i + 2, i + 1})
		v := s.View(t, u[0], c.ID)
		same(t, "conversation", []int64{v.LastSeq, v.LastRev, v.LastOrd, v.ActivePos}, []int64{m.Seq, m.Rev, m.Ord, m.Pos})
		if m.Pos > s.Position(t) {
			t.Fatal("the message is beyond the position")
		}
	}
}

func (s suite) sendTold(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "text")
	told := s.told.of(c.ID)
	same(t, "told", len(told), 2)
	same(t, "event", *told[1], chat.Event{
		Kind: chat.MessageAdded, Conversation: c.ID, Pos: m.Pos, Rev: 2, LastOrd: 1, Message: &m,
	})
}

func (s suite) sendMoved(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	m := s.Message(t, c.ID, u[1], "too late")
	s.Remove(t, c.ID, u[0], u[1])
	_, err := s.Store.Append(t.Context(), m)
	refused(t, "an old version", err, chat.ErrMoved)
	same(t, "only the note is there", len(s.All(t, u[0], c.ID)), 1)
	m.Conversation = ids.New[ids.Conversation]()
	_, err = s.Store.Append(t.Context(), m)
	refused(t, "none", err, chat.ErrNoConversation)
}

func (s suite) messageRights(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	m := s.Edit(t, s.Send(t, c.ID, u[0], "secret"), "still secret")
	for _, stranger := range s.strangers(t, c.ID, u[0]) {
		_, err := s.Store.Message(t.Context(), stranger, m.ID)
		refused(t, "Message", err, chat.ErrNoMessage)
		_, err = s.Store.Edits(t.Context(), stranger, m.ID, 0, 10)
		refused(t, "Edits", err, chat.ErrNoMessage)
		_, err = s.Store.Page(t.Context(), stranger, chat.MessagePage{Conversation: c.ID, Limit: 10})
		refused(t, "Page", err, chat.ErrNoConversation)
		_, err = s.Store.Changed(t.Context(), stranger, c.ID, 0, 10)
		refused(t, "Changed", err, chat.ErrNoConversation)
		some, err := s.Store.MessagesByID(t.Context(), stranger, []ids.Message{m.ID})
		if len(some) != 0 || err != nil {
			t.Fatal("MessagesByID:", some, err)
		}
		some, err = s.Store.MessagesAt(t.Context(), stranger, map[ids.Conversation]int64{c.ID: m.Seq})
		if len(some) != 0 || err != nil {
			t.Fatal("MessagesAt:", some, err)
		}
	}
	for _, id := range []ids.Message{ids.New[ids.Message](), {}} {
		_, err := s.Store.Message(t.Context(), u[0], id)
		refused(t, "none", err, chat.ErrNoMessage)
		_, err = s.Store.Edits(t.Context(), u[0], id, 0, 10)
		refused(t, "edits of none", err, chat.ErrNoMessage)
	}
	_, err := s.Store.Page(t.Context(), u[0], chat.MessagePage{Conversation: ids.New[ids.Conversation](), Limit: 1})
	refused(t, "page of none", err, chat.ErrNoConversation)
}

func (s suite) messagesByID(t *testing.T) {
	u := Users(2)
	mine, others := s.Group(t, u...), s.Group(t, u[1])
	want := make(map[ids.Message]chat.Message)
	of := []ids.Message{ids.New[ids.Message](), s.Send(t, others.ID, u[1], "not for you").ID}
	for range 105 {
		m := s.Send(t, mine.ID, u[1], "text")
		want[m.ID], of = m, append(of, m.ID)
	}
	some, err := s.Store.MessagesByID(t.Context(), u[0], append(of, of[3]))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[ids.Message]chat.Message)
	for _, m := range some {
		got[m.ID] = m
	}
	same(t, "messages", got, want)
}

func (s suite) messagesAt(t *testing.T) {
	u := Users(2)
	at := make(map[ids.Conversation]int64)
	want := make(map[ids.Message]chat.Message)
	for i := range 17 {
		c := s.Group(t, u...)
		s.Send(t, c.ID, u[0], "one")
		m := s.Send(t, c.ID, u[0], "two")
		if at[c.ID] = 2; i == 0 {
			at[c.ID] = 3 // which is not there
			continue
		}
		want[m.ID] = m
	}
	others := s.Group(t, u[1])
	s.Send(t, others.ID, u[1], "not for you")
	at[others.ID] = 1
	some, err := s.Store.MessagesAt(t.Context(), u[0], at)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[ids.Message]chat.Message)
	for _, m := range some {
		got[m.ID] = m
	}
	same(t, "messages", got, want)
}

func (s suite) failsAlone(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	taken := s.Send(t, c.ID, u[0], "taken")
	good := make([]chat.NewMessage, 30)
	for i := range good {
		good[i] = s.Message(t, c.ID, u[0], "good")
	}
	good[15].ID = taken.ID
	errs := atOnce(t.Context(), len(good), func(ctx context.Context, i int) error {
		_, err := s.Store.Append(ctx, good[i])
		return err
	})
	for i, err := range errs {
		if (err != nil) != (i == 15) {
			t.Fatal(i, err)
		}
	}
	for i, m := range s.All(t, u[0], c.ID) {
		same(t, "seq", m.Seq, int64(i+1))
	}
	same(t, "newest", s.View(t, u[0], c.ID).LastSeq, 30)
}

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
