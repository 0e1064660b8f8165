package chattest

import (
	"cmp"
	"context"
	"slices"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// MarkDelivered moves a member's delivered position.
func (f *Fixture) MarkDelivered(t testing.TB, user ids.User, id ids.Conversation, seq int64) chat.Receipt {
	t.Helper()
	r, err := f.Store.MarkDelivered(t.Context(), user, id, seq)
	if err != nil {
		t.Fatalf("mark %d delivered: %v", seq, err)
	}
	return r
}

// MarkUnread moves a member's read position back.
func (f *Fixture) MarkUnread(t testing.TB, user ids.User, id ids.Conversation, seq int64) chat.Receipt {
	t.Helper()
	r, err := f.Store.MarkUnread(t.Context(), user, id, seq)
	if err != nil {
		t.Fatalf("mark %d unread: %v", seq, err)
	}
	return r
}

func (s suite) positionTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"a delivered position goes forward only":                   s.deliveredForward,
		"a read position goes back, for its member alone":          s.unreadBack,
		"notes do not count after a step back":                     s.unreadOverNotes,
		"nobody else has positions to move":                        s.positionRights,
		"reading and unreading that race end as the last said":     s.unreadRaces,
		"positions are of small conversations and to members only": s.positions,
		"who comes in has not read what was before":                s.joinedPositions,
		"a replay has where somebody is after a step back":         s.unreadReplayed,
	}
}

func (s suite) texts(t *testing.T, id ids.Conversation, sender ids.User, n int) {
	t.Helper()
	for range n {
		s.Send(t, id, sender, "text")
	}
}

func (s suite) deliveredForward(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	s.texts(t, c.ID, u[0], 5)
	told := len(s.told.of(c.ID))
	for _, step := range []struct{ ask, get, told int64 }{
		{0, 0, 0}, {2, 2, 1}, {1, 2, 1}, {2, 2, 1}, {-1, 2, 1}, {99, 5, 2}, {99, 5, 2},
	} {
		same(t, "receipt", s.MarkDelivered(t, u[1], c.ID, step.ask), chat.Receipt{User: u[1], DeliveredSeq: step.get})
		same(t, "told", int64(len(s.told.of(c.ID))-told), step.told)
	}
	same(t, "unread", s.View(t, u[1], c.ID).UnreadCount(), 5)
	same(t, "read after delivery", s.MarkRead(t, u[1], c.ID, 3), chat.Receipt{User: u[1], ReadSeq: 3, ReadOrd: 3, DeliveredSeq: 5})
	all := s.told.of(c.ID)
	e := all[len(all)-2]
	same(t, "event", *e, chat.Event{
		Kind: chat.ReceiptChanged, Conversation: c.ID, Pos: e.Pos, LastOrd: 5, Receipt: &chat.Receipt{User: u[1], DeliveredSeq: 5},
	})
}

func (s suite) unreadBack(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	s.texts(t, c.ID, u[0], 5)
	s.MarkRead(t, u[1], c.ID, 4)
	told := len(s.told.of(c.ID))
	for _, step := range []struct{ ask, read, seen, told int64 }{
		{5, 4, 0, 0}, {3, 2, 4, 1}, {3, 2, 4, 1}, {4, 2, 4, 1}, {1, 0, 4, 2}, {1, 0, 4, 2},
	} {
		r := s.MarkUnread(t, u[1], c.ID, step.ask)
		same(t, "receipt", r, chat.Receipt{User: u[1], ReadSeq: step.read, ReadOrd: step.read, DeliveredSeq: 4, SeenSeq: step.seen})
		same(t, "unread", s.View(t, u[1], c.ID).UnreadCount(), 5-step.read)
		same(t, "told", int64(len(s.told.of(c.ID))-told), step.told)
	}
	same(t, "read again", s.MarkRead(t, u[1], c.ID, 3), chat.Receipt{User: u[1], ReadSeq: 3, ReadOrd: 3, DeliveredSeq: 4, SeenSeq: 4})
	same(t, "shown", s.View(t, u[1], c.ID).Viewer.Shown(), 4)
	s.Send(t, c.ID, u[1], "an own one")
	v := s.View(t, u[1], c.ID)
	same(t, "after sending", []int64{v.Viewer.ReadSeq, v.Viewer.Shown(), v.UnreadCount()}, []int64{6, 6, 0})
	for _, seq := range []int64{0, -1, 7, 1 << 40} {
		_, err := s.Store.MarkUnread(t.Context(), u[1], c.ID, seq)
		refused(t, "no message", err, chat.ErrSeqBeyond)
	}
	same(t, "rev", s.View(t, u[1], c.ID).LastRev, 7)
}

func (s suite) unreadOverNotes(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u[0], u[1])
	s.Send(t, c.ID, u[0], "one")
	s.Add(t, c.ID, u[0], u[2])
	s.Send(t, c.ID, u[0], "three")
	for _, step := range []struct{ seq, read, unread int64 }{{3, 2, 1}, {2, 1, 1}, {1, 0, 2}} {
		s.MarkRead(t, u[1], c.ID, 3)
		same(t, "read", s.MarkUnread(t, u[1], c.ID, step.seq).ReadSeq, step.read)
		same(t, "unread", s.View(t, u[1], c.ID).UnreadCount(), step.unread)
	}
}

