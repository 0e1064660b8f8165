package chat

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"chatd/internal/platform/ids"
)

// Kind says what a conversation is.
type Kind string

// The kinds of conversation.
const (
	Direct  Kind = "DIRECT"
	Group   Kind = "GROUP"
	Channel Kind = "CHANNEL"
)

// Limits of a conversation, in Unicode code points and members.
const (
	MaxNameLen        = 100
	MaxDescriptionLen = 1000
	MaxMembers        = 5000
)

// Conversation is a conversation's own state, the same for all members.
type Conversation struct {
	ID          ids.Conversation
	Kind        Kind
	Name        string // empty for DIRECT
	Description string
	Creator     ids.User
	CreatedAt   time.Time
	UpdatedAt   time.Time
	ArchivedAt  time.Time // zero while somebody is in it

	LastSeq int64 // of the newest message
	LastRev int64 // of the newest change
	LastOrd int64 // number of non-system messages

	// MemberVersion is raised by each change of who is in, or with what
	// role, and of the name and description. An append carries the one that its use case saw.
	MemberVersion int64
	MemberCount   int
	// ActivePos is the position of the newest message, or of the creation:
	// lists are sorted by it.
	ActivePos int64
}

// View is a conversation as one of its members sees it.
type View struct {
	Conversation
	Viewer Member
}

// UnreadCount is the number of non-system messages after the viewer's read
// position.
func (v View) UnreadCount() int64 { return max(v.LastOrd-v.Viewer.ReadOrd, 0) }

// NewGroup is what a group is made of.
type NewGroup struct {
	Name        string
	Description string
	Members     []ids.User // besides the creator; doubles and the creator are ignored
	Public      bool       // a CHANNEL that anybody may list and join
}

func (g *NewGroup) check() error {
	kept, err := About{g.Name, g.Description}.checked()
	g.Name = kept.Name
	return err
}

// printable refuses what no store or screen can hold: invalid UTF-8 and
// control characters, but for line breaks and tabs where lines are allowed.
func printable(s string, lines bool) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && !(lines && (r == '\n' || r == '\r' || r == '\t'))
	})
}
