package chatsql_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

// Two writes share a commit, and the first is told of while the second is
// visible already: whoever then reads that somebody is gone must be given a
// position that covers his going, or he would never be told of it, and the
// journal must have it all.
func TestThePositionIsNeverBehindWhatIsRead(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := setup(t, db)
		u := chattest.Users(2)
		held, hold := make(chan struct{}), make(chan struct{})
		var gone, seen bool
		var read, removed int64
		s.OnCommit(func(events []*chat.Event) {
			for _, e := range events {
				switch {
				case e.Kind == chat.MembershipChanged && e.Membership.Change == chat.Removed:
					removed = e.Pos
				case e.Kind == chat.MessageAdded && e.Message.Text == "hold":
					held <- struct{}{}
					<-hold
				case e.Kind == chat.MessageAdded && e.Message.Text == "first":
					in, err := s.Standings(t.Context(), u[1])
					if err != nil {
						t.Error(err)
					}
					gone = len(in) == 0
					if _, read, err = s.Position(t.Context()); err != nil {
						t.Error(err)
					}
					if _, upTo, err := s.Read(t.Context(), read-1, 50); err != nil || upTo < read {
						t.Errorf("the journal ends at %d, %v, and the position is %d", upTo, err, read)
					}
				}
			}
		})
		f := chattest.NewFixture(s)
		for n := 0; n < 50 && !seen; n++ {
			room := f.Group(t, u...).ID
			gone, read, removed = false, 0, 0
			var wg sync.WaitGroup
			wg.Go(func() { f.Send(t, room, u[0], "hold") })
			<-held
			wg.Go(func() {
				// Where the removal was quicker, there is another round.
				if _, err := s.Append(t.Context(), f.Message(t, room, u[0], "first")); err != nil && !errors.Is(err, chat.ErrMoved) {
					t.Error(err)
				}
			})
			<-time.After(10 * time.Millisecond) // in this order they share the next commit
			wg.Go(func() { f.Remove(t, room, u[0], u[1]) })
			<-time.After(10 * time.Millisecond)
			hold <- struct{}{}
			wg.Wait()
			if seen = gone && removed > 0; seen && read < removed {
				t.Errorf("position %d, when the removal at %d could be read", read, removed)
			}
		}
		if !seen {
			t.Error("the two never shared a commit")
		}
	})
}
