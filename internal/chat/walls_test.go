package chat_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/chat"
	"chatd/internal/chat/chatsql"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

// wall keeps two apart while it is up, and counts what it is asked.
type wall struct {
	a, b          ids.User
	up            atomic.Bool
	party, parted atomic.Int64
}

func (w *wall) Party(u ids.User) bool {
	w.party.Add(1)
	return w.up.Load() && (u == w.a || u == w.b)
}

func (w *wall) Apart(a, b ids.User) bool {
	w.parted.Add(1)
	return w.up.Load() && (a == w.a && b == w.b || a == w.b && b == w.a)
}

func (w *wall) asked() int64 { return w.party.Swap(0) + w.parted.Swap(0) }

// lists counts how often members are listed.
type lists struct {
	chat.Store
	members atomic.Int64
}

func (l *lists) Members(ctx context.Context, viewer ids.User, id ids.Conversation, after chat.MemberKey, limit int) ([]chat.Member, error) {
	l.members.Add(1)
	return l.Store.Members(ctx, viewer, id, after, limit)
}

// A message into a group asks nothing; one into a direct conversation asks
// whether its sender is kept apart from anybody, and only of such a one who the
// other is, which is read once.
func TestWhatBlocksCostAMessage(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		setup(t, db) // migrated
		u := users(3)
		w := &wall{a: u[0], b: u[2]} // not the one who is written to
		store := &lists{Store: chatsql.New(db, chatsql.Config{})}
		s := chat.New(chat.Deps{Store: store, Directory: everybody{}, Secret: make([]byte, 32), Log: zerolog.Nop(), Walls: w}, chat.Config{})
		group, err := s.CreateGroup(t.Context(), as(u[0]), chat.NewGroup{Name: "Books", Members: u[1:2]})
		if err != nil {
			t.Fatal(err)
		}
		direct, err := s.OpenDirect(t.Context(), as(u[0]), u[1])
		if err != nil {
			t.Fatal(err)
		}
		const messages = 10
		says := func(in ids.Conversation) {
			t.Helper()
			for range messages {
				if _, err := s.Send(t.Context(), chat.SendInput{Conversation: in, Sender: u[0], Text: "hello"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, test := range []struct {
			what        string
			up          bool
			in          ids.Conversation
			asks, reads int64
		}{
			{"a group", false, group.ID, 0, 0},
			{"direct", false, direct.ID, messages, 0},
			{"a group, with a block", true, group.ID, 0, 0},
			{"direct, with a block elsewhere", true, direct.ID, 2 * messages, 1},
			{"the same again", true, direct.ID, 2 * messages, 0},
		} {
			w.up.Store(test.up)
			w.asked()
			store.members.Store(0)
			says(test.in)
			if asks, reads := w.asked(), store.members.Load(); asks != test.asks || reads != test.reads {
				t.Errorf("%s: %d messages asked %d times and read %d times, want %d and %d", test.what, messages, asks, reads, test.asks, test.reads)
			}
		}
	})
}

// late is a store whose appends wait until they may go on.
type late struct {
	chat.Store
	begun, on chan struct{}
}

func (l *late) Append(ctx context.Context, m chat.NewMessage) (chat.Message, error) {
	l.begun <- struct{}{}
	<-l.on
	return l.Store.Append(ctx, m)
}

// Settle returns when what had begun before is stored, and lets others go on
// meanwhile.
func TestSettleWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t)
	setup(t, db)
	u := users(2)
	w := &wall{a: u[0], b: u[1]}
	store := &late{Store: chatsql.New(db, chatsql.Config{}), begun: make(chan struct{}), on: make(chan struct{})}
	s := chat.New(chat.Deps{Store: store, Directory: everybody{}, Secret: make([]byte, 32), Log: zerolog.Nop(), Walls: w}, chat.Config{})
	direct, err := s.OpenDirect(t.Context(), as(u[0]), u[1])
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := s.Send(t.Context(), chat.SendInput{Conversation: direct.ID, Sender: u[0], Text: "under way"})
		sent <- err
	}()
	<-store.begun
	w.up.Store(true)
	settled := make(chan struct{})
	go func() {
		s.Settle(u[1], u[0])
		close(settled)
	}()
	select {
	case <-settled:
		t.Fatal("settled while a message was under way")
	case <-time.After(50 * time.Millisecond):
	}
	store.on <- struct{}{}
	<-settled
	if err := <-sent; err != nil {
		t.Error(err)
	}
	_, err = s.Send(t.Context(), chat.SendInput{Conversation: direct.ID, Sender: u[0], Text: "too late"})
	wants(t, "behind the wall", err, chat.ErrNoConversation)
}
