package chattest

import (
	"context"
	"fmt"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) repliesAtOnce(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	roots := []chat.Message{s.Send(t, c.ID, u[0], "one"), s.Send(t, c.ID, u[0], "two")}
	version := s.View(t, u[0], c.ID).MemberVersion
	for _, err := range atOnce(t.Context(), 75, func(ctx context.Context, i int) error {
		n := chat.NewMessage{
			ID: ids.New[ids.Message](), Conversation: c.ID, Sender: u[i%2], Kind: chat.Text, Text: "text", CreatedAt: s.Now(), Version: version,
		}
		if i%3 > 0 {
			n.ThreadRoot = roots[i%3-1].ID
		}
		_, err := s.Store.Append(ctx, n)
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	same(t, "rev", s.View(t, u[0], c.ID).LastRev, 3+75+50)
	for _, root := range roots {
		s.countedExactly(t, u[0], root.ID, 25)
	}
	for i, m := range s.All(t, u[0], c.ID) {
		same(t, "seq", m.Seq, int64(i+1))
	}
}

// countedExactly compares what a root says of its thread with what is there.
func (s suite) countedExactly(t *testing.T, viewer ids.User, root ids.Message, want int64) {
	t.Helper()
	var there int64
	var last chat.Message
	for _, m := range s.replies(t, viewer, chat.ThreadPage{Root: root, Limit: 200}) {
		if last = m; !m.Deleted() {
			there++
		}
	}
	thread := s.now(t, viewer, root).Thread
	same(t, "replies", []int64{there, thread.Replies, thread.LastSeq}, []int64{want, want, last.Seq})
	same(t, "newest", thread.LastAt, last.CreatedAt)
}

func (s suite) threadRaces(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	root := s.Send(t, c.ID, u[0], "root")
	version := s.View(t, u[0], c.ID).MemberVersion
	var old []chat.Message
	for range 10 {
		old = append(old, s.Reply(t, root, u[0], "old"))
	}
	for _, err := range atOnce(t.Context(), 40, func(ctx context.Context, i int) error {
		var err error
		switch r := (chat.Revision{Version: version, At: s.Now()}); i % 4 {
		case 0:
			_, err = s.Store.Append(ctx, chat.NewMessage{
				ID: ids.New[ids.Message](), Conversation: c.ID, Sender: u[0], Kind: chat.Text, Text: "new",
				CreatedAt: s.Now(), Version: version, ThreadRoot: root.ID,
			})
		case 1, 2: // each twice
			r.Message, r.Kind = old[i/4].ID, chat.ToDelete
			_, err = s.Store.Revise(ctx, r)
		default:
			r.Message, r.Text = root.ID, fmt.Sprint(i)
			_, err = s.Store.Revise(ctx, r)
		}
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.countedExactly(t, u[0], root.ID, 10)
	same(t, "edits", len(s.edits(t, u[0], root.ID)), 10)
	same(t, "rev", s.View(t, u[0], c.ID).LastRev, 2+20+20+20+10)
}

// RepliesOnNodes has several stores on the same data reply in one thread at
// once, and delete half of the replies, and finds all of them counted.
func RepliesOnNodes(t *testing.T, nodes ...*Fixture) {
	t.Helper()
	f := nodes[0]
	u := Users(2)
	c := f.Group(t, u...)
	root := f.Send(t, c.ID, u[0], "root")
	for _, err := range atOnce(t.Context(), 50, func(ctx context.Context, i int) error {
		on := nodes[i%len(nodes)]
		m, err := on.Store.Append(ctx, chat.NewMessage{
			ID: ids.New[ids.Message](), Conversation: c.ID, Sender: u[i%2], Kind: chat.Text, Text: "text",
			CreatedAt: on.Now(), Version: 1, ThreadRoot: root.ID,
		})
		if err == nil && i%4 < 2 {
			_, err = on.Store.Revise(ctx, chat.Revision{Message: m.ID, Version: 1, Kind: chat.ToDelete, At: on.Now()})
		}
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, on := range nodes {
		suite{Fixture: on}.countedExactly(t, u[0], root.ID, 24)
	}
	same(t, "rev", f.View(t, u[0], c.ID).LastRev, 2+2*50+2*26)
}
