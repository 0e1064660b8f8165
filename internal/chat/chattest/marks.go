package chattest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) markTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"a reaction counts once for each user and emoji":                 s.reactions,
		"reactions stand by first use, and their users by when they did": s.reactors,
		"who was away gets the newest reactions once":                    s.reactionsMissed,
		"a deleted message has no reactions and no pin":                  s.marksDeleted,
		"a message has so many different reactions and no more":          s.manyReactions,
		"pinned messages are listed by their pins, newest first":         s.pins,
		"a conversation has so many pins and no more":                    s.manyPins,
		"a pin and its removal that race leave one of them":              s.pinAgainstUnpin,
		"a reaction decided on another membership is refused":            s.markMoved,
	}
}

// emoji are for reactions; which ones, stores do not care.
var emoji = []string{"👍", "❤️", "🎉", "👩🏿‍❤️‍💋‍👨🏻", "1️⃣", "🇩🇪"}

func (s suite) reactorsOf(t *testing.T, limit int, of ...chat.Message) []chat.Reactor {
	t.Helper()
	all, err := s.Store.Reactors(t.Context(), of, limit)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// users are those of one reaction.
func users(of []chat.Reactor, message ids.Message, emoji string) []ids.User {
	var all []ids.User
	for _, r := range of {
		if r.Message == message && r.Emoji == emoji {
			all = append(all, r.User)
		}
	}
	return all
}

func (s suite) reacted(t *testing.T, user ids.User, of ...chat.Message) map[ids.Message][]string {
	t.Helper()
	asked := make([]ids.Message, len(of))
	for i, m := range of {
		asked[i] = m.ID
	}
	all, err := s.Store.Reacted(t.Context(), user, asked)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[ids.Message][]string)
	for _, r := range all {
		same(t, "user", r.User, user)
		out[r.Message] = append(out[r.Message], r.Emoji)
		slices.Sort(out[r.Message])
	}
	return out
}

