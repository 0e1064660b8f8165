package chatmongo

import (
	"context"
	"fmt"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// settings are a member's own, of a conversation; empty ones are what he has at
// first.
type settings struct {
	Muted  int64  `bson:"muted,omitempty"`
	Pinned bool   `bson:"pinned,omitempty"`
	Away   bool   `bson:"away,omitempty"`
	Notify string `bson:"notify,omitempty"`
}

// settingsEntry is a change of them.
type settingsEntry struct {
	Room []byte   `bson:"c"`
	User []byte   `bson:"u"`
	Set  settings `bson:"set"`
}

func (s settings) settings() chat.Settings {
	return chat.Settings{MutedUntil: optInstant(s.Muted), Pinned: s.Pinned, Archived: s.Away, Notify: chat.Notify(s.Notify)}
}

func settingsDocument(s chat.Settings) settings {
	return settings{Muted: optMicros(s.MutedUntil), Pinned: s.Pinned, Away: s.Archived, Notify: string(s.Notify)}
}

// SetSettings changes a member's settings of a conversation.
func (s *Store) SetSettings(
	ctx context.Context, user ids.User, id ids.Conversation, change func(*chat.Settings),
) (chat.Settings, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	who := memberID{id, user}
	var now chat.Settings
	err := s.do(ctx, &job{room: id, members: []memberID{who}, plan: func(c *commit) (*entry, error) {
		h, m := c.heads[id], c.members[who]
		if h == nil || !m.isIn() {
			return nil, chat.ErrNoConversation
		}
		before := m.Set.settings()
		now = before
		if change(&now); now == before {
			return nil, nil //nolint:nilnil // Nothing is to be written.
		}
		e := c.next(kindSettings, 1)
		e.Ord = h.lastOrd
		e.Settings = &settingsEntry{Room: id.Bytes(), User: user.Bytes(), Set: settingsDocument(now)}
		return e, nil
	}})
	if err != nil {
		return chat.Settings{}, fmt.Errorf("set a member's settings of %s: %w", id, err)
	}
	return now, nil
}
