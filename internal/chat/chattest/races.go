package chattest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) raceTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"twenty writers of one conversation number it without a hole, in the readers' eyes too": s.writersAndReaders,
		"sends against a removal are stored before it or not at all":                            s.sendsAgainstRemoval,
	}
}

func (s suite) writersAndReaders(t *testing.T) {
	const writers, each = 20, 25
	u := Users(writers)
	c := s.Group(t, u...)
	version := s.View(t, u[0], c.ID).MemberVersion
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	failed := make(chan error, 2)
	readers.Go(func() { failed <- s.pollPages(ctx, u[0], c.ID) })
	readers.Go(func() { failed <- s.pollJournal(ctx) })
	for _, err := range atOnce(t.Context(), writers, func(ctx context.Context, i int) error {
		for n := range each {
			m := chat.NewMessage{
				ID: ids.New[ids.Message](), Conversation: c.ID, Sender: u[i], Kind: chat.Text, Text: fmt.Sprint(n),
				CreatedAt: s.Now(), Version: version,
			}
			if _, err := s.Store.Append(ctx, m); err != nil {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	stop()
	readers.Wait()
	for range 2 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	all := s.All(t, u[0], c.ID)
	same(t, "messages", len(all), writers*each)
	next := make(map[ids.User]int)
	for i, m := range all {
		same(t, "numbers", []int64{m.Seq, m.Rev, m.Ord}, []int64{int64(i + 1), int64(i + 2), int64(i + 1)})
		same(t, "each sender's order", m.Text, fmt.Sprint(next[m.Sender]))
		next[m.Sender]++
		if i > 0 && m.Pos <= all[i-1].Pos {
			t.Fatal("positions go back")
		}
	}
}

// pollPages reads a conversation from its end while it grows: whatever page
// comes is whole, and nothing appears below what was seen.
func (s suite) pollPages(ctx context.Context, viewer ids.User, id ids.Conversation) error {
	seen := int64(0)
	for ctx.Err() == nil {
		some, err := s.Store.Page(ctx, viewer, chat.MessagePage{Conversation: id, Backward: true, Limit: 100})
		if ctx.Err() != nil || err == nil && len(some) == 0 {
			continue
		}
		if err != nil {
			return err
		}
		for i, m := range some[1:] {
			if m.Seq != some[i].Seq+1 {
				return fmt.Errorf("a reader saw %d after %d", m.Seq, some[i].Seq)
			}
		}
		newest := some[len(some)-1].Seq
		if newest < seen || some[0].Seq != max(1, newest-99) {
			return fmt.Errorf("a reader who had seen %d saw %d to %d", seen, some[0].Seq, newest)
		}
		seen = newest
	}
	return nil
}

// pollJournal follows the journal while it grows and reads it again from the
// start when it is done: what it was told first must have been all. Receipts
// and settings may be superseded meanwhile.
func (s suite) pollJournal(ctx context.Context) error {
	var live []*chat.Event
	follow := func(ctx context.Context, after, end int64) (int64, error) {
		for ctx.Err() == nil && after < end {
			events, upTo, err := s.Store.Read(ctx, after, 50)
			if ctx.Err() != nil {
				break
			}
			if err != nil {
				return after, err
			}
			for _, e := range events {
				if e.Kind != chat.ReceiptChanged && e.Kind != chat.SettingsChanged {
					live = append(live, e)
				}
			}
			after = upTo
		}
		return after, nil //nolint:nilerr // It was told to end.
	}
	upTo, err := follow(ctx, 0, 1<<62)
	if err != nil {
		return err
	}
	seen := live
	live = nil
	if _, err := follow(context.WithoutCancel(ctx), 0, upTo); err != nil {
		return err
	}
	if len(live) < len(seen) {
		return fmt.Errorf("%d events were read live, %d afterwards", len(seen), len(live))
	}
	for i, e := range seen {
		if numbers(e) != numbers(live[i]) {
			return fmt.Errorf("read live %s, afterwards %s", numbers(e), numbers(live[i]))
		}
	}
	return nil
}

func (s suite) sendsAgainstRemoval(t *testing.T) {
	for range 5 {
		u := Users(2)
		c := s.Group(t, u...)
		edit := s.MemberEdit(t, c.ID, u[0], chat.Removed, "", u[1])
		errs := atOnce(t.Context(), 20, func(ctx context.Context, i int) error {
			if i == 10 {
				_, err := s.Store.ChangeMembers(ctx, edit)
				return err
			}
			_, err := s.Store.Append(ctx, chat.NewMessage{
				ID: ids.New[ids.Message](), Conversation: c.ID, Sender: u[1], Kind: chat.Text, Text: "quick",
				CreatedAt: s.Now(), Version: edit.Version,
			})
			return err
		})
		stored := 0
		for i, err := range errs {
			switch {
			case err == nil && i != 10:
				stored++
			case err != nil && i == 10:
				t.Fatal(err)
			case err != nil:
				refused(t, "a late send", err, chat.ErrMoved)
			}
		}
		all := s.All(t, u[0], c.ID)
		same(t, "messages", len(all), stored+1)
		same(t, "the note is the last", all[stored].Kind, chat.System)
	}
}

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