func (s suite) message(t *testing.T, viewer ids.User, id ids.Message) chat.Message {
	t.Helper()
	m, err := s.Store.Message(t.Context(), viewer, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (s suite) reactions(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u...)
	plain, m := s.Send(t, c.ID, u[0], "plain"), s.append(t, s.keyed(t, c.ID, u[0], "one", "key"))
	before := s.Position(t)
	got := s.React(t, u[1], m, emoji[0])
	want := m
	want.Rev, want.Reactions = 4, []chat.Reaction{{Emoji: emoji[0], Count: 1}}
	same(t, "answer", got, want)
	same(t, "read back", s.message(t, u[2], m.ID), want)
	told := s.told.of(c.ID)
	last := told[len(told)-1]
	same(t, "told", *last, chat.Event{
		Kind: chat.MessageChanged, Conversation: c.ID, Pos: last.Pos, Rev: 4, LastOrd: 2, Message: &want,
	})
	same(t, "again", s.React(t, u[1], m, emoji[0]), want)
	same(t, "what is not there", s.Unreact(t, u[1], m, emoji[1]), want)
	same(t, "another's", s.Unreact(t, u[0], m, emoji[0]), want)
	want.Rev, want.Reactions = 5, []chat.Reaction{{Emoji: emoji[0], Count: 2}}
	same(t, "another user", s.React(t, u[0], m, emoji[0]), want)
	want.Rev, want.Reactions = 6, []chat.Reaction{{Emoji: emoji[0], Count: 2}, {Emoji: emoji[3], Count: 1}}
	same(t, "another emoji", s.React(t, u[0], m, emoji[3]), want)
	want.Rev, want.Reactions = 7, []chat.Reaction{{Emoji: emoji[0], Count: 1}, {Emoji: emoji[3], Count: 1}}
	same(t, "one is gone", s.Unreact(t, u[1], m, emoji[0]), want)
	edited := s.Edit(t, m, "two")
	want.Rev, want.Text, want.EditedAt = 8, "two", edited.EditedAt
	same(t, "an edit leaves them", edited, want)
	same(t, "edits", s.edits(t, u[1], m.ID), []chat.Edit{{Rev: 8, Text: "one", EditedAt: edited.EditedAt}})
	same(t, "page", s.All(t, u[2], c.ID), []chat.Message{plain, want})
	again, err := s.Store.Append(t.Context(), s.keyed(t, c.ID, u[0], "one", "key"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a retry gives it as it is", again, want)
	s.Unreact(t, u[0], m, emoji[3])
	want.Rev, want.Reactions = 10, nil
	same(t, "none is left", s.Unreact(t, u[0], m, emoji[0]), want)
	v := s.View(t, u[1], c.ID)
	same(t, "conversation", []int64{v.LastSeq, v.LastRev, v.LastOrd, v.UnreadCount()}, []int64{2, 10, 2, 2})
	same(t, "reactors", len(s.reactorsOf(t, 10, got, want)), 0)
	for i, e := range s.readAll(t, before, 3) {
		if e.Conversation == c.ID {
			same(t, fmt.Sprint("event ", i), *e.Message, want)
		}
	}
}

func (s suite) reactors(t *testing.T) {
	u := Users(4)
	c := s.Group(t, u...)
	a, b, plain := s.Send(t, c.ID, u[0], "a"), s.Send(t, c.ID, u[0], "b"), s.Send(t, c.ID, u[0], "plain")
	s.React(t, u[0], a, emoji[1])
	s.React(t, u[1], a, emoji[0])
	for _, who := range []int{2, 0, 3} {
		s.React(t, u[who], a, emoji[0])
		s.React(t, u[who], b, emoji[0])
	}
	a = s.React(t, u[1], a, emoji[1])
	a = s.Unreact(t, u[0], a, emoji[1]) // its place stays
	b = s.React(t, u[2], b, emoji[4])
	same(t, "by first use", a.Reactions, []chat.Reaction{{Emoji: emoji[1], Count: 1}, {Emoji: emoji[0], Count: 4}})
	same(t, "by first use", b.Reactions, []chat.Reaction{{Emoji: emoji[0], Count: 3}, {Emoji: emoji[4], Count: 1}})
	all := s.reactorsOf(t, 2, a, b, plain)
	same(t, "reactors", len(all), 6)
	same(t, "first", users(all, a.ID, emoji[0]), []ids.User{u[1], u[2]})
	same(t, "who is left", users(all, a.ID, emoji[1]), []ids.User{u[1]})
	same(t, "of another message", users(all, b.ID, emoji[0]), []ids.User{u[2], u[0]})
	same(t, "of another emoji", users(all, b.ID, emoji[4]), []ids.User{u[2]})
	same(t, "all", users(s.reactorsOf(t, 100, a), a.ID, emoji[0]), []ids.User{u[1], u[2], u[0], u[3]})
	same(t, "of plain ones", len(s.reactorsOf(t, 2, plain)), 0)
	same(t, "of none", len(s.reactorsOf(t, 2)), 0)
	a = s.Unreact(t, u[1], a, emoji[1])
	a = s.Unreact(t, u[1], a, emoji[0])
	a = s.React(t, u[1], a, emoji[0])
	a = s.React(t, u[3], a, emoji[1])
	same(t, "anew", a.Reactions, []chat.Reaction{{Emoji: emoji[0], Count: 4}, {Emoji: emoji[1], Count: 1}})
	same(t, "who comes again is the last", users(s.reactorsOf(t, 4, a), a.ID, emoji[0]), []ids.User{u[2], u[0], u[3], u[1]})
	same(t, "own", s.reacted(t, u[2], a, b, plain), map[ids.Message][]string{a.ID: {emoji[0]}, b.ID: {emoji[4], emoji[0]}})
	same(t, "own of one", s.reacted(t, u[3], a), map[ids.Message][]string{a.ID: {emoji[1], emoji[0]}})
	same(t, "own of none", len(s.reacted(t, u[3])), 0)
	same(t, "a stranger's", len(s.reacted(t, Users(1)[0], a, b, plain)), 0)
}

func (s suite) reactionsMissed(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	m, other := s.Send(t, c.ID, u[0], "text"), s.Send(t, c.ID, u[0], "text")
	s.React(t, u[0], m, emoji[0])
	after, rev := s.Position(t), s.View(t, u[1], c.ID).LastRev
	s.React(t, u[0], other, emoji[2])
	s.React(t, u[0], m, emoji[1])
	s.Unreact(t, u[0], m, emoji[0])
	other = s.Pin(t, u[0], other)
	m = s.Unreact(t, u[0], m, emoji[1])
	got, err := s.Store.Changed(t.Context(), u[1], c.ID, rev, 10)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "changed", got, []chat.Message{other, m})
	events := s.replay(t, u[1], after)
	s.replayed(t, events, s.told.of(c.ID)[4:]...)
	for _, e := range events {
		want := m
		if e.Message.ID == other.ID {
			want = other
		}
		same(t, "state", *e.Message, want)
	}
}

func (s suite) marksDeleted(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "text")
	s.React(t, u[1], m, emoji[0])
	s.React(t, u[0], m, emoji[0])
	s.Unreact(t, u[1], m, emoji[0])
	marked := s.Pin(t, u[1], m)
	gone := s.Delete(t, m)
	if gone.Reactions != nil || gone.Pin != nil || marked.Reactions == nil || marked.Pin == nil {
		t.Fatalf("%+v became %+v", marked, gone)
	}
	same(t, "reactors", len(s.reactorsOf(t, 10, marked)), 0)
	same(t, "own", len(s.reacted(t, u[0], marked)), 0)
	same(t, "pinned", len(s.pinned(t, u[0], c.ID)), 0)
	for _, e := range s.readAll(t, s.told.of(c.ID)[0].Pos-1, 100) {
		if e.Conversation == c.ID && e.Message != nil {
			same(t, "journal", *e.Message, gone)
		}
	}
	version := s.View(t, u[0], c.ID).MemberVersion
	for _, kind := range []chat.RevisionKind{chat.ToReact, chat.ToUnreact, chat.ToPin, chat.ToUnpin} {
		_, err := s.Store.Revise(t.Context(), chat.Revision{
			Message: m.ID, Version: version, Kind: kind, User: u[0], Emoji: emoji[0], At: s.Now(),
		})
		refused(t, string(kind), err, chat.ErrDeleted)
	}
	same(t, "rev", s.View(t, u[0], c.ID).LastRev, gone.Rev)
}

func (s suite) manyReactions(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "text")
	for _, err := range atOnce(t.Context(), chat.MaxReactions, func(ctx context.Context, i int) error {
		_, err := s.Store.Revise(ctx, chat.Revision{
			Message: m.ID, Version: 1, Kind: chat.ToReact, User: u[0], Emoji: fmt.Sprintf("%c", 0x1f400+i), At: s.Now(),
		})
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	m = s.message(t, u[1], m.ID)
	same(t, "different ones", len(m.Reactions), chat.MaxReactions)
	react := chat.Revision{Message: m.ID, Version: 1, Kind: chat.ToReact, User: u[1], Emoji: emoji[0], At: s.Now()}
	_, err := s.Store.Revise(t.Context(), react)
	refused(t, "one more", err, chat.ErrTooManyReactions)
	same(t, "nothing changed", s.message(t, u[1], m.ID), m)
	same(t, "nothing changed", len(s.reacted(t, u[1], m)), 0)
	m = s.React(t, u[1], m, m.Reactions[7].Emoji)
	same(t, "one of them", m.Reactions[7].Count, 2)
	s.Unreact(t, u[0], m, m.Reactions[0].Emoji)
	m = s.React(t, u[1], m, emoji[0])
	same(t, "in place of one that is gone", m.Reactions[chat.MaxReactions-1], chat.Reaction{Emoji: emoji[0], Count: 1})
	same(t, "reactors", len(s.reactorsOf(t, 10, m)), chat.MaxReactions+1)
}

func (s suite) markMoved(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u[0])
	m := s.Pin(t, u[0], s.React(t, u[0], s.Send(t, c.ID, u[0], "text"), emoji[0]))
	s.Add(t, c.ID, u[0], u[1])
	for _, kind := range []chat.RevisionKind{chat.ToReact, chat.ToUnreact, chat.ToPin, chat.ToUnpin} {
		r := chat.Revision{Message: m.ID, Version: 1, Kind: kind, User: u[0], Emoji: emoji[0], At: s.Now()}
		_, err := s.Store.Revise(t.Context(), r)
		refused(t, string(kind), err, chat.ErrMoved)
		r.Message = ids.New[ids.Message]()
		_, err = s.Store.Revise(t.Context(), r)
		refused(t, "none", err, chat.ErrNoMessage)
	}
	same(t, "the message is as it was", s.message(t, u[1], m.ID), m)
}
