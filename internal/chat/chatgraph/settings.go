package chatgraph

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
)

// setter keeps how a member wants to have a conversation.
type setter interface {
	UpdateSettings(ctx context.Context, viewer ids.User, conv ids.Conversation, p chat.SettingsPatch) (chat.View, error)
}

// ConversationFilter is the filter of conversations.
type ConversationFilter struct {
	Archived *bool
	Pinned   *bool
	Unread   *bool
	Kind     *string
}

func (f *ConversationFilter) filter() chat.Filter {
	if f == nil {
		return chat.Filter{}
	}
	return chat.Filter{Archived: f.Archived, Pinned: f.Pinned, Unread: f.Unread, Kind: chat.Kind(str(f.Kind))}
}

// scope tells the cursors of one filter's list from those of others.
func scope(f chat.Filter) string {
	if f == (chat.Filter{}) {
		return ""
	}
	tri := func(b *bool) string {
		if b == nil {
			return "-"
		}
		return strconv.FormatBool(*b)
	}
	return fmt.Sprint(f.Away(), tri(f.Pinned), tri(f.Unread), f.Kind)
}

// ConversationSettings is how the viewer wants to have a conversation.
type ConversationSettings struct{ s chat.Settings }

// ViewerSettings resolves viewerSettings.
func (c *Conversation) ViewerSettings() *ConversationSettings {
	return &ConversationSettings{c.v.Viewer.Settings}
}

// MutedUntil resolves mutedUntil.
func (s *ConversationSettings) MutedUntil() *gqlx.Time { return gqlx.TimePtr(s.s.MutedUntil) }

// Pinned resolves pinned.
func (s *ConversationSettings) Pinned() bool { return s.s.Pinned }

// Archived resolves archived.
func (s *ConversationSettings) Archived() bool { return s.s.Archived }

const notifyAll = "ALL" // as clients call chat.NotifyAll

// Notify resolves notify.
func (s *ConversationSettings) Notify() string { return cmp.Or(string(s.s.Notify), notifyAll) }

// UpdateConversationSettingsInput is the input of updateConversationSettings.
type UpdateConversationSettingsInput struct {
	ConversationID   graphql.ID
	MutedUntil       gqlx.NullTime
	Pinned, Archived *bool
	Notify           *string
}

// UpdateConversationSettings resolves updateConversationSettings.
func (m *Mutation) UpdateConversationSettings(
	ctx context.Context, args struct {
		Input UpdateConversationSettingsInput
	},
) (*ConversationPayload, error) {
	in := args.Input
	who, conv, err := callerAt(ctx, in.ConversationID)
	if err != nil {
		return nil, err
	}
	p := chat.SettingsPatch{MutedUntil: in.MutedUntil.Patch(), Pinned: in.Pinned, Archived: in.Archived}
	if in.Notify != nil {
		level := chat.Notify(*in.Notify)
		if level == notifyAll {
			level = chat.NotifyAll
		}
		p.Notify = &level
	}
	return m.g.conversationPayload(m.g.Chat.UpdateSettings(ctx, who, conv, p))
}

// ConversationSettingsChanged tells how the viewer wants to have a
// conversation from now on.
type ConversationSettingsChanged struct{ base }

// Settings resolves settings.
func (e *ConversationSettingsChanged) Settings() *ConversationSettings {
	return &ConversationSettings{e.e.Settings.Settings}
}
