package chatmongo

import (
	"reflect"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb/mongodbtest"
)

// A node that dies after it has committed a reply, or the deletion of one, and
// before it has brought its root up, leaves the count to the next; what it
// still does later changes nothing.
func TestARepliesCountOutlivesTheNodeThatCommittedIt(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	f := chattest.NewFixture(open(t, db))
	u := chattest.Users(2)
	c := f.Group(t, u...)
	root := f.Send(t, c.ID, u[0], "root")
	first := f.Reply(t, root, u[0], "first")
	counted := func(want int64) {
		t.Helper()
		got, err := f.Store.Message(t.Context(), u[1], root.ID)
		if err != nil || got.Thread == nil || got.Thread.Replies != want || got.Rev != f.View(t, u[0], c.ID).LastRev-1 {
			t.Fatalf("%+v of %+v, %v, want %d", got.Thread, got, err, want)
		}
	}
	in := f.Message(t, c.ID, u[1], "dying words")
	in.ThreadRoot = root.ID
	dead := open(t, db)
	left := dies(t, dead, &job{room: c.ID, message: root.ID, plan: func(c *commit) (*entry, error) {
		h, at := c.heads[in.Conversation], c.messages[root.ID]
		e := c.message(h, &in, 0)
		e.AddRev++
		e.changeRoot(at, replied(at, &in, e.Seq))
		return e, nil
	}})
	f.Reply(t, root, u[0], "third")
	counted(3)
	if err := dead.apply(t.Context(), left); err != nil { // late, and again
		t.Fatal(err)
	}
	counted(3)
	dead = open(t, db)
	left = dies(t, dead, &job{message: first.ID, plan: func(c *commit) (*entry, error) {
		r := chat.Revision{Message: first.ID, Version: 1, Kind: chat.ToDelete, At: f.Now()}
		return c.revise(c.heads[first.Conversation], c.messages[first.ID], c.messages[root.ID], r)
	}})
	f.Reply(t, root, u[0], "fourth")
	counted(3)
	if err := dead.apply(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	counted(3)
	all, err := f.Store.Replies(t.Context(), u[0], chat.ThreadPage{Root: root.ID, Limit: 10})
	if err != nil || len(all) != 4 || !all[0].Deleted() || all[1].Text != "dying words" || all[1].ThreadRoot == (ids.Message{}) {
		t.Fatalf("%+v, %v", all, err)
	}
}

// What one group does to a root is one update of it.
func TestMarksAndRepliesOfOneGroupAllReachTheRoot(t *testing.T) {
	t.Parallel()
	s := open(t, mongodbtest.New(t))
	f := chattest.NewFixture(s)
	u := chattest.Users(2)
	c := f.Group(t, u...)
	root := f.Send(t, c.ID, u[0], "root")
	first := f.Pin(t, u[0], f.Reply(t, root, u[1], "first"))
	in := f.Message(t, c.ID, u[1], "second")
	in.ThreadRoot = root.ID
	mark := func(kind chat.RevisionKind, emoji string) *job {
		return marking(chat.Revision{Message: root.ID, Version: 1, Kind: kind, User: u[1], Emoji: emoji, At: f.Now()}, c.ID)
	}
	jobs := []*job{
		mark(chat.ToReact, "👍"),
		{room: c.ID, message: root.ID, plan: func(c *commit) (*entry, error) {
			e := c.message(c.heads[in.Conversation], &in, 0)
			e.AddRev++
			e.changeRoot(c.messages[root.ID], replied(c.messages[root.ID], &in, e.Seq))
			return e, nil
		}},
		mark(chat.ToPin, ""),
		{message: first.ID, plan: func(c *commit) (*entry, error) {
			r := chat.Revision{Message: first.ID, Version: 1, Kind: chat.ToDelete, At: f.Now()}
			return c.revise(c.heads[first.Conversation], c.messages[first.ID], c.messages[root.ID], r)
		}},
	}
	for _, j := range jobs {
		j.done, j.since = make(chan struct{}), time.Now()
	}
	s.write(t.Context(), jobs)
	for _, j := range jobs {
		if j.err != nil {
			t.Fatal(j.err)
		}
	}
	got, err := f.Store.Message(t.Context(), u[0], root.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Reactions) != 1 || got.Pin == nil || got.Thread.Replies != 1 || got.Thread.LastSeq != 3 || got.Rev != 10 {
		t.Errorf("%+v with %+v and %+v", got, got.Thread, got.Pin)
	}
	all, err := f.Store.Pinned(t.Context(), u[0], c.ID, 0, 10)
	if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], got) {
		t.Errorf("%+v, %v", all, err)
	}
}
