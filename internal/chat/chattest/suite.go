package chattest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// RunStore runs the suite on the store that open returns; open is called once,
// and the store must be empty and nobody else's.
func RunStore(t *testing.T, open func(t *testing.T) chat.Store) {
	t.Helper()
	s := start(t, open)
	t.Run("promises", func(t *testing.T) {
		for name, test := range s.tests() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	})
	if t.Failed() {
		return
	}
	t.Run("the journal tells all of it in order", s.journalTellsAll)
}

// RunStoreApart runs the suite with a store for each test, for engines whose
// reads cost more the more there is. Scripts are shorter.
func RunStoreApart(t *testing.T, open func(t *testing.T) chat.Store) {
	t.Helper()
	for name := range (suite{}).tests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, open)
			s.short = true
			s.tests()[name](t)
			if !t.Failed() {
				s.journalTellsAll(t)
			}
		})
	}
}

// start begins with an empty store.
func start(t *testing.T, open func(t *testing.T) chat.Store) suite {
	t.Helper()
	store := open(t)
	told := &recorder{}
	store.OnCommit(told.record)
	if _, pos, err := store.Position(t.Context()); pos != 0 || err != nil {
		t.Fatalf("an empty store is at position %d: %v", pos, err)
	}
	if events, upTo, err := store.Read(t.Context(), 0, 10); len(events) > 0 || upTo != 0 || err != nil {
		t.Fatalf("an empty store tells %d events up to %d: %v", len(events), upTo, err)
	}
	return suite{Fixture: NewFixture(store), told: told}
}

// tests are all tests of the suite by their sentences.
func (s suite) tests() map[string]func(*testing.T) {
	all := make(map[string]func(*testing.T))
	for _, tests := range []map[string]func(*testing.T){
		s.conversationTests(), s.memberTests(), s.companionTests(), s.receiptTests(), s.messageTests(), s.keyTests(), s.pageTests(),
		s.aboutTests(), s.channelTests(), s.inviteTests(), s.revisionTests(), s.searchTests(), s.journalTests(), s.raceTests(),
		s.foldTests(), s.positionTests(), s.settingsTests(), s.reportTests(), s.fileTests(), s.avatarTests(), s.markTests(), s.markRaceTests(),
		s.pinTests(), s.threadTests(), s.markedThreadTests(), s.traceTests(),
	} {
		maps.Copy(all, tests)
	}
	return all
}

type suite struct {
	*Fixture
	told  *recorder
	short bool // scripts are
}

// steps is how many steps a script of n has here.
func (s suite) steps(n int) int {
	if s.short {
		return n / 3
	}
	return n
}

// recorder is told of commits.
type recorder struct {
	mu     sync.Mutex
	events []*chat.Event
}

func (r *recorder) record(events []*chat.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, events...)
}

func (r *recorder) all() []*chat.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// of returns what was told of some conversations.
func (r *recorder) of(in ...ids.Conversation) []*chat.Event {
	return slices.DeleteFunc(r.all(), func(e *chat.Event) bool { return !slices.Contains(in, e.Conversation) })
}

// journalTellsAll compares what OnCommit told with what Read says, after all
// other tests.
func (s suite) journalTellsAll(t *testing.T) {
	told := s.told.all()
	if last := s.Position(t); last != int64(len(told)) {
		t.Fatalf("%d events were told, the position is %d", len(told), last)
	}
	newest := make(map[ids.User]map[ids.Conversation]int64) // receipts
	set := make(map[ids.User]map[ids.Conversation]int64)    // settings
	for i, e := range told {
		if e.Pos != int64(i+1) {
			t.Fatalf("event %d was told with position %d", i+1, e.Pos)
		}
		switch {
		case e.Kind == chat.ReceiptChanged:
			if newest[e.Receipt.User] == nil {
				newest[e.Receipt.User] = make(map[ids.Conversation]int64)
			}
			newest[e.Receipt.User][e.Conversation] = e.Pos
		case e.Kind == chat.SettingsChanged:
			if set[e.Settings.User] == nil {
				set[e.Settings.User] = make(map[ids.Conversation]int64)
			}
			set[e.Settings.User][e.Conversation] = e.Pos
		case e.Kind == chat.MembershipChanged && e.Membership.Change.Ends():
			delete(newest[e.Membership.User], e.Conversation)
			delete(set[e.Membership.User], e.Conversation)
		}
	}
	want := slices.DeleteFunc(told, func(e *chat.Event) bool {
		return e.Kind == chat.ReceiptChanged && newest[e.Receipt.User][e.Conversation] != e.Pos ||
			e.Kind == chat.SettingsChanged && set[e.Settings.User][e.Conversation] != e.Pos
	})
	for _, limit := range []int{7, 1000} {
		got := s.readAll(t, 0, limit)
		if len(got) != len(want) {
			t.Fatalf("by %d: %d events were read, want %d", limit, len(got), len(want))
		}
		for i := range got {
			if a, b := numbers(got[i]), numbers(want[i]); a != b {
				t.Fatalf("by %d: read %s, told %s", limit, a, b)
			}
		}
	}
}

// readAll reads the journal to its end, checking what Read says of how far it
// came.
func (s suite) readAll(t *testing.T, after int64, limit int) []*chat.Event {
	t.Helper()
	var all []*chat.Event
	for {
		events, upTo, err := s.Store.Read(t.Context(), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Pos <= after || e.Pos > upTo {
				t.Fatalf("event at %d is not after %d and up to %d", e.Pos, after, upTo)
			}
			after = e.Pos
		}
		if all = append(all, events...); len(events) < limit {
			return all
		}
		after = upTo
	}
}

// numbers is what of an event never changes.
func numbers(e *chat.Event) string {
	what := ""
	switch e.Kind {
	case chat.MessageAdded:
		what = fmt.Sprint(e.Message.ID, e.Message.Seq, e.Message.Ord)
	case chat.MessageChanged:
		what = e.Message.ID.String()
	case chat.MembershipChanged:
		what = fmt.Sprint(*e.Membership)
	case chat.ReceiptChanged:
		what = e.Receipt.User.String()
	case chat.ConversationChanged:
		if e.About != nil {
			what = fmt.Sprint(*e.About)
		}
	case chat.SettingsChanged:
		what = e.Settings.User.String()
	case chat.TypingChanged:
	}
	return fmt.Sprintf("%d at %d: %s rev %d ord %d %s", e.Kind, e.Pos, e.Conversation, e.Rev, e.LastOrd, what)
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func refused(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got %v, want %v", what, err, want)
	}
}

// strangers are a user who was never in a conversation and one who is no
// longer.
func (s suite) strangers(t *testing.T, id ids.Conversation, owner ids.User) []ids.User {
	t.Helper()
	all := Users(2)
	s.Add(t, id, owner, all[1])
	s.Remove(t, id, owner, all[1])
	return all
}

// atOnce runs fn n times at once and returns the errors.
func atOnce(ctx context.Context, n int, fn func(ctx context.Context, i int) error) []error {
	all := make([]error, n)
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range n {
		done.Go(func() {
			start.Wait()
			all[i] = fn(ctx, i)
		})
	}
	start.Done()
	done.Wait()
	return all
}
