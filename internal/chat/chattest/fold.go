package chattest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) foldTests() map[string]func(*testing.T) {
	all := make(map[string]func(*testing.T))
	for seed := range uint64(6) {
		all[fmt.Sprintf("what is folded from events is what is read afresh, script %d", seed)] = func(t *testing.T) {
			s.fold(t, rand.New(rand.NewPCG(seed, 1)))
		}
	}
	return all
}

// room is what an observer of events knows of a conversation.
type room struct {
	rev      int64
	seq, ord int64
	about    chat.About
	members  map[ids.User]chat.Member
	messages map[int64]chat.Message
}

// script does random things in a few conversations of a few users.
type script struct {
	suite
	rnd    *rand.Rand
	users  []ids.User
	rooms  []ids.Conversation
	owner  map[ids.Conversation]ids.User
	folded map[ids.Conversation]*room
	pos    int64 // up to which the events are folded
}

func (s suite) fold(t *testing.T, rnd *rand.Rand) {
	f := &script{
		suite: s, rnd: rnd, users: Users(6), pos: s.Position(t),
		owner: make(map[ids.Conversation]ids.User), folded: make(map[ids.Conversation]*room),
	}
	for i := range 3 {
		n := s.NewGroup(f.users[i], f.users[(i+1)%6], f.users[(i+2)%6])
		c, _, err := s.Store.Create(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		f.rooms, f.owner[c.ID] = append(f.rooms, c.ID), n.Creator
		f.folded[c.ID] = &room{members: make(map[ids.User]chat.Member), messages: make(map[int64]chat.Message)}
		for _, m := range n.Members {
			f.folded[c.ID].members[m.User] = m
		}
	}
	for range s.steps(150) {
		f.act(t)
		if rnd.IntN(10) == 0 {
			f.observe(t)
		}
	}
	f.observe(t)
	f.compare(t)
	f.compareReplays(t)
}

func pick[T any](rnd *rand.Rand, of []T) T { return of[rnd.IntN(len(of))] }

func (f *script) act(t testing.TB) {
	id := pick(f.rnd, f.rooms)
	owner := f.owner[id]
	var in, out []ids.User
	for _, m := range f.AllMembers(t, owner, id) {
		in = append(in, m.User)
	}
	for _, u := range f.users {
		if !slices.Contains(in, u) {
			out = append(out, u)
		}
	}
	all := f.All(t, owner, id)
	all = slices.DeleteFunc(all, func(m chat.Message) bool { return m.Kind == chat.System || m.Deleted() })
	if len(all) > 0 && f.rnd.IntN(3) == 0 {
		f.mark(t, pick(f.rnd, in), pick(f.rnd, all))
		return
	}
	all = slices.DeleteFunc(all, func(m chat.Message) bool { return !slices.Contains(in, m.Sender) })
	switch n := f.rnd.IntN(17); {
	case n < 3:
		f.Send(t, id, pick(f.rnd, in), "text")
	case n < 5:
		f.discuss(t, id, owner, in)
	case n == 5 && len(all) > 0:
		f.Edit(t, pick(f.rnd, all), "edited")
	case n == 6 && len(all) > 0:
		f.Delete(t, pick(f.rnd, all))
	case n == 7 && len(out) > 0:
		f.Add(t, id, owner, out[f.rnd.IntN(len(out)):]...)
	case n == 8 && len(in) > 1:
		if u := pick(f.rnd, in); u != owner {
			f.Remove(t, id, owner, u)
		}
	case n == 13:
		f.Rename(t, id, owner, fmt.Sprintf("Room %d", f.rnd.IntN(1000)), pick(f.rnd, []string{"", "what for"}))
	case n == 9:
		f.SetRole(t, id, owner, pick(f.rnd, in), pick(f.rnd, []chat.Role{chat.Plain, chat.Admin}))
	case n == 10 && f.View(t, owner, id).LastSeq > 0:
		f.MarkUnread(t, pick(f.rnd, in), id, 1+f.rnd.Int64N(f.View(t, owner, id).LastSeq))
	case n == 11:
		f.MarkDelivered(t, pick(f.rnd, in), id, f.rnd.Int64N(f.View(t, owner, id).LastSeq+2))
	case n == 12:
		f.Set(t, pick(f.rnd, in), id, f.anySettings())
	default:
		f.MarkRead(t, pick(f.rnd, in), id, f.rnd.Int64N(f.View(t, owner, id).LastSeq+2))
	}
}

// mark puts something on a message, or takes it away.
func (f *script) mark(t testing.TB, user ids.User, m chat.Message) {
	switch n := f.rnd.IntN(10); {
	case n < 5:
		f.React(t, user, m, pick(f.rnd, emoji[:4]))
	case n < 8:
		f.Unreact(t, user, m, pick(f.rnd, emoji[:4]))
	case n == 8:
		f.Pin(t, user, m)
	default:
		f.Unpin(t, user, m)
	}
}

// observe folds the events since.
func (f *script) observe(t *testing.T) {
	for {
		events, upTo, err := f.Store.Read(t.Context(), f.pos, 1+f.rnd.IntN(40))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if r := f.folded[e.Conversation]; r != nil {
				r.fold(t, e)
			}
		}
		if upTo == f.pos {
			return
		}
		f.pos = upTo
	}
}