func (s suite) positionRights(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	s.Send(t, c.ID, u[0], "text")
	for _, stranger := range s.strangers(t, c.ID, u[0]) {
		_, err := s.Store.MarkDelivered(t.Context(), stranger, c.ID, 1)
		refused(t, "a stranger", err, chat.ErrNoConversation)
		_, err = s.Store.MarkUnread(t.Context(), stranger, c.ID, 1)
		refused(t, "a stranger", err, chat.ErrNoConversation)
		found, err := s.Store.Positions(t.Context(), stranger, []ids.Conversation{c.ID}, 100)
		if err != nil || len(found) != 0 {
			t.Fatal("a stranger sees positions", found, err)
		}
	}
	_, err := s.Store.MarkUnread(t.Context(), u[0], ids.New[ids.Conversation](), 1)
	refused(t, "none", err, chat.ErrNoConversation)
}

// What is told last of each member is what is stored, whatever raced.
func (s suite) unreadRaces(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u...)
	s.texts(t, c.ID, u[0], 20)
	for _, err := range atOnce(t.Context(), 90, func(ctx context.Context, i int) error {
		seq, who := int64(i*7%20+1), u[1+i%2]
		var err error
		switch i % 3 {
		case 0:
			_, _, err = s.Store.MarkRead(ctx, who, c.ID, seq)
		case 1:
			_, err = s.Store.MarkUnread(ctx, who, c.ID, seq)
		default:
			_, err = s.Store.MarkDelivered(ctx, who, c.ID, seq)
		}
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	last := make(map[ids.User]chat.Receipt)
	for _, e := range s.told.of(c.ID) {
		r := e.Receipt
		if r == nil {
			continue
		}
		was := last[r.User]
		if r.DeliveredSeq < was.DeliveredSeq || r.Shown() < was.Shown() || r.DeliveredSeq < r.Shown() || *r == was {
			t.Fatalf("told %+v after %+v", *r, was)
		}
		last[r.User] = *r
	}
	for _, who := range u[1:] {
		v := s.View(t, who, c.ID)
		m := v.Viewer
		same(t, "stored", chat.Receipt{
			User: who, ReadSeq: m.ReadSeq, ReadOrd: m.ReadOrd, DeliveredSeq: m.DeliveredSeq, SeenSeq: m.SeenSeq,
		}, last[who])
		same(t, "unread", v.UnreadCount(), 20-m.ReadSeq)
	}
}

func (s suite) positions(t *testing.T) {
	u := Users(4)
	small, other, large := s.Group(t, u[0], u[1]), s.Group(t, u[0], u[2]), s.Group(t, u...)
	s.texts(t, small.ID, u[0], 2)
	s.MarkDelivered(t, u[1], small.ID, 2)
	found, err := s.Store.Positions(t.Context(), u[0], []ids.Conversation{small.ID, other.ID, large.ID, ids.New[ids.Conversation]()}, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := append(s.AllMembers(t, u[0], small.ID), s.AllMembers(t, u[0], other.ID)...)
	for _, all := range [][]chat.Member{found, want} {
		slices.SortFunc(all, func(a, b chat.Member) int {
			return cmp.Or(a.Conversation.Compare(b.Conversation), a.User.Compare(b.User))
		})
	}
	same(t, "positions", found, want)
	if none, err := s.Store.Positions(t.Context(), u[0], nil, 3); err != nil || len(none) != 0 {
		t.Fatal(none, err)
	}
}

func (s suite) joinedPositions(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u[0], u[1])
	s.texts(t, c.ID, u[0], 2)
	s.MarkRead(t, u[1], c.ID, 2)
	s.MarkUnread(t, u[1], c.ID, 1)
	s.Add(t, c.ID, u[0], u[2])
	m := s.View(t, u[2], c.ID).Viewer
	same(t, "who came", []int64{m.JoinedSeq, m.ReadSeq, m.DeliveredSeq}, []int64{2, 2, 2})
	same(t, "who was there", s.View(t, u[1], c.ID).Viewer.JoinedSeq, 0)
	s.Remove(t, c.ID, u[0], u[1])
	s.Add(t, c.ID, u[0], u[1])
	m = s.View(t, u[1], c.ID).Viewer
	same(t, "who came back", []int64{m.JoinedSeq, m.ReadSeq, m.SeenSeq}, []int64{4, 4, 0})
}

func (s suite) unreadReplayed(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	s.texts(t, c.ID, u[0], 3)
	after := s.Position(t)
	s.MarkRead(t, u[1], c.ID, 3)
	s.MarkUnread(t, u[1], c.ID, 2)
	got := s.replay(t, u[0], after)
	if len(got) != 1 {
		t.Fatalf("%d events", len(got))
	}
	same(t, "receipt", *got[0].Receipt, chat.Receipt{User: u[1], ReadSeq: 1, ReadOrd: 1, DeliveredSeq: 3, SeenSeq: 3})
}
