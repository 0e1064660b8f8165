package usertest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"

	"chatd/internal/platform/ids"
	"chatd/internal/user"
	"chatd/internal/user/userv1"
)

// Settings implements user.Store.
func (f *Fake) Settings(_ context.Context, of []ids.User) (map[ids.User]user.Settings, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[ids.User]user.Settings, len(of))
	for _, u := range of {
		if s, ok := f.settings[u]; ok {
			all[u] = s
		} else {
			all[u] = user.DefaultSettings()
		}
	}
	return all, nil
}

// UpdateSettings implements user.Store.
func (f *Fake) UpdateSettings(_ context.Context, id ids.User, change func(*user.Settings)) (user.Settings, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.there(id) {
		return user.Settings{}, user.ErrNoUser
	}
	s, ok := f.settings[id]
	if !ok {
		s = user.DefaultSettings()
	}
	change(&s)
	f.settings[id] = s
	f.add(user.SettingsChanged(id, Born))
	return s, nil
}

// HidingReads implements user.Store.
func (f *Fake) HidingReads(_ context.Context, after ids.User, limit int) ([]ids.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []ids.User
	for u, s := range f.settings {
		if !s.ShareReadReceipts && u.Compare(after) > 0 {
			all = append(all, u)
		}
	}
	slices.SortFunc(all, ids.User.Compare)
	return all[:min(len(all), limit)], nil
}

func share(t *testing.T, s user.Store, who ids.User, is bool) {
	t.Helper()
	got, err := s.UpdateSettings(t.Context(), who, func(s *user.Settings) { s.ShareReadReceipts = is })
	if err != nil || got.ShareReadReceipts != is {
		t.Fatalf("share %v: %+v, %v", is, got, err)
	}
}

func keepsSettings(t *testing.T, s user.Store) {
	ada, bob := Profile("ada", "Ada"), Profile("bob", "Bob")
	add(t, s, ada, bob)
	nobody := ids.New[ids.User]()
	wants := func(of map[ids.User]user.Settings) {
		t.Helper()
		got, err := s.Settings(t.Context(), []ids.User{ada.ID, bob.ID, nobody})
		if err != nil || !reflect.DeepEqual(got, of) {
			t.Fatalf("settings %+v, %v, want %+v", got, err, of)
		}
	}
	std := user.DefaultSettings()
	wants(map[ids.User]user.Settings{ada.ID: std, bob.ID: std, nobody: std})
	share(t, s, ada.ID, false)
	wants(map[ids.User]user.Settings{ada.ID: {}, bob.ID: std, nobody: std})
	share(t, s, ada.ID, true)
	wants(map[ids.User]user.Settings{ada.ID: std, bob.ID: std, nobody: std})
	if _, err := s.UpdateSettings(t.Context(), nobody, func(*user.Settings) {}); !errors.Is(err, user.ErrNoUser) {
		t.Errorf("of nobody: %v", err)
	}
	events, _, err := s.Read(t.Context(), 0, 10)
	if err != nil || len(events) != 2 || events[1].Name != userv1.SettingsChangedName || events[1].Key != ada.ID.String() {
		t.Errorf("events %+v, %v", events, err)
	}
}

func listsWhoHides(t *testing.T, s user.Store) {
	var want []ids.User
	for i := range 5 {
		p := Profile("user"+string(rune('a'+i)), "User")
		add(t, s, p)
		share(t, s, p.ID, i == 2)
		if i != 2 {
			want = append(want, p.ID)
		}
	}
	var got []ids.User
	for after := (ids.User{}); ; {
		page, err := s.HidingReads(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, page...); len(page) < 3 {
			break
		}
		after = page[2]
	}
	if !slices.Equal(got, want) {
		t.Errorf("hiding %v, want %v", got, want)
	}
}

func settingsAtOnce(t *testing.T, s user.Store) {
	ada := Profile("ada", "Ada")
	add(t, s, ada)
	var wg sync.WaitGroup
	for range 11 {
		wg.Go(func() {
			_, err := s.UpdateSettings(t.Context(), ada.ID, func(s *user.Settings) { s.ShareReadReceipts = !s.ShareReadReceipts })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := s.Settings(t.Context(), []ids.User{ada.ID}); err != nil || got[ada.ID].ShareReadReceipts {
		t.Errorf("turned eleven times: %+v, %v", got, err)
	}
}
