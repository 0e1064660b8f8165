package chat

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/ids"
)

// shelf is a store that finds all of its messages, whatever is looked for, and
// counts how many it handed out.
type shelf struct {
	Store

	texts  []string // by rising position
	handed int
}

func (s *shelf) View(context.Context, ids.User, ids.Conversation) (View, error) {
	return View{}, ErrNoConversation
}

func (s *shelf) Search(_ context.Context, _ ids.User, q MessageQuery) (all []Message, err error) {
	for pos := int64(len(s.texts)); pos > 0 && len(all) < q.Limit; pos-- {
		if q.Before == 0 || pos < q.Before {
			all = append(all, Message{Kind: Text, Text: s.texts[pos-1], Pos: pos})
		}
	}
	s.handed += len(all)
	return all, nil
}

// found reads all pages of a search.
func found(t *testing.T, store Store, in SearchInput) (hits []int64, pages int) {
	t.Helper()
	s := &Service{Deps: Deps{Store: store}}
	for {
		f, err := s.Search(t.Context(), ids.User{}, in)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, h := range f.Hits {
			hits = append(hits, h.Pos)
		}
		if in.Before = f.Next; f.Next == 0 {
			return hits, pages
		}
	}
}

func TestWhatAnIndexGivesTooMuchIsPassedOver(t *testing.T) {
	t.Parallel()
	store := &shelf{}
	for i := range 100 {
		store.texts = append(store.texts, []string{"東京都", "京都と東京", "", "東京 都"}[i%4])
	}
	hits, pages := found(t, store, SearchInput{Query: "東京都", Limit: 10})
	if len(hits) != 25 || pages != 3 {
		t.Errorf("%d found on %d pages", len(hits), pages)
	}
	for i, pos := range hits {
		if want := int64(97 - 4*i); pos != want {
			t.Fatalf("hit %d is at %d, want %d", i, pos, want)
		}
	}
}

// A page looks at so many messages and no more, and says where to go on.
func TestASearchThatFindsLittleIsBounded(t *testing.T) {
	t.Parallel()
	store := &shelf{texts: make([]string, 5*maxLooked)}
	store.texts[3] = "needle"
	s := &Service{Deps: Deps{Store: store}}
	f, err := s.Search(t.Context(), ids.User{}, SearchInput{Query: "needle", Limit: 50})
	if err != nil || len(f.Hits) > 0 || f.Next == 0 || store.handed > maxLooked+51 {
		t.Fatalf("%+v, %v after %d messages", f, err, store.handed)
	}
	if hits, _ := found(t, store, SearchInput{Query: "needle", Limit: 50}); len(hits) != 1 || hits[0] != 4 {
		t.Errorf("found %v", hits)
	}
}

func TestASearchInAConversationOfOthersIsNone(t *testing.T) {
	t.Parallel()
	s := &Service{Deps: Deps{Store: &shelf{}}}
	_, err := s.Search(t.Context(), ids.User{}, SearchInput{Query: "a", Conversation: ids.New[ids.Conversation](), Limit: 1})
	if !errors.Is(err, ErrNoConversation) {
		t.Error(err)
	}
}

// words is an index that takes in limit positions at a call.
type words struct {
	Searching

	mu        sync.Mutex
	at        Indexed
	calls     int
	failing   bool
	elsewhere bool
}

func (w *words) Index(_ context.Context, limit int) (Indexed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.failing {
		return Indexed{}, errAway
	}
	at := w.at
	if at.Elsewhere = w.elsewhere; !w.elsewhere {
		w.at.UpTo = min(w.at.Newest, w.at.UpTo+int64(limit))
		at.UpTo = w.at.UpTo
	}
	return at, nil
}

func (w *words) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func TestTheIndexFollowsTheMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &words{at: Indexed{Newest: 10 * indexBatch}}
		x := newIndexer(w, 0, zerolog.Nop())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); x.run(ctx) }()
		check := func(what string, behind int64, calls int) {
			t.Helper()
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			if x.behind() != behind || w.calls != calls {
				t.Errorf("%s: %d behind after %d calls, want %d and %d", what, x.behind(), w.calls, behind, calls)
			}
			w.calls = 0
		}
		add := func(n int) {
			for range n {
				w.set(func() { w.at.Newest++ })
				x.heard(w.at.Newest)
			}
		}
		check("what was there before the start", 0, 10)
		time.Sleep(time.Hour) //nolint:forbidigo // The bubble's clock.
		check("nothing happens", 0, 0)
		add(50)
		time.Sleep(50 * time.Millisecond) //nolint:forbidigo // The bubble's clock.
		check("they are gathered", 50, 0)
		time.Sleep(60 * time.Millisecond) //nolint:forbidigo // The bubble's clock.
		check("they share a call", 0, 1)
		w.set(func() { w.failing = true })
		add(1)
		time.Sleep(time.Second) //nolint:forbidigo // The bubble's clock.
		check("it fails", 1, 2)
		w.set(func() { w.failing, w.elsewhere = false, true })
		time.Sleep(time.Second) //nolint:forbidigo // The bubble's clock.
		check("another node is at it", 1, 2)
		w.set(func() { w.elsewhere = false })
		time.Sleep(time.Second) //nolint:forbidigo // The bubble's clock.
		check("it is this node's turn", 0, 1)
		w.set(func() { w.at.Done = true })
		add(1)
		time.Sleep(time.Second) //nolint:forbidigo // The bubble's clock.
		check("the store goes on by itself", 0, 1)
		add(3)
		time.Sleep(time.Second) //nolint:forbidigo // The bubble's clock.
		check("and is left alone", 0, 0)
		cancel()
		<-done
	})
}

func TestAQueryIsReadOrRefused(t *testing.T) {
	t.Parallel()
	for query, ok := range map[string]bool{"a": true, fmt.Sprintf("%0256d", 1): true, fmt.Sprintf("%0257d", 1): false, "": false, "-": false} {
		if _, err := ParseQuery(query); (err == nil) != ok || err != nil && !errors.Is(err, ErrQuery) {
			t.Errorf("%q: %v", query, err)
		}
	}
}
