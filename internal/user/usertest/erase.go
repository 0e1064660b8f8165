package usertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/user"
	"chatd/internal/user/userv1"
)

// there says whether somebody is there and not deleted. f.mu is held.
func (f *Fake) there(id ids.User) bool {
	p, ok := f.profiles[id]
	return ok && p.DeletedAt.IsZero()
}

// Erase implements user.Store.
func (f *Fake) Erase(_ context.Context, id ids.User, at time.Time) (user.Profile, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.profiles[id]
	if ok && !p.DeletedAt.IsZero() {
		return p, false, nil
	}
	p.ID = id
	p = p.Gone(at)
	f.profiles[id] = p
	delete(f.seen, id)
	f.settings[id] = user.Settings{}
	for i, e := range f.log {
		if e.Name == userv1.ProfileUpdatedName && e.Key == id.String() {
			f.log[i].Payload = user.Updated(p).Payload
		}
	}
	none := user.Pair{Mine: user.Strangers, Theirs: user.Strangers}
	for other := range f.profiles {
		was := f.pair(id, other)
		delete(f.related, user.Block{By: id, Of: other})
		delete(f.related, user.Block{By: other, Of: id})
		for _, e := range user.AllRelated(id, other, was, none, at) {
			f.add(e)
		}
	}
	f.add(user.SettingsChanged(id, at))
	f.add(user.Chosen(id, at))
	f.add(user.Updated(p))
	return p, true, nil
}

func erases(t *testing.T, s user.Store) {
	ada, bob, cyd := Profile("ada.canary", "Ada Canary"), Profile("bob", "Bob"), Profile("cyd", "Cyd")
	add(t, s, ada, bob, cyd)
	_, err := s.Update(t.Context(), ada.ID, func(p *user.Profile) error {
		p.Bio, p.Status.Text, p.Status.Emoji, p.TimeZone, p.Locale = "a canary's bio", "canary yellow", "🐤", "Atlantic/Canary", "es-canary"
		p.DisplayName, p.Status.ExpiresAt, p.Avatar = "Ada Canaria", Born.Add(time.Hour), ids.New[ids.Attachment]()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	friends := func(user.Pair) (user.Pair, error) { return user.Pair{Mine: user.Friends, Theirs: user.Friends}, nil }
	blocks := func(user.Pair) (user.Pair, error) { return user.Pair{Mine: user.Blocked, Theirs: user.Strangers}, nil }
	_, _, err1 := s.Relate(t.Context(), ada.ID, bob.ID, Born, friends)
	_, _, err2 := s.Relate(t.Context(), cyd.ID, ada.ID, Born, blocks)
	err3 := s.Choose(t.Context(), user.Sighting{User: ada.ID, Choice: user.Busy, LastActiveAt: Born})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	before, _ := s.LastChange(t.Context())
	at := Born.Add(time.Minute)
	gone, news, err := s.Erase(t.Context(), ada.ID, at)
	if err != nil || !news || gone.DisplayName != user.GoneName || !gone.DeletedAt.Equal(at) || !gone.CreatedAt.Equal(Born) {
		t.Fatalf("%+v %v %v", gone, news, err)
	}
	if found := read(t, s, ada.ID); len(found) != 1 || found[0] != gone {
		t.Errorf("%+v, want %+v", found, gone)
	}
	told := map[string]int{}
	all, _, err := s.Read(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if strings.Contains(strings.ToLower(string(e.Payload)), "canar") {
			t.Errorf("the log says %s", e.Payload)
		}
		if e.Pos > before {
			told[e.Name+" "+e.Key]++
		}
	}
	for _, want := range []string{
		userv1.RelationshipChangedName + " " + bob.ID.String(), userv1.RelationshipChangedName + " " + cyd.ID.String(),
		userv1.PresenceChosenName + " " + ada.ID.String(), userv1.SettingsChangedName + " " + ada.ID.String(),
		userv1.ProfileUpdatedName + " " + ada.ID.String(),
	} {
		if told[want] != 1 {
			t.Errorf("told %d times of %s", told[want], want)
		}
	}
	if is, err := s.Relationships(t.Context(), bob.ID, []ids.User{ada.ID}); err != nil || len(is) != 0 {
		t.Error(is, err)
	}
	if b, err := s.Blocks(t.Context(), user.Block{}, 10); err != nil || len(b) != 0 {
		t.Error(b, err)
	}
	if seen, err := s.Sightings(t.Context(), []ids.User{ada.ID}); err != nil || len(seen) != 0 {
		t.Error(seen, err)
	}
	staysGone(t, s, ada, gone, bob.ID)
}

// staysGone tries what could bring somebody back.
func staysGone(t *testing.T, s user.Store, was, gone user.Profile, other ids.User) {
	t.Helper()
	before, _ := s.LastChange(t.Context())
	if err := s.Create(t.Context(), was); err != nil {
		t.Error(err)
	}
	if again, news, err := s.Erase(t.Context(), was.ID, gone.DeletedAt.Add(time.Hour)); err != nil || news || again != gone {
		t.Errorf("%+v %v %v", again, news, err)
	}
	if err := s.Saw(t.Context(), map[ids.User]time.Time{was.ID: gone.DeletedAt}); err != nil {
		t.Error(err)
	}
	_, err1 := s.Update(t.Context(), was.ID, func(p *user.Profile) error { p.Bio = "x"; return nil })
	_, err2 := s.UpdateSettings(t.Context(), was.ID, func(s *user.Settings) { s.ShareReadReceipts = true })
	err3 := s.Choose(t.Context(), user.Sighting{User: was.ID, Choice: user.Busy, LastActiveAt: Born})
	_, _, err4 := s.Relate(t.Context(), other, was.ID, Born, func(p user.Pair) (user.Pair, error) { return p, nil })
	_, err5 := s.ByUsername(t.Context(), was.Username)
	_, err6 := s.ByUsername(t.Context(), gone.Username)
	for i, err := range []error{err1, err2, err3, err4, err5, err6} {
		if !errors.Is(err, user.ErrNoUser) {
			t.Errorf("%d: %v", i+1, err)
		}
	}
	if named, err := s.Named(t.Context(), []string{was.Username, gone.Username}); err != nil || len(named) != 0 {
		t.Error(named, err)
	}
	for _, word := range []string{"ada", "canary", "canari", "anar", "deleted", "user", "delted"} {
		if found := find(t, s, word); len(found) != 0 {
			t.Errorf("%s finds %v", word, found)
		}
	}
	if seen, err := s.Sightings(t.Context(), []ids.User{was.ID}); err != nil || len(seen) != 0 {
		t.Error(seen, err)
	}
	if found := read(t, s, was.ID); len(found) != 1 || found[0] != gone {
		t.Errorf("%+v, want %+v", found, gone)
	}
	if last, _ := s.LastChange(t.Context()); last != before {
		t.Errorf("the log went on from %d to %d", before, last)
	}
}

func erasesNobody(t *testing.T, s user.Store) {
	ada := Profile("ada", "Ada")
	if p, news, err := s.Erase(t.Context(), ada.ID, Born.Add(time.Hour)); err != nil || !news || p.DisplayName != user.GoneName {
		t.Fatalf("%+v %v %v", p, news, err)
	}
	if err := s.Create(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	if found := read(t, s, ada.ID); len(found) != 1 || found[0].DisplayName != user.GoneName {
		t.Errorf("came back as %+v", found)
	}
}
