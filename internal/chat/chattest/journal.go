package chattest

import (
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) journalTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"the epoch stays and the position grows":                  s.position,
		"standings say how far a viewer has read":                 s.standings,
		"what was missed is what was told":                        s.missed,
		"only so much is replayed":                                s.tooMany,
		"a long absence from a long conversation is walked whole": s.longWalk,
		"the own removal is the last of a conversation":           s.ownRemoval,
		"who joins misses what came before too":                   s.joinedSince,
		"a message deleted since is not replayed as added":        s.deletedSince,
		"what is nobody's to read any more is not loaded":         s.loadRights,
		"of receipts only the newest is there":                    s.receiptsMissed,
	}
}

func (s suite) position(t *testing.T) {
	epoch, pos, err := s.Store.Position(t.Context())
	if err != nil || epoch == "" {
		t.Fatal(epoch, err)
	}
	u := Users(1)
	c := s.Group(t, u...)
	for range 3 {
		m := s.Send(t, c.ID, u[0], "text")
		if m.Pos <= pos {
			t.Fatalf("message at %d, before it was %d", m.Pos, pos)
		}
		after, at, err := s.Store.Position(t.Context())
		if err != nil || after != epoch || at < m.Pos {
			t.Fatal(after, at, err)
		}
		pos = m.Pos
	}
}

func (s suite) standings(t *testing.T) {
	u := Users(2)
	a, b, c := s.Group(t, u...), s.Group(t, u...), s.Group(t, u...)
	s.Send(t, a.ID, u[0], "text")
	s.Send(t, b.ID, u[1], "text")
	s.Leave(t, c.ID, u[0])
	all, err := s.Store.Standings(t.Context(), u[0])
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[ids.Conversation]int64)
	for _, st := range all {
		got[st.Conversation] = st.ReadOrd
	}
	same(t, "standings", got, map[ids.Conversation]int64{a.ID: 1, b.ID: 0})
}

// replay returns the events that a viewer has missed, checking references on
// the way.
func (s suite) replay(t *testing.T, viewer ids.User, after int64) []*chat.Event {
	t.Helper()
	upTo := s.Position(t)
	refs, err := s.Store.Missed(t.Context(), viewer, after, upTo, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	at := make(map[int64]chat.Ref)
	for i, r := range refs {
		if r.Pos <= after || r.Pos > upTo || i > 0 && r.Pos <= refs[i-1].Pos {
			t.Fatalf("reference %d of %d is at %d", i, len(refs), r.Pos)
		}
		at[r.Pos] = r
	}
	events, err := s.Store.Load(t.Context(), viewer, refs)
	if err != nil {
		t.Fatal(err)
	}
	last := after
	for _, e := range events {
		r := at[e.Pos]
		want := chat.Ref{Pos: e.Pos, Kind: e.Kind, Conversation: e.Conversation, Rev: e.Rev}
		if e.Kind == chat.MessageAdded {
			want.Seq = e.Message.Seq
		}
		if e.Receipt != nil {
			want.User = e.Receipt.User
		}
		if e.Settings != nil {
			want.User = e.Settings.User
		}
		same(t, "reference", r, want)
		if e.Pos <= last {
			t.Fatalf("event at %d after one at %d", e.Pos, last)
		}
		last = e.Pos
	}
	return events
}

// replayed compares a replay with what was told of some conversations, by
// what never changes of an event.
func (s suite) replayed(t *testing.T, got []*chat.Event, want ...*chat.Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d events were replayed, want %d", len(got), len(want))
	}
	for i := range got {
		same(t, "event", numbers(got[i]), numbers(want[i]))
	}
}

func (s suite) missed(t *testing.T) {
	u := Users(3)
	a, b, idle, others := s.Group(t, u[0], u[1]), s.Group(t, u[1], u[0]), s.Group(t, u[0], u[1]), s.Group(t, u[1])
	first := s.Send(t, a.ID, u[1], "seen")
	s.Send(t, idle.ID, u[1], "seen")
	after := s.Position(t)
	same(t, "nothing", len(s.replay(t, u[0], after)), 0)
	s.Send(t, b.ID, u[1], "one")
	s.Send(t, others.ID, u[1], "not for you")
	second := s.Send(t, a.ID, u[0], "two")
	edited := s.Edit(t, first, "edited")
	s.Add(t, a.ID, u[0], u[2])
	s.SetRole(t, a.ID, u[0], u[2], chat.Admin)
	s.MarkRead(t, u[1], a.ID, 2)
	c := s.Group(t, u[2], u[0])
	want := s.told.of(a.ID, b.ID, c.ID)
	for len(want) > 0 && want[0].Pos <= after {
		want = want[1:]
	}
	got := s.replay(t, u[0], after)
	s.replayed(t, got, want...)
	same(t, "events", len(got), 9)
	same(t, "added", *got[1].Message, second)
	same(t, "edited", *got[2].Message, edited)
	same(t, "receipt", *got[7].Receipt, chat.Receipt{User: u[1], ReadSeq: 2, ReadOrd: 2, DeliveredSeq: 2})
	s.replayed(t, s.replay(t, u[0], got[3].Pos), want[4:]...)
	refs, err := s.Store.Missed(t.Context(), u[0], after, got[3].Pos, 10)
	if err != nil || len(refs) != 4 {
		t.Fatal("up to the fourth:", len(refs), err)
	}
}

