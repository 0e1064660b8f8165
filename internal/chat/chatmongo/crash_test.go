package chatmongo

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
	"chatd/internal/platform/mongodb/mongodbtest"
)

func open(t *testing.T, db *mongodb.DB) *Store {
	t.Helper()
	s := New(db, Config{Timeout: mongodbtest.Patience})
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// dies commits a job and brings nothing up, as a node does that dies between.
func dies(t *testing.T, s *Store, j *job) []*entry {
	t.Helper()
	ctx := t.Context()
	if _, err := s.sync(ctx); err != nil {
		t.Fatal(err)
	}
	c, err := s.begin(ctx, []*job{j})
	if err != nil {
		t.Fatal(err)
	}
	e, err := j.plan(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.insert(ctx, []*entry{e}); err != nil {
		t.Fatal(err)
	}
	return []*entry{e}
}

func TestWhatADeadNodeCommittedIsBroughtUpByTheNext(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	f := chattest.NewFixture(open(t, db))
	u := chattest.Users(3)
	c := f.Group(t, u[0], u[1])
	m := f.Send(t, c.ID, u[0], "before")
	edit := f.MemberEdit(t, c.ID, u[0], chat.Joined, chat.Admin, u[2])
	edit.Changes = append(edit.Changes, chat.Membership{User: u[1], Change: chat.Removed, Actor: u[0]})
	left := dies(t, open(t, db), &job{
		room: c.ID, members: []memberID{{c.ID, u[2]}, {c.ID, u[1]}},
		plan: func(c *commit) (*entry, error) { return c.changeMembers(edit) },
	})

	next := chattest.NewFixture(open(t, db))
	if got, want := next.Position(t), m.Pos+3; got != want {
		t.Fatalf("the next node is at %d, want %d", got, want)
	}
	v := next.View(t, u[2], c.ID)
	if v.MemberVersion != edit.Version+1 || v.MemberCount != 2 || v.LastSeq != 2 || v.LastRev != 5 || v.Viewer.ReadSeq != 1 {
		t.Fatalf("%+v", v)
	}
	if _, err := next.Store.View(t.Context(), u[1], c.ID); !errors.Is(err, chat.ErrNoConversation) {
		t.Fatal("the removed member sees", err)
	}
	// The first node has not heard of it either, and goes on after it.
	if m := f.Send(t, c.ID, u[2], "after"); m.Seq != 3 || m.Rev != 6 {
		t.Fatalf("%+v", m)
	}
	// The dead one wakes up and does late what was done for it.
	f.SetRole(t, c.ID, u[0], u[2], chat.Plain)
	before := next.View(t, u[2], c.ID)
	late := open(t, db)
	if err := late.apply(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	if after := next.View(t, u[2], c.ID); after != before {
		t.Fatalf("brought back from\n%+v to\n%+v", before, after)
	}
}

func TestARevisionThatComesLateDoesNotBringATextBack(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	f := chattest.NewFixture(open(t, db))
	u := chattest.Users(1)
	c := f.Group(t, u...)
	m := f.Send(t, c.ID, u[0], "one")
	r := chat.Revision{Message: m.ID, Version: 1, Text: "two", At: f.Now()}
	dead := open(t, db)
	left := dies(t, dead, &job{message: m.ID, plan: func(c *commit) (*entry, error) {
		return c.revise(c.heads[m.Conversation], c.messages[m.ID], nil, r)
	}})
	gone := f.Delete(t, m)
	if err := dead.apply(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	if all := f.All(t, u[0], c.ID); len(all) != 1 || !reflect.DeepEqual(all[0], gone) || all[0].Text != "" {
		t.Fatalf("%+v, want %+v", all, gone)
	}
	raw, err := find[entry](t.Context(), dead.log, bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range raw {
		if e.Text != "" || e.Revision != nil && (e.Revision.Before != "" || e.Revision.Text != "") {
			t.Fatalf("a deleted message's text is in the log: %+v %+v", e, e.Revision)
		}
	}
}

func TestAKeyIsTakenEvenWhenItsNodeHasDied(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	f := chattest.NewFixture(open(t, db))
	u := chattest.Users(1)
	c := f.Group(t, u...)
	in := f.Message(t, c.ID, u[0], "text")
	in.ClientID, in.InputHash = "key", []byte("hash")
	dies(t, open(t, db), &job{room: c.ID, plan: func(c *commit) (*entry, error) {
		h, err := c.head(in.Conversation)
		if err != nil {
			return nil, err
		}
		e := c.message(h, &in, 0)
		e.Key = sendKey(&in)
		return e, nil
	}})
	first := in.ID
	in.ID = ids.New[ids.Message]()
	m, err := f.Store.Append(t.Context(), in)
	if err != nil || m.ID != first {
		t.Fatal(m.ID, err)
	}
	if v := f.View(t, u[0], c.ID); v.LastSeq != 1 || v.Viewer.ReadSeq != 1 {
		t.Fatalf("%+v", v)
	}
}

func TestACallerWhoGivesUpLeavesHisGroupAlone(t *testing.T) {
	t.Parallel()
	s := open(t, mongodbtest.New(t))
	f := chattest.NewFixture(s)
	u := chattest.Users(1)
	c := f.Group(t, u...)
	s.turn <- struct{}{} // somebody commits
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	stays := make(chan error, 1)
	in := []chat.NewMessage{f.Message(t, c.ID, u[0], "given up"), f.Message(t, c.ID, u[0], "stays")}
	go func() {
		_, err := s.Append(ctx, in[0])
		left <- err
	}()
	go func() {
		_, err := s.Append(context.Background(), in[1])
		stays <- err
	}()
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-s.turn
	if err := <-stays; err != nil {
		t.Fatal(err)
	}
	if all := f.All(t, u[0], c.ID); len(all) != 1 || all[0].Text != "stays" {
		t.Fatalf("%+v", all)
	}
}
