package chat

import (
	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
)

// EventKind says what happened.
type EventKind uint8

// The kinds of event. TypingChanged is a signal: it has no position, is never
// stored and never replayed.
const (
	MessageAdded EventKind = iota + 1
	MessageChanged
	MembershipChanged
	ConversationChanged
	ReceiptChanged
	TypingChanged
	// SettingsChanged is its member's alone, and like a receipt takes no rev.
	SettingsChanged
)

// Event is one change of one conversation, with the changed object's state.
// One Event is shared by all who hear of it and never changed after it was
// handed out.
type Event struct {
	Kind         EventKind
	Conversation ids.Conversation
	Pos          int64 // 0 for a signal
	Rev          int64 // 0 for a signal, a receipt and settings

	// LastOrd is the conversation's LastOrd after this event, as far as the
	// store knows it; a viewer's unread count is what it exceeds his own by.
	LastOrd int64

	// Joined are the first members, in the event of a conversation's making:
	// from it on they hear of it.
	Joined []ids.User

	// About are the new ones, in the event of their change.
	About *About

	// One of these, by kind; none for ConversationChanged.
	Message    *Message    // MessageAdded, MessageChanged
	Membership *Membership // MembershipChanged
	Receipt    *Receipt    // ReceiptChanged
	Typing     *Typing     // TypingChanged
	Settings   *SettingsOf // SettingsChanged

	// outward is a receipt as others see it, where that is not as its member
	// does; nil where it is.
	outward *Event

	told *bus.Envelope // has the rest of it, still encoded
}

// eventOverhead is about what an event takes encoded, beside its text.
const eventOverhead = 512

// reactionSize is about what a reaction takes there, with a few of its users.
const reactionSize = 128

// Size is about how many bytes the event takes when encoded.
func (e *Event) Size() int {
	if e.Message != nil {
		return eventOverhead + len(e.Message.Text) + e.Message.aside() + reactionSize*len(e.Message.Reactions) +
			eventOverhead*len(e.Message.Attachments)
	}
	return eventOverhead
}
