package chattest

import (
	"context"
	"fmt"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) threadTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"a reply in a thread is a message that changes its root":         s.threadReply,
		"what takes no replies begins no thread":                         s.noRoot,
		"a deleted reply is counted no more":                             s.deletedReply,
		"a thread goes on below a tombstone":                             s.tombstoneRoot,
		"a thread is read in pages from either end":                      s.threadPages,
		"threads are their conversation's members' alone":                s.threadRights,
		"a repeated reply is counted once":                               s.repeatedReply,
		"a thread names the first who have replied":                      s.people,
		"fifty replies at once are all counted":                          s.repliesAtOnce,
		"replies, edits and deletions that race are counted as they are": s.threadRaces,
		"mentions come back as they were sent, and with an edit anew":    s.mentions,
		"members are told from others among some users":                  s.among,
	}
}

// Reply appends a reply in a thread.
func (f *Fixture) Reply(t testing.TB, root chat.Message, sender ids.User, text string) chat.Message {
	t.Helper()
	n := f.Message(t, root.Conversation, sender, text)
	n.ThreadRoot = root.ID
	m, err := f.Store.Append(t.Context(), n)
	if err != nil {
		t.Fatalf("reply %q: %v", text, err)
	}
	return m
}

// now returns a message as it is.
func (s suite) now(t *testing.T, viewer ids.User, id ids.Message) chat.Message {
	t.Helper()
	m, err := s.Store.Message(t.Context(), viewer, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (s suite) replies(t *testing.T, viewer ids.User, p chat.ThreadPage) []chat.Message {
	t.Helper()
	all, err := s.Store.Replies(t.Context(), viewer, p)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s suite) threadReply(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	root := s.Send(t, c.ID, u[0], "root") // seq 1, rev 2
	other := s.Send(t, c.ID, u[1], "between")
	reply := s.Reply(t, root, u[1], "first") // root: rev 4
	same(t, "numbers", []int64{reply.Seq, reply.Rev, reply.Ord}, []int64{3, 5, 3})
	same(t, "its root", reply.ThreadRoot, root.ID)
	want := root
	want.Rev, want.Thread = 4, &chat.Thread{Replies: 1, LastSeq: 3, LastAt: reply.CreatedAt, People: []ids.User{u[1]}}
	same(t, "root", s.now(t, u[0], root.ID), want)
	same(t, "reply", s.now(t, u[0], reply.ID), reply)
	told := s.told.of(c.ID)
	same(t, "the root is told", *told[len(told)-2], chat.Event{
		Kind: chat.MessageChanged, Conversation: c.ID, Pos: reply.Pos - 1, Rev: 4, LastOrd: 2, Message: &want,
	})
	same(t, "then the reply", *told[len(told)-1], chat.Event{
		Kind: chat.MessageAdded, Conversation: c.ID, Pos: reply.Pos, Rev: 5, LastOrd: 3, Message: &reply,
	})
	second := s.Reply(t, root, u[0], "second") // root: rev 6
	want.Rev = 6
	want.Thread = &chat.Thread{Replies: 2, LastSeq: 4, LastAt: second.CreatedAt, People: []ids.User{u[1], u[0]}}
	same(t, "root", s.now(t, u[1], root.ID), want)
	same(t, "page", s.All(t, u[0], c.ID), []chat.Message{want, other, reply, second})
	changed, err := s.Store.Changed(t.Context(), u[0], c.ID, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "changed", changed, []chat.Message{want})
	same(t, "no edits", len(s.edits(t, u[0], root.ID)), 0)
	v := s.View(t, u[1], c.ID)
	same(t, "conversation", []int64{v.LastSeq, v.LastRev, v.LastOrd, v.UnreadCount()}, []int64{4, 7, 4, 1})
	edited := s.Edit(t, root, "edited")
	want.Rev, want.Text, want.EditedAt = 8, "edited", edited.EditedAt
	same(t, "edited root", edited, want)
	same(t, "edited reply", s.Edit(t, reply, "other words").ThreadRoot, root.ID)
	same(t, "what it was before", s.edits(t, u[0], root.ID)[0].Text, "root")
}

func (s suite) noRoot(t *testing.T) {
	u := Users(2)
	c, other := s.Group(t, u...), s.Group(t, u...)
	root := s.Send(t, c.ID, u[0], "root")
	reply := s.Reply(t, root, u[0], "reply")
	s.Add(t, c.ID, u[0], Users(1)...)
	note := s.All(t, u[0], c.ID)[2]
	told := len(s.told.of(c.ID, other.ID))
	for what, n := range map[string]chat.NewMessage{
		"a reply":                 {Conversation: c.ID, ThreadRoot: reply.ID},
		"a note":                  {Conversation: c.ID, ThreadRoot: note.ID},
		"in another conversation": {Conversation: other.ID, ThreadRoot: root.ID},
		"nothing":                 {Conversation: c.ID, ThreadRoot: ids.New[ids.Message]()},
	} {
		in := s.Message(t, n.Conversation, u[0], "text")
		in.ThreadRoot = n.ThreadRoot
		_, err := s.Store.Append(t.Context(), in)
		refused(t, what, err, chat.ErrThreadRoot)
	}
	same(t, "told", len(s.told.of(c.ID, other.ID)), told)
	same(t, "newest", s.View(t, u[0], c.ID).LastSeq, 3)
	same(t, "position", s.Send(t, c.ID, u[0], "after").Seq, 4)
}

func (s suite) deletedReply(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	root := s.Send(t, c.ID, u[0], "root")
	first, second := s.Reply(t, root, u[1], "first"), s.Reply(t, root, u[1], "second")
	before := s.now(t, u[0], root.ID)
	gone := s.Delete(t, second)
	want := before
	want.Rev, want.Thread = before.Rev+2, &chat.Thread{
		Replies: 1, LastSeq: second.Seq, LastAt: second.CreatedAt, People: []ids.User{u[1]},
	}
	same(t, "root", s.now(t, u[0], root.ID), want)
	same(t, "the tombstone is in the thread, after its root", []int64{gone.Rev, int64(len(gone.Text))}, []int64{want.Rev + 1, 0})
	same(t, "its root", gone.ThreadRoot, root.ID)
	told := s.told.of(c.ID)
	same(t, "told", *told[len(told)-2], chat.Event{
		Kind: chat.MessageChanged, Conversation: c.ID, Pos: told[len(told)-1].Pos - 1, Rev: want.Rev, LastOrd: 3, Message: &want,
	})
	same(t, "thread", s.replies(t, u[0], chat.ThreadPage{Root: root.ID, Limit: 10}), []chat.Message{first, gone})
	s.Delete(t, second)
	same(t, "again changes nothing", s.now(t, u[0], root.ID), want)
	s.Delete(t, first)
	same(t, "none is left", s.now(t, u[0], root.ID).Thread.Replies, 0)
	third := s.Reply(t, root, u[0], "third")
	same(t, "one again", *s.now(t, u[0], root.ID).Thread, chat.Thread{
		Replies: 1, LastSeq: third.Seq, LastAt: third.CreatedAt, People: []ids.User{u[1], u[0]},
	})
}

func (s suite) tombstoneRoot(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	root := s.Send(t, c.ID, u[0], "root")
	first := s.Reply(t, root, u[1], "first")
	s.Edit(t, root, "edited")
	s.Delete(t, root)
	second := s.Reply(t, root, u[1], "second")
	s.Delete(t, first)
	now := s.now(t, u[1], root.ID)
	if !now.Deleted() || now.Text != "" || now.Thread == nil || now.Thread.Replies != 1 || now.Thread.LastSeq != second.Seq {
		t.Fatalf("%+v, %+v", now, now.Thread)
	}
	same(t, "thread", len(s.replies(t, u[0], chat.ThreadPage{Root: root.ID, Limit: 10})), 2)
	same(t, "edits", len(s.edits(t, u[0], root.ID)), 0)
}

func (s suite) threadPages(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	root, other := s.Send(t, c.ID, u[0], "root"), s.Send(t, c.ID, u[0], "another root")
	var all []chat.Message // at seq 3, 6, 9 …
	for i := range 7 {
		all = append(all, s.Reply(t, root, u[0], fmt.Sprint(i)))
		s.Send(t, c.ID, u[0], "between")
		s.Reply(t, other, u[0], "elsewhere")
	}
	all[3] = s.Delete(t, all[3])
	for _, p := range []struct {
		after, before int64
		backward      bool
		limit         int
		from, to      int // indexes into all, to exclusive
	}{
		{limit: 100, from: 0, to: 7},
		{limit: 100, backward: true, from: 0, to: 7},
		{limit: 3, from: 0, to: 3},
		{limit: 3, backward: true, from: 4, to: 7},
		{after: all[1].Seq, limit: 2, from: 2, to: 4},
		{after: all[1].Seq + 1, limit: 2, from: 2, to: 4},
		{before: all[4].Seq, backward: true, limit: 2, from: 2, to: 4},
		{after: all[0].Seq, before: all[5].Seq, limit: 9, from: 1, to: 5},
		{after: all[6].Seq, limit: 9, from: 0, to: 0},
		{before: all[0].Seq, limit: 9, from: 0, to: 0},
	} {
		got := s.replies(t, u[0], chat.ThreadPage{
			Root: root.ID, After: p.after, Before: p.before, Backward: p.backward, Limit: p.limit,
		})
		same(t, fmt.Sprintf("%+v", p), append([]chat.Message{}, got...), append([]chat.Message{}, all[p.from:p.to]...))
	}
	same(t, "of none", len(s.replies(t, u[0], chat.ThreadPage{Root: all[0].ID, Limit: 9})), 0)
}

func (s suite) threadRights(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	root := s.Send(t, c.ID, u[0], "root")
	s.Reply(t, root, u[0], "secret")
	for _, stranger := range s.strangers(t, c.ID, u[0]) {
		_, err := s.Store.Replies(t.Context(), stranger, chat.ThreadPage{Root: root.ID, Limit: 10})
		refused(t, "Replies", err, chat.ErrNoMessage)
		_, err = s.Store.Among(t.Context(), stranger, c.ID, u)
		refused(t, "Among", err, chat.ErrNoConversation)
	}
	_, err := s.Store.Replies(t.Context(), u[0], chat.ThreadPage{Root: ids.New[ids.Message](), Limit: 10})
	refused(t, "of no message", err, chat.ErrNoMessage)
}

func (s suite) repeatedReply(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	root := s.Send(t, c.ID, u[0], "root")
	out := make([]chat.Message, 20)
	in := make([]chat.NewMessage, len(out))
	for i := range in {
		in[i] = s.keyed(t, c.ID, u[0], "text", "key")
		in[i].ThreadRoot = root.ID
	}
	for _, err := range atOnce(t.Context(), len(in), func(ctx context.Context, i int) (err error) {
		out[i], err = s.Store.Append(ctx, in[i])
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range out {
		same(t, "answer", m, out[0])
	}
	same(t, "replies", s.now(t, u[0], root.ID).Thread.Replies, 1)
	v := s.View(t, u[0], c.ID)
	same(t, "numbers", []int64{v.LastSeq, v.LastRev}, []int64{2, 4})
	same(t, "told", len(s.told.of(c.ID)), 4)
}

func (s suite) people(t *testing.T) {
	u := Users(23)
	c := s.Group(t, u...)
	root := s.Send(t, c.ID, u[0], "root")
	for range 2 {
		for _, who := range u[1:] {
			s.Reply(t, root, who, "text")
		}
	}
	now := s.now(t, u[0], root.ID)
	same(t, "replies", now.Thread.Replies, 44)
	same(t, "people", now.Thread.People, u[1:21])
}

func (s suite) mentions(t *testing.T) {
	u := Users(60)
	c := s.Group(t, u...)
	for _, want := range []*chat.Mentions{
		{Users: u[1:2]}, {All: true}, {Users: u[5:8], All: true}, {Users: u[:chat.MaxMentions]}, nil,
	} {
		n := s.Message(t, c.ID, u[0], "text")
		n.Mentions = want
		m := s.append(t, n)
		same(t, "answer", m.Mentions, want)
		same(t, "read back", s.now(t, u[1], m.ID), m)
		other := &chat.Mentions{Users: u[2:4]}
		edited := s.revise(t, m, chat.Revision{Text: "edited", Mentions: other})
		same(t, "edited", edited.Mentions, other)
		same(t, "read back", s.now(t, u[1], m.ID), edited)
		told := s.told.of(c.ID)
		same(t, "told", told[len(told)-1].Message.Mentions, other)
		if want == nil {
			edited = s.Edit(t, m, "nobody any more")
			same(t, "nobody", s.now(t, u[1], m.ID).Mentions, nil)
		}
		s.Delete(t, edited)
		same(t, "of a tombstone", s.now(t, u[1], m.ID).Mentions, nil)
	}
}

func (s suite) among(t *testing.T) {
	u := Users(5)
	c := s.Group(t, u[:3]...)
	s.Remove(t, c.ID, u[0], u[2])
	in, err := s.Store.Among(t.Context(), u[0], c.ID, u[1:])
	if err != nil {
		t.Fatal(err)
	}
	same(t, "members", in, u[1:2])
	_, err = s.Store.Among(t.Context(), u[0], ids.New[ids.Conversation](), u)
	refused(t, "of none", err, chat.ErrNoConversation)
}

// discuss sends a message that is in a thread or mentions somebody, or both.
func (f *script) discuss(t testing.TB, id ids.Conversation, owner ids.User, in []ids.User) {
	n := f.Message(t, id, pick(f.rnd, in), "text")
	if f.rnd.IntN(2) == 0 {
		n.Mentions = &chat.Mentions{Users: []ids.User{pick(f.rnd, in)}, All: f.rnd.IntN(2) == 0}
	}
	for _, m := range f.All(t, owner, id) {
		if m.TakesReplies(id) && (n.ThreadRoot.IsZero() || f.rnd.IntN(3) == 0) { // tombstones, too
			n.ThreadRoot = m.ID
		}
	}
	if _, err := f.Store.Append(t.Context(), n); err != nil {
		t.Fatalf("discuss: %v", err)
	}
}
