package usertest

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/user"
)

// Shelf is a user.Shelf in memory.
type Shelf struct {
	mu    sync.Mutex
	away  bool
	all   map[ids.User]user.Kept
	takes int
}

var _ user.Shelf = (*Shelf)(nil)

// NewShelf returns an empty shelf.
func NewShelf() *Shelf { return &Shelf{all: map[ids.User]user.Kept{}} }

// Away takes the shelf away with all that is on it, or brings it back as it
// was.
func (s *Shelf) Away(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// Empty forgets everything.
func (s *Shelf) Empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.all)
}

// Takes returns how often Take was called.
func (s *Shelf) Takes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takes
}

// Take implements user.Shelf.
func (s *Shelf) Take(_ context.Context, of []ids.User) (found []user.Kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes++
	if s.away {
		return nil
	}
	for _, id := range of {
		if k, ok := s.all[id]; ok {
			found = append(found, k)
		}
	}
	return found
}

// Put implements user.Shelf.
func (s *Shelf) Put(_ context.Context, profiles []user.Kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return
	}
	for _, k := range profiles {
		old, ok := s.all[k.ID]
		if !ok || old.UpdatedAt.Before(k.UpdatedAt) || old.UpdatedAt.Equal(k.UpdatedAt) && old.Stamp < k.Stamp {
			s.all[k.ID] = k
		}
	}
}

// RunShelf holds a shelf to what user.Shelf promises. open returns an empty
// one each time.
func RunShelf(t *testing.T, open func(t *testing.T) user.Shelf) {
	t.Helper()
	full := Profile("ada", `Ada "the 漢字" 👩‍🚀`)
	full.Bot, full.Avatar = true, ids.New[ids.Attachment]()
	full.Bio, full.TimeZone, full.Locale = "two\nlines", "Europe/London", "en-GB"
	full.Status = user.Status{Text: "busy", Emoji: "🧮", ExpiresAt: Born.Add(time.Hour)}
	bare := Profile("bob", "Bob")
	take := func(t *testing.T, s user.Shelf, of ...ids.User) map[ids.User]user.Kept {
		t.Helper()
		got := map[ids.User]user.Kept{}
		for _, k := range s.Take(t.Context(), of) {
			got[k.ID] = k
		}
		return got
	}
	t.Run("profiles come back as they were put", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		s.Put(t.Context(), nil)
		s.Put(t.Context(), []user.Kept{{Profile: full, Stamp: 7}, {Profile: bare, Stamp: 1 << 40}})
		want := map[ids.User]user.Kept{full.ID: {Profile: full, Stamp: 7}, bare.ID: {Profile: bare, Stamp: 1 << 40}}
		if got := take(t, s, bare.ID, ids.New[ids.User](), full.ID); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got := take(t, s); len(got) != 0 {
			t.Errorf("of nobody: %+v", got)
		}
	})
	t.Run("what is newer stays", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		later, latest := full, full
		later.UpdatedAt, later.Bio = full.UpdatedAt.Add(time.Microsecond), "later"
		latest.UpdatedAt = full.UpdatedAt.Add(time.Hour)
		for _, step := range []struct {
			put  user.Kept
			want user.Kept
		}{
			{user.Kept{Profile: later, Stamp: 10}, user.Kept{Profile: later, Stamp: 10}},
			{user.Kept{Profile: full, Stamp: 99}, user.Kept{Profile: later, Stamp: 10}},
			{user.Kept{Profile: later, Stamp: 9}, user.Kept{Profile: later, Stamp: 10}},
			{user.Kept{Profile: later, Stamp: 16}, user.Kept{Profile: later, Stamp: 16}},
			{user.Kept{Profile: latest, Stamp: 2}, user.Kept{Profile: latest, Stamp: 2}},
		} {
			s.Put(t.Context(), []user.Kept{step.put})
			if got := take(t, s, full.ID)[full.ID]; !reflect.DeepEqual(got, step.want) {
				t.Errorf("%+v, want %+v", got, step.want)
			}
		}
	})
}