func (r *room) fold(t *testing.T, e *chat.Event) {
	if e.Rev != 0 {
		if e.Rev != r.rev+1 {
			t.Fatalf("rev %d comes after %d", e.Rev, r.rev)
		}
		r.rev = e.Rev
	}
	switch e.Kind {
	case chat.MessageAdded:
		m := e.Message
		if m.Seq != r.seq+1 {
			t.Fatalf("seq %d comes after %d", m.Seq, r.seq)
		}
		r.seq, r.ord = m.Seq, e.LastOrd
		r.messages[m.Seq] = *m
		if sender, in := r.members[m.Sender]; in && m.Kind == chat.Text {
			sender.ReadSeq, sender.ReadOrd, sender.DeliveredSeq = m.Seq, m.Ord, m.Seq
			r.members[m.Sender] = sender
		}
	case chat.MessageChanged:
		r.messages[e.Message.Seq] = *e.Message
	case chat.MembershipChanged:
		r.foldMember(e)
	case chat.ReceiptChanged:
		m := r.members[e.Receipt.User]
		m.ReadSeq, m.ReadOrd, m.DeliveredSeq = e.Receipt.ReadSeq, e.Receipt.ReadOrd, e.Receipt.DeliveredSeq
		m.SeenSeq = e.Receipt.SeenSeq
		r.members[e.Receipt.User] = m
	case chat.ConversationChanged:
		if e.About != nil {
			r.about = *e.About
		}
	case chat.SettingsChanged:
		m := r.members[e.Settings.User]
		m.Settings = e.Settings.Settings
		r.members[e.Settings.User] = m
	case chat.TypingChanged:
	}
}

func (r *room) foldMember(e *chat.Event) {
	m, user := r.members[e.Membership.User], e.Membership.User
	switch e.Membership.Change {
	case chat.Joined:
		m = chat.Member{Conversation: e.Conversation, User: user, ReadSeq: r.seq, ReadOrd: r.ord, DeliveredSeq: r.seq, JoinedSeq: r.seq}
	case chat.Left, chat.Removed:
		delete(r.members, user)
		return
	case chat.RoleSet, chat.Updated:
	}
	m.Role = e.Membership.Role
	r.members[user] = m
}

// compare compares what was folded with what is read.
func (f *script) compare(t *testing.T) {
	for id, r := range f.folded {
		owner := f.owner[id]
		v := f.View(t, owner, id)
		same(t, "numbers", []int64{r.seq, r.rev, r.ord, int64(len(r.members))},
			[]int64{v.LastSeq, v.LastRev, v.LastOrd, int64(v.MemberCount)})
		if v.Name != "Fixtures" {
			same(t, "about", r.about, v.About())
		}
		for _, m := range f.All(t, owner, id) {
			same(t, "message", r.messages[m.Seq], m)
		}
		for _, m := range f.AllMembers(t, owner, id) {
			known := r.members[m.User]
			known.JoinedAt = m.JoinedAt // which no event carries
			same(t, "member", known, m)
		}
	}
}

// compareReplays compares what each user has missed since some position with
// what was told of his conversations since.
func (f *script) compareReplays(t *testing.T) {
	told := f.told.of(f.rooms...)
	for _, viewer := range f.users {
		after := pick(f.rnd, told).Pos - 1
		var want []*chat.Event
		for _, id := range f.rooms {
			want = append(want, f.due(viewer, id, after)...)
		}
		slices.SortFunc(want, func(a, b *chat.Event) int { return cmp.Compare(a.Pos, b.Pos) })
		f.replayed(t, f.replay(t, viewer, after), want...)
	}
}

// due returns the events of a conversation that a viewer who was away must
// get.
func (f *script) due(viewer ids.User, id ids.Conversation, after int64) []*chat.Event {
	newest, set := make(map[ids.User]int64), int64(0)
	var end *chat.Event // of the viewer's membership
	told := f.told.of(id)
	r := f.folded[id]
	for _, e := range told {
		switch {
		case e.Receipt != nil:
			newest[e.Receipt.User] = e.Pos
		case e.Settings != nil && e.Settings.User == viewer:
			set = e.Pos
		case e.Membership != nil && e.Membership.Change.Ends():
			delete(newest, e.Membership.User)
			if e.Membership.User == viewer {
				end, set = e, 0
			}
		}
	}
	if _, in := r.members[viewer]; !in {
		if end == nil || end.Pos <= after {
			return nil
		}
		return []*chat.Event{end}
	}
	return slices.DeleteFunc(told, func(e *chat.Event) bool {
		if e.Pos <= after || e.Receipt != nil && newest[e.Receipt.User] != e.Pos || e.Settings != nil && e.Pos != set {
			return true
		}
		if e.Kind != chat.MessageAdded {
			return false
		}
		m := r.messages[e.Message.Seq]
		return m.Deleted()
	})
}
