package chattest

import (
	"context"
	"slices"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Set gives a member's settings of a conversation.
func (f *Fixture) Set(t testing.TB, user ids.User, id ids.Conversation, to chat.Settings) {
	t.Helper()
	now, err := f.Store.SetSettings(t.Context(), user, id, func(s *chat.Settings) { *s = to })
	if err != nil || now != to {
		t.Fatalf("set %+v: %+v, %v", to, now, err)
	}
}

func (f *script) anySettings() chat.Settings {
	s := chat.Settings{
		Pinned: f.rnd.IntN(2) == 0, Archived: f.rnd.IntN(2) == 0,
		Notify: pick(f.rnd, []chat.Notify{chat.NotifyAll, chat.NotifyMentions, chat.NotifyNone}),
	}
	if f.rnd.IntN(2) == 0 {
		s.MutedUntil = f.Now()
	}
	return s
}

func (s suite) settingsTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"settings are their member's and take no rev":       s.settings,
		"settings are replayed to their member alone":       s.settingsReplayed,
		"settings end with the membership":                  s.settingsEnd,
		"settings changed at once are all in effect":        s.settingsRace,
		"the list is filtered, and its pages are as stable": s.filteredList,
	}
}

func (s suite) settings(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	same(t, "at first", s.View(t, u[0], c.ID).Viewer.Settings, chat.Settings{})
	told := len(s.told.of(c.ID))
	want := chat.Settings{MutedUntil: s.Now(), Pinned: true, Archived: true, Notify: chat.NotifyMentions}
	s.Set(t, u[0], c.ID, want)
	s.Set(t, u[0], c.ID, want)
	events := s.told.of(c.ID)[told:]
	same(t, "told once", len(events), 1)
	same(t, "event", *events[0], chat.Event{
		Kind: chat.SettingsChanged, Conversation: c.ID, Pos: events[0].Pos, Settings: &chat.SettingsOf{User: u[0], Settings: want},
	})
	v := s.View(t, u[0], c.ID)
	same(t, "stored", v.Viewer.Settings, want)
	same(t, "rev", v.LastRev, 1)
	same(t, "the other's", s.View(t, u[1], c.ID).Viewer.Settings, chat.Settings{})
	s.Set(t, u[0], c.ID, chat.Settings{})
	same(t, "taken back", s.View(t, u[0], c.ID).Viewer.Settings, chat.Settings{})
	for _, stranger := range s.strangers(t, c.ID, u[0]) {
		_, err := s.Store.SetSettings(t.Context(), stranger, c.ID, func(s *chat.Settings) { s.Pinned = true })
		refused(t, "a stranger", err, chat.ErrNoConversation)
	}
	_, err := s.Store.SetSettings(t.Context(), u[0], ids.New[ids.Conversation](), func(s *chat.Settings) { s.Pinned = true })
	refused(t, "none", err, chat.ErrNoConversation)
}

func (s suite) settingsReplayed(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	after := s.Position(t)
	s.Set(t, u[0], c.ID, chat.Settings{Pinned: true})
	s.Set(t, u[1], c.ID, chat.Settings{Archived: true})
	s.Set(t, u[0], c.ID, chat.Settings{Pinned: true, Notify: chat.NotifyNone})
	for i, want := range []chat.Settings{{Pinned: true, Notify: chat.NotifyNone}, {Archived: true}} {
		got := s.replay(t, u[i], after)
		if len(got) != 1 {
			t.Fatalf("%d events", len(got))
		}
		same(t, "settings", *got[0].Settings, chat.SettingsOf{User: u[i], Settings: want})
	}
	refs, err := s.Store.Missed(t.Context(), u[1], after, s.Position(t), 10)
	if err != nil {
		t.Fatal(err)
	}
	if events, err := s.Store.Load(t.Context(), u[0], refs); err != nil || len(events) != 0 {
		t.Fatal("another's settings are told", events, err)
	}
}

func (s suite) settingsEnd(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	after := s.Position(t)
	s.Set(t, u[1], c.ID, chat.Settings{Pinned: true, MutedUntil: s.Now()})
	s.Remove(t, c.ID, u[0], u[1])
	got := s.replay(t, u[1], after)
	if len(got) != 1 || got[0].Kind != chat.MembershipChanged {
		t.Fatal("replayed", got)
	}
	s.Add(t, c.ID, u[0], u[1])
	same(t, "who came back", s.View(t, u[1], c.ID).Viewer.Settings, chat.Settings{})
}

func (s suite) settingsRace(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	muted := s.Now()
	for _, err := range atOnce(t.Context(), 40, func(ctx context.Context, i int) error {
		_, err := s.Store.SetSettings(ctx, u[0], c.ID, func(s *chat.Settings) {
			switch i % 4 {
			case 0:
				s.Pinned = true
			case 1:
				s.Archived = true
			case 2:
				s.MutedUntil = muted
			default:
				s.Notify = chat.NotifyNone
			}
		})
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	same(t, "all of it", s.View(t, u[0], c.ID).Viewer.Settings,
		chat.Settings{MutedUntil: muted, Pinned: true, Archived: true, Notify: chat.NotifyNone})
	same(t, "told", len(s.told.of(c.ID)), 5)
}

func (s suite) filteredList(t *testing.T) {
	u := Users(2)
	var all []ids.Conversation
	for range 12 {
		all = append(all, s.Group(t, u...).ID)
	}
	all = append(all, s.Direct(t, u[0], u[1]).ID)
	want := map[string][]ids.Conversation{}
	add := func(list string, id ids.Conversation, is bool) {
		if is {
			want[list] = append([]ids.Conversation{id}, want[list]...)
		}
	}
	for i, id := range all {
		pinned, away, unread := i%3 == 0, i%4 == 1, i%2 == 0
		if pinned || away {
			s.Set(t, u[0], id, chat.Settings{Pinned: pinned, Archived: away, MutedUntil: time.UnixMicro(int64(i + 1)).UTC()})
		}
		s.Send(t, id, u[1], "text")
		if !unread {
			s.MarkRead(t, u[0], id, 1)
		}
		add("all", id, !away)
		add("away", id, away)
		add("pinned", id, !away && pinned)
		add("others", id, !away && !pinned)
		add("unread", id, !away && unread)
		add("read", id, !away && !unread)
		add("groups", id, !away && i < 12)
		add("away, unread and in a group", id, away && unread && i < 12)
		add("pinned and read", id, !away && pinned && !unread)
	}
	yes, no := true, false
	for name, f := range map[string]chat.Filter{
		"all": {}, "away": {Archived: &yes}, "pinned": {Pinned: &yes}, "others": {Pinned: &no, Archived: &no},
		"unread": {Unread: &yes}, "read": {Unread: &no}, "groups": {Kind: chat.Group},
		"away, unread and in a group": {Archived: &yes, Unread: &yes, Kind: chat.Group}, "pinned and read": {Pinned: &yes, Unread: &no},
	} {
		var got []ids.Conversation
		for before := int64(0); ; {
			views, err := s.Store.List(t.Context(), u[0], f, before, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range views {
				got, before = append(got, v.ID), v.ActivePos
			}
			if len(views) < 2 {
				break
			}
		}
		if !slices.Equal(got, want[name]) {
			t.Fatalf("%s: got %v, want %v", name, got, want[name])
		}
	}
}
