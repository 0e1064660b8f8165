package chat

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/chat/chatv1"
	"chatd/internal/platform/ids"
)

// Notify says of what in a conversation a member wants to be notified.
type Notify string

// The levels of notification. NotifyAll is what nobody has chosen yet.
const (
	NotifyAll      Notify = ""
	NotifyMentions Notify = "MENTIONS"
	NotifyNone     Notify = "NONE"
)

// Settings is how one member wants to have one conversation; nobody else
// knows. The zero Settings is what a new member has.
type Settings struct {
	MutedUntil time.Time // zero: not muted
	Pinned     bool      // shown before others
	Archived   bool      // put away: left out of the list unless asked for
	Notify     Notify
}

// SettingsOf is one member's settings.
type SettingsOf struct {
	User     ids.User
	Settings Settings
}

// SettingsPatch is a change of settings: nil leaves one as it is.
type SettingsPatch struct {
	MutedUntil *time.Time // the zero time ends it
	Pinned     *bool
	Archived   *bool
	Notify     *Notify
}

func (p SettingsPatch) apply(s *Settings) {
	if p.MutedUntil != nil {
		s.MutedUntil = time.Time{}
		if p.MutedUntil.After(time.Unix(0, 0)) { // what is long over says nothing
			s.MutedUntil = p.MutedUntil.UTC().Truncate(time.Microsecond)
		}
	}
	if p.Pinned != nil {
		s.Pinned = *p.Pinned
	}
	if p.Archived != nil {
		s.Archived = *p.Archived
	}
	if p.Notify != nil {
		s.Notify = *p.Notify
	}
}

// Filter says which of a viewer's conversations a list has. Nil lets all
// through, but for Archived, where it is false.
type Filter struct {
	Archived *bool // by the viewer
	Pinned   *bool
	Unread   *bool
	Kind     Kind // empty: any
}

// Away says whether the list is of those that the viewer has put away.
func (f Filter) Away() bool { return f.Archived != nil && *f.Archived }

// UpdateSettings changes how the viewer wants to have a conversation; his
// other devices hear of it, and nobody else does.
func (s *Service) UpdateSettings(ctx context.Context, viewer ids.User, id ids.Conversation, p SettingsPatch) (View, error) {
	if _, err := s.Store.SetSettings(ctx, viewer, id, p.apply); err != nil {
		return View{}, fmt.Errorf("settings of %s: %w", id, err)
	}
	return s.Store.View(ctx, viewer, id)
}

func publishedSettings(c chatv1.Change, of *SettingsOf) chatv1.SettingsChanged {
	return chatv1.SettingsChanged{
		Change: c, UserID: of.User, MutedUntil: of.Settings.MutedUntil,
		Pinned: of.Settings.Pinned, Archived: of.Settings.Archived, Notify: string(of.Settings.Notify),
	}
}

func settingsOf(v chatv1.SettingsChanged) *SettingsOf {
	return &SettingsOf{User: v.UserID, Settings: Settings{
		MutedUntil: v.MutedUntil, Pinned: v.Pinned, Archived: v.Archived, Notify: Notify(v.Notify),
	}}
}
