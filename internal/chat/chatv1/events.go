package chatv1

import (
	"time"

	"chatd/internal/platform/ids"
)

// Topic is the topic of all events of this package. Their key is the
// conversation's id; an envelope's Pos is the event's position among all of
// chat's events, without gaps, and 0 for a signal.
const Topic = "chat"

// The names of events.
const (
	MessageAddedName        = "chat.message_added.v1"
	MessageChangedName      = "chat.message_changed.v1"
	MembershipChangedName   = "chat.membership_changed.v1"
	ConversationChangedName = "chat.conversation_changed.v1"
	ReceiptChangedName      = "chat.receipt_changed.v1"
	TypingChangedName       = "chat.typing_changed.v1"
	SettingsChangedName     = "chat.settings_changed.v1"
)

// Change is what all events say. Rev numbers the changes of one conversation;
// a receipt, settings and a signal have none. LastOrd is the number of messages in the
// conversation, without system messages, after the event.
type Change struct {
	ConversationID ids.Conversation `json:"conversationId"`
	Rev            int64            `json:"rev,omitempty"`
	LastOrd        int64            `json:"lastOrd"`
}

// MessageAdded says that a message was sent.
type MessageAdded struct {
	Change

	Message Message `json:"message"`
}

// MessageChanged says that a message was edited or deleted, or that a reaction
// to it, its pin or a reply in its thread has come or gone, and what it is after
// the newest of its changes.
type MessageChanged struct {
	Change

	Message Message `json:"message"`
}

// MembershipChanged says that somebody has come, gone, or got another role.
type MembershipChanged struct {
	Change

	UserID ids.User `json:"userId"`
	// What is JOINED, LEFT, REMOVED or ROLE; there may be more.
	What    string   `json:"what"`
	Role    string   `json:"role"` // after it; the last one held when it ends
	ActorID ids.User `json:"actorId"`
}

// ConversationChanged says that a conversation was made or has other settings.
type ConversationChanged struct {
	Change

	// Joined are the first members, when the conversation was made.
	Joined []ids.User `json:"joined,omitempty"`
	// Name and Description are what they are now, when one of them was changed.
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty"`
}

// ReceiptChanged says how far a member has read.
type ReceiptChanged struct {
	Change

	UserID       ids.User `json:"userId"`
	ReadSeq      int64    `json:"readSeq"`
	ReadOrd      int64    `json:"readOrd"`
	DeliveredSeq int64    `json:"deliveredSeq"`
	// SeenSeq is how far he had read when he marked something unread, which
	// is his own to know: for others he has read that far.
	SeenSeq int64 `json:"seenSeq,omitempty"`
}

// SettingsChanged says how a member wants to have the conversation from now
// on. It is for nobody but him.
type SettingsChanged struct {
	Change

	UserID     ids.User  `json:"userId"`
	MutedUntil time.Time `json:"mutedUntil,omitzero"`
	Pinned     bool      `json:"pinned"`
	Archived   bool      `json:"archived"`
	// Notify is MENTIONS or NONE; nothing stands for everything.
	Notify string `json:"notify,omitempty"`
}

// TypingChanged is a signal, which is never stored and may be lost: somebody
// writes, or has ceased to. Node names the node that he is connected to.
type TypingChanged struct {
	Change

	UserID ids.User `json:"userId"`
	Typing bool     `json:"typing"`
	Node   string   `json:"node"`
}

// Message is a message as it was at the event.
type Message struct {
	ID        ids.Message `json:"id"`
	Seq       int64       `json:"seq"`
	Rev       int64       `json:"rev"`
	Ord       int64       `json:"ord"`
	Pos       int64       `json:"pos"` // at which it was added
	Kind      string      `json:"kind"`
	SenderID  ids.User    `json:"senderId"`
	Text      string      `json:"text"`
	Note      *Note       `json:"note,omitempty"`
	ClientID  string      `json:"clientId,omitempty"`
	ReplyTo   ids.Message `json:"replyTo,omitzero"`
	CreatedAt time.Time   `json:"createdAt"`
	EditedAt  time.Time   `json:"editedAt,omitzero"`
	DeletedAt time.Time   `json:"deletedAt,omitzero"`

	Attachments []Attachment `json:"attachments,omitempty"`

	ThreadRoot ids.Message `json:"threadRoot,omitzero"` // whose thread it is in
	Thread     *Thread     `json:"thread,omitempty"`    // of which it is the root
	Mentions   *Mentions   `json:"mentions,omitempty"`

	Reactions []Reaction `json:"reactions,omitempty"` // by first use
	Pin       *Pin       `json:"pin,omitempty"`
}

// Attachment is a file of a message. Width and Height are 0 for what is no
// image.
type Attachment struct {
	ID          ids.Attachment `json:"id"`
	Name        string         `json:"name"`
	ContentType string         `json:"contentType"`
	Size        int64          `json:"size"`
	Width       int            `json:"width,omitempty"`
	Height      int            `json:"height,omitempty"`
	Thumbnail   bool           `json:"thumbnail,omitempty"`
}

// Thread is what the root of a thread knows of it.
type Thread struct {
	Replies int64      `json:"replies"` // that are not deleted
	LastSeq int64      `json:"lastSeq"` // of the newest one, be it deleted
	LastAt  time.Time  `json:"lastAt"`
	People  []ids.User `json:"people"` // the first who have replied
}

// Mentions is whom a message mentions: members, and everybody if All.
type Mentions struct {
	Users []ids.User `json:"users,omitempty"`
	All   bool       `json:"all,omitempty"`
}

// Reaction is an emoji under a message, and how many users it is from.
type Reaction struct {
	Emoji string `json:"emoji"`
	Count int64  `json:"count"`
}

// Pin says that a message is pinned.
type Pin struct {
	Rev  int64     `json:"rev"`
	At   time.Time `json:"at"`
	ByID ids.User  `json:"byId"`
}

// Note is what a system message says.
type Note struct {
	Change string     `json:"change"`
	Users  []ids.User `json:"users,omitempty"`
	Role   string     `json:"role,omitempty"`
	// Name and Description are the new ones; nil where they stay.
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty"`
}
