package usertest

import (
	"cmp"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/user"
	"chatd/internal/user/userv1"
)

func seen(t *testing.T, s user.Store, of ...user.Profile) []user.Sighting {
	t.Helper()
	var who []ids.User
	for _, p := range of {
		who = append(who, p.ID)
	}
	found, err := s.Sightings(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(found, func(a, b user.Sighting) int {
		return cmp.Compare(a.LastActiveAt.UnixMicro(), b.LastActiveAt.UnixMicro())
	})
	return found
}

func chooses(t *testing.T, s user.Store) {
	ada, bob := Profile("ada", "Ada"), Profile("bob", "Bob")
	add(t, s, ada, bob)
	if got := seen(t, s, ada, bob); len(got) != 0 {
		t.Errorf("before anything: %+v", got)
	}
	want := user.Sighting{User: ada.ID, Choice: user.Busy, LastActiveAt: Born}
	other := user.Sighting{User: bob.ID, Choice: user.Offline, LastActiveAt: Born.Add(time.Minute)}
	for _, c := range []user.Sighting{
		{User: ada.ID, Choice: user.Away, LastActiveAt: Born.Add(time.Hour)}, want, other,
	} {
		if err := s.Choose(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if got := seen(t, s, ada, bob); !reflect.DeepEqual(got, []user.Sighting{want, other}) {
		t.Errorf("stored %+v", got)
	}
	events, _, err := s.Read(t.Context(), 0, 10)
	if err != nil || len(events) != 3 || events[2].Name != userv1.PresenceChosenName || events[2].Key != bob.ID.String() {
		t.Errorf("events %+v, %v", events, err)
	}
	if err := s.Choose(t.Context(), user.Sighting{User: ids.New[ids.User](), Choice: user.Away, LastActiveAt: Born}); !errors.Is(err, user.ErrNoUser) {
		t.Errorf("of nobody: %v", err)
	}
	if pos, err := s.LastChange(t.Context()); err != nil || pos != events[2].Pos {
		t.Errorf("newest %d, %v", pos, err)
	}
}

func sightings(t *testing.T, s user.Store) {
	ada, bob, eve := Profile("ada", "Ada"), Profile("bob", "Bob"), Profile("eve", "Eve")
	add(t, s, ada, bob, eve)
	if err := s.Choose(t.Context(), user.Sighting{User: eve.ID, Choice: user.Offline, LastActiveAt: Born}); err != nil {
		t.Fatal(err)
	}
	later := Born.Add(time.Minute)
	for _, at := range []map[ids.User]time.Time{
		{ada.ID: Born.Add(time.Second), bob.ID: Born.Add(2 * later.Sub(Born)), eve.ID: later, ids.New[ids.User](): later},
		{ada.ID: later, bob.ID: later},
		nil,
	} {
		if err := s.Saw(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	want := []user.Sighting{
		{User: eve.ID, Choice: user.Offline, LastActiveAt: Born},
		{User: ada.ID, Choice: user.Online, LastActiveAt: later},
		{User: bob.ID, Choice: user.Online, LastActiveAt: Born.Add(2 * time.Minute)},
	}
	if got := seen(t, s, ada, bob, eve); !reflect.DeepEqual(got, want) {
		t.Errorf("stored %+v", got)
	}
	if pos, err := s.LastChange(t.Context()); err != nil || pos != 1 {
		t.Errorf("sightings are no events: %d, %v", pos, err)
	}
}