func (s suite) tooMany(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	after := s.Position(t)
	for i := range 3 {
		m := s.Send(t, c.ID, u[0], "text")
		if i == 0 {
			s.Edit(t, m, "edited")
		}
		s.MarkRead(t, u[1], c.ID, m.Seq)
	}
	upTo := s.Position(t)
	refs, err := s.Store.Missed(t.Context(), u[0], after, upTo, 5)
	if err != nil || len(refs) != 5 {
		t.Fatal("just enough:", len(refs), err)
	}
	for limit := range 5 {
		_, err = s.Store.Missed(t.Context(), u[0], after, upTo, limit)
		refused(t, "too many", err, chat.ErrTooMany)
	}
	if refs, err = s.Store.Missed(t.Context(), u[0], upTo, upTo, 0); err != nil || len(refs) != 0 {
		t.Fatal("none:", len(refs), err)
	}
}

func (s suite) longWalk(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "text")
	after := s.Position(t)
	for range 140 {
		s.Send(t, c.ID, u[0], "text")
		s.Edit(t, m, "text")
	}
	s.replayed(t, s.replay(t, u[0], after), s.told.of(c.ID)[2:]...)
	s.replayed(t, s.replay(t, u[0], 0), s.told.of(c.ID)...)
}

func (s suite) ownRemoval(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	after := s.Position(t)
	s.Send(t, c.ID, u[0], "before")
	s.Remove(t, c.ID, u[0], u[1])
	removed := s.told.of(c.ID)[2]
	s.Send(t, c.ID, u[0], "secret")
	got := s.replay(t, u[1], after)
	s.replayed(t, got, removed)
	same(t, "membership", *got[0].Membership,
		chat.Membership{User: u[1], Change: chat.Removed, Role: chat.Plain, Actor: u[0]})
	same(t, "later", len(s.replay(t, u[1], removed.Pos)), 0)
	s.Add(t, c.ID, u[0], u[1])
	s.replayed(t, s.replay(t, u[1], after), s.told.of(c.ID)[1:]...)
}

func (s suite) joinedSince(t *testing.T) {
	u := Users(2)
	after := s.Position(t)
	c := s.Group(t, u[0])
	s.Send(t, c.ID, u[0], "before")
	s.Add(t, c.ID, u[0], u[1])
	s.replayed(t, s.replay(t, u[1], after), s.told.of(c.ID)...)
}

func (s suite) deletedSince(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	after := s.Position(t)
	m := s.Send(t, c.ID, u[0], "text")
	s.Edit(t, m, "edited")
	gone := s.Delete(t, m)
	got := s.replay(t, u[1], after)
	s.replayed(t, got, s.told.of(c.ID)[2:]...)
	for _, e := range got {
		same(t, "state", *e.Message, gone)
	}
}

func (s suite) loadRights(t *testing.T) {
	u := Users(2)
	c, other := s.Group(t, u...), s.Group(t, u...)
	after := s.Position(t)
	s.Send(t, c.ID, u[0], "secret")
	s.MarkRead(t, u[1], c.ID, 1)
	s.Send(t, other.ID, u[0], "yours")
	refs, err := s.Store.Missed(t.Context(), u[1], after, s.Position(t), 10)
	if err != nil || len(refs) != 3 {
		t.Fatal(len(refs), err)
	}
	s.Remove(t, c.ID, u[0], u[1])
	events, err := s.Store.Load(t.Context(), u[1], refs)
	if err != nil {
		t.Fatal(err)
	}
	s.replayed(t, events, s.told.of(other.ID)[1])
	events, err = s.Store.Load(t.Context(), Users(1)[0], refs)
	if err != nil || len(events) != 0 {
		t.Fatal("a stranger loads", len(events), err)
	}
	if events, err = s.Store.Load(t.Context(), u[1], nil); err != nil || len(events) != 0 {
		t.Fatal("nothing", len(events), err)
	}
}

func (s suite) receiptsMissed(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u...)
	for range 3 {
		s.Send(t, c.ID, u[0], "text")
	}
	after := s.Position(t)
	for seq := range int64(4) {
		s.MarkRead(t, u[1], c.ID, seq)
		s.MarkRead(t, u[2], c.ID, seq)
	}
	told := s.told.of(c.ID)
	s.replayed(t, s.replay(t, u[0], after), told[len(told)-2:]...)
	superseded := told[len(told)-3]
	events, err := s.Store.Load(t.Context(), u[0], []chat.Ref{
		{Pos: superseded.Pos, Kind: chat.ReceiptChanged, Conversation: c.ID, User: superseded.Receipt.User},
	})
	if err != nil || len(events) != 0 {
		t.Fatal("a superseded receipt was loaded:", len(events), err)
	}
	s.Leave(t, c.ID, u[2])
	told = s.told.of(c.ID)
	left := len(told) - 2
	s.replayed(t, s.replay(t, u[0], after), told[left-2], told[left], told[left+1])
}
