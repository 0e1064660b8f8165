package chat

import (
	"time"
	"unicode/utf8"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// Limits of a message.
const (
	MaxTextLen     = 10_000 // Unicode code points
	MaxClientIDLen = 64     // Unicode code points
)

// MessageKind tells what people wrote from what the server notes.
type MessageKind string

// The kinds of message.
const (
	Text   MessageKind = "TEXT"
	System MessageKind = "SYSTEM"
)

// Message is one message in its newest state.
type Message struct {
	ID           ids.Message
	Conversation ids.Conversation
	Seq          int64 // 1, 2, 3 … in the conversation
	Rev          int64 // of its newest change
	Ord          int64 // number of non-system messages up to and with it
	Pos          int64 // the position at which it was added
	Kind         MessageKind
	Sender       ids.User // who acted, for a system message
	Text         string   // empty in a tombstone
	Note         *Note    // of a system message
	ClientID     string   // empty when none was given
	ReplyTo      ids.Message
	CreatedAt    time.Time
	EditedAt     time.Time // zero: never
	DeletedAt    time.Time // zero: not deleted
	Attachments  []Attachment

	ThreadRoot ids.Message // of the thread that it is in; zero for none
	Thread     *Thread     // of which it is the root; nil before the first reply
	Mentions   *Mentions   // nil for nobody

	Reactions []Reaction // by first use; nil for none
	Pin       *Pin       // nil: not pinned
}

// Deleted says whether only a tombstone is left.
func (m *Message) Deleted() bool { return !m.DeletedAt.IsZero() }

// Note is what a system message says, for programs.
type Note struct {
	Change Change     `json:"change"`
	Users  []ids.User `json:"users,omitempty"`
	Role   Role       `json:"role,omitempty"` // of RoleSet

	// Of Updated: the new ones; nil where they stay.
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty"`
}

// Edit is a text that a message had before.
type Edit struct {
	Rev      int64 // of the change that replaced it
	Text     string
	EditedAt time.Time // when it was replaced
}

func checkText(s string) error {
	n := utf8.RuneCountInString(s)
	if n < 1 || n > MaxTextLen || !printable(s, true) {
		return ErrText.With(errs.Field("input.text"))
	}
	return nil
}

func checkClientID(s string) error {
	if utf8.RuneCountInString(s) > MaxClientIDLen || !utf8.ValidString(s) || containsNUL(s) {
		return ErrClientID.With(errs.Field("input.clientId"))
	}
	return nil
}

func containsNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}
