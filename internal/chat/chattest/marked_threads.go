package chattest

import (
	"context"
	"fmt"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) markedThreadTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"roots and replies are reacted to and pinned as others are":         s.markedThread,
		"a reply that is deleted takes its marks along and is counted once": s.markedReplyDeleted,
		"replies, reactions, pins and edits of one root that race all hold": s.markedThreadRaces,
	}
}

func (s suite) markedThread(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	root := s.Send(t, c.ID, u[0], "root")  // rev 2
	reply := s.Reply(t, root, u[1], "one") // root 3, reply 4
	s.React(t, u[1], root, emoji[0])       // 5
	s.Pin(t, u[1], root)                   // 6
	s.React(t, u[0], reply, emoji[1])      // 7
	pinned := s.Pin(t, u[0], reply)        // 8
	second := s.Reply(t, root, u[0], "two")

	want := root
	want.Rev, want.Reactions = 9, []chat.Reaction{{Emoji: emoji[0], Count: 1}}
	want.Thread = &chat.Thread{Replies: 2, LastSeq: second.Seq, LastAt: second.CreatedAt, People: []ids.User{u[1], u[0]}}
	now := s.now(t, u[0], root.ID)
	if now.Pin == nil {
		t.Fatalf("the root is not pinned: %+v", now)
	}
	want.Pin = &chat.Pin{Rev: 6, By: u[1], At: now.Pin.At}
	same(t, "root", now, want)
	told := s.told.of(c.ID)
	same(t, "the root is told with its marks", *told[len(told)-2], chat.Event{
		Kind: chat.MessageChanged, Conversation: c.ID, Pos: second.Pos - 1, Rev: 9, LastOrd: 2, Message: &want,
	})
	same(t, "reply", s.now(t, u[1], reply.ID), pinned)
	same(t, "reply's place", []int64{pinned.Rev, pinned.Seq, pinned.Pin.Rev, int64(len(pinned.Reactions))}, []int64{8, 2, 8, 1})
	same(t, "reply's root", pinned.ThreadRoot, root.ID)
	same(t, "pinned", s.pinned(t, u[0], c.ID), []chat.Message{pinned, want})
	same(t, "thread", s.replies(t, u[0], chat.ThreadPage{Root: root.ID, Limit: 10}), []chat.Message{pinned, second})
	by := s.reactorsOf(t, 5, want, pinned)
	same(t, "the root's reactors", users(by, root.ID, emoji[0]), u[1:])
	same(t, "the reply's", users(by, reply.ID, emoji[1]), u[:1])

	gone := s.Delete(t, root) // 11
	want.Text, want.Rev, want.DeletedAt, want.Reactions, want.Pin = "", 11, gone.DeletedAt, nil, nil
	same(t, "a tombstone keeps its thread alone", gone, want)
	third := s.Reply(t, root, u[0], "three") // root 12
	want.Rev, want.Thread = 12, want.Thread.Replied(u[0], third.Seq, third.CreatedAt)
	same(t, "which goes on", s.now(t, u[0], root.ID), want)
	same(t, "pinned", s.pinned(t, u[0], c.ID), []chat.Message{pinned})
}

func (s suite) markedReplyDeleted(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	root := s.Send(t, c.ID, u[0], "root")
	n := s.Message(t, c.ID, u[1], "reply")
	n.ThreadRoot, n.Mentions = root.ID, &chat.Mentions{Users: u[:1], All: true}
	reply, err := s.Store.Append(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	s.React(t, u[0], root, emoji[0])
	s.React(t, u[0], reply, emoji[0])
	marked := s.Pin(t, u[0], reply) // rev 7
	same(t, "mentions stay with the marks", marked.Mentions, n.Mentions)
	s.Delete(t, reply)         // the root 8, the reply 9
	gone := s.Delete(t, reply) // again
	want := reply
	want.Text, want.Rev, want.DeletedAt, want.Mentions = "", 9, gone.DeletedAt, nil
	same(t, "reply", gone, want)
	same(t, "reply, read", s.now(t, u[1], reply.ID), want)
	same(t, "pinned", len(s.pinned(t, u[0], c.ID)), 0)
	same(t, "reacted", len(s.reacted(t, u[0], root, reply)), 1)
	now := s.now(t, u[0], root.ID)
	same(t, "root", []int64{now.Rev, now.Thread.Replies, int64(len(now.Reactions))}, []int64{8, 0, 1})
	same(t, "the thread's other fields", now.Thread, &chat.Thread{LastSeq: 2, LastAt: reply.CreatedAt, People: u[1:]})
}

func (s suite) markedThreadRaces(t *testing.T) {
	u := Users(20)
	c := s.Group(t, u...)
	root := s.Send(t, c.ID, u[0], "root")
	old := s.Reply(t, root, u[0], "old")
	for _, err := range atOnce(t.Context(), 4*len(u)+2, func(ctx context.Context, i int) error {
		r := chat.Revision{Message: root.ID, Version: 1, At: s.Now()}
		switch user := u[(i/4)%len(u)]; {
		case i == 4*len(u):
			r.Kind, r.User = chat.ToPin, u[0]
		case i > 4*len(u):
			r.Message, r.Kind = old.ID, chat.ToDelete
		case i%4 == 0:
			_, err := s.Store.Append(ctx, chat.NewMessage{
				ID: ids.New[ids.Message](), Conversation: c.ID, Sender: user, Kind: chat.Text, Text: "new",
				CreatedAt: s.Now(), Version: 1, ThreadRoot: root.ID,
			})
			return err
		case i%4 == 1:
			r.Kind, r.User, r.Emoji = chat.ToReact, user, emoji[0]
		case i%4 == 2:
			r.Kind, r.User, r.Emoji = chat.ToReact, user, emoji[1]
		default:
			r.Text = fmt.Sprint(i)
		}
		_, err := s.Store.Revise(ctx, r)
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.countedExactly(t, u[0], root.ID, int64(len(u)))
	now := s.now(t, u[0], root.ID)
	counts := make(map[string]int64)
	for _, r := range now.Reactions {
		counts[r.Emoji] = r.Count
	}
	same(t, "reactions", counts, map[string]int64{emoji[0]: 20, emoji[1]: 20})
	same(t, "edits", len(s.edits(t, u[0], root.ID)), 20)
	same(t, "pinned", s.pinned(t, u[0], c.ID), []chat.Message{now})
	same(t, "rev", s.View(t, u[0], c.ID).LastRev, 4+20*(2+1+1+1)+1+2)
	newest := now.Rev
	for _, e := range s.told.of(c.ID) {
		if e.Message != nil && e.Message.ID == root.ID && e.Rev == newest {
			same(t, "the root, as it was told last", *e.Message, now)
			newest = 0
		}
	}
	same(t, "it was told", newest, 0)
}
