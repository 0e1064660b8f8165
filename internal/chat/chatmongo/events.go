package chatmongo

import (
	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// events are what a commit tells, in the order of their positions. That of a
// revision carries e.current.
func (e *entry) events() []*chat.Event {
	room := e.room()
	switch e.Kind {
	case kindMessage:
		all := append(e.memberEvents(room), e.rootEvents(room)...)
		return append(all, &chat.Event{
			Kind: chat.MessageAdded, Conversation: room, Pos: e.End, Rev: e.AddRev, LastOrd: e.Ord, Message: e.message(),
		})
	case kindRevision:
		return append(e.rootEvents(room), &chat.Event{
			Kind: chat.MessageChanged, Conversation: room, Pos: e.End, Rev: e.Rev, LastOrd: e.Ord, Message: e.current,
		})
	case kindCreation:
		made := &chat.Event{Kind: chat.ConversationChanged, Conversation: room, Pos: e.End, Rev: e.Rev}
		for _, m := range e.Creation.Members {
			made.Joined = append(made.Joined, idOf[ids.User](m.User))
		}
		return []*chat.Event{made}
	case kindSettings:
		return []*chat.Event{{
			Kind: chat.SettingsChanged, Conversation: room, Pos: e.End,
			Settings: &chat.SettingsOf{User: idOf[ids.User](e.Settings.User), Settings: e.Settings.Set.settings()},
		}}
	default:
		r := e.Receipt
		return []*chat.Event{{
			Kind: chat.ReceiptChanged, Conversation: room, Pos: e.End, LastOrd: e.Ord,
			Receipt: r.receipt(),
		}}
	}
}

// memberEvents are those of the changes before a note.
func (e *entry) memberEvents(room ids.Conversation) []*chat.Event {
	if e.Edit == nil {
		return nil
	}
	if did := e.Edit.About; did != nil {
		return []*chat.Event{{
			Kind: chat.ConversationChanged, Conversation: room, Pos: e.First, Rev: e.AddRev - 1, LastOrd: e.Ord,
			About: &did.change().After,
		}}
	}
	first := e.AddRev - int64(len(e.Edit.Changes))
	all := make([]*chat.Event, len(e.Edit.Changes))
	for i, c := range e.Edit.Changes {
		all[i] = &chat.Event{
			Kind: chat.MembershipChanged, Conversation: room, Pos: e.First + int64(i), Rev: first + int64(i), LastOrd: e.Ord,
			Membership: &chat.Membership{
				User: idOf[ids.User](c.User), Change: chat.Change(c.Change), Role: chat.Role(c.Role),
				Actor: idOf[ids.User](c.Actor),
			},
		}
	}
	return all
}

// head is a conversation's counters.
type head struct {
	lastSeq, lastRev, lastOrd int64
	version, count            int64
}

func headOf(c *conversationDocument) head {
	return head{c.LastSeq, c.LastRev, c.LastOrd, c.Version, c.Count}
}

// advance brings a head to what it is after the commit.
func (e *entry) advance(h *head) {
	switch e.Kind {
	case kindMessage:
		h.lastSeq, h.lastRev, h.lastOrd = e.Seq, e.AddRev, e.Ord
		if e.Edit != nil {
			h.version, h.count = e.Edit.Version, e.Edit.Count
		}
	case kindRevision:
		h.lastRev = e.Rev
	case kindCreation:
		*h = headOf(&e.Creation.Conversation)
	case kindReceipt, kindSettings:
	}
}
