package chat

import (
	"context"
	"time"

	"chatd/internal/platform/ids"
)

// Groups stores what groups and channels have beside their members: what they
// are called, how channels are found, and who may come in by a code.
type Groups interface {
	// ChangeAbout gives a conversation its new name and description in one commit: a
	// ConversationChanged with a rev of its own, then the note as a system
	// message, and raises MemberVersion by one. It returns ErrMoved, and
	// changes nothing, when MemberVersion is not edit.Version.
	ChangeAbout(ctx context.Context, edit AboutEdit) (Conversation, error)
	// Channel returns a CHANNEL that somebody is in to anybody.
	Channel(ctx context.Context, id ids.Conversation) (Conversation, error)
	// Channels returns channels that somebody is in by rising Key, those
	// with Key > q.After only, of whose terms one begins with each of
	// q.Words; at most q.Limit, in a constant number of reads.
	Channels(ctx context.Context, viewer ids.User, q ChannelQuery) ([]ListedChannel, error)
	// Join brings a user into a conversation that somebody is in as a plain
	// member, as ChangeMembers does, whatever its MemberVersion is. False
	// says that he is in already, and then nothing changes. With an invite
	// it takes one of its uses in the same commit; one that is not of the
	// conversation or not good at j.At is ErrNoInvite. Of any number of
	// joins at once no more take a use than there are.
	Join(ctx context.Context, j Joining) (joined bool, err error)
	// CreateInvite stores an invite; ErrTooManyInvites when MaxInvites of the
	// conversation are not revoked (of several that come at once then, some
	// may be stored all the same); ErrMoved when the conversation's
	// MemberVersion is not version. hash is what its code is found by.
	CreateInvite(ctx context.Context, invite Invite, hash []byte, version int64) error
	// Invite returns an invite; ErrNoInvite when there is none.
	Invite(ctx context.Context, id ids.GroupInvite) (Invite, error)
	// InviteByHash returns the invite of a code; ErrNoInvite when there is
	// none.
	InviteByHash(ctx context.Context, hash []byte) (Invite, error)
	// Invites returns a conversation's invites that are not revoked, the
	// newest first, those made before the one only (zero: all), at most
	// limit.
	Invites(ctx context.Context, id ids.Conversation, before ids.GroupInvite, limit int) ([]Invite, error)
	// RevokeInvite makes an invite good for nothing: no Join that begins
	// after it has returned takes a use. Of one that is revoked nothing
	// changes. It returns the invite as it is then.
	RevokeInvite(ctx context.Context, id ids.GroupInvite, at time.Time) (Invite, error)
}

// AboutEdit is a change of what a conversation is called and is for.
type AboutEdit struct {
	Conversation ids.Conversation
	Kind         Kind
	Version      int64 // the MemberVersion that it was decided on
	Change       AboutChange
	At           time.Time
	Note         NewMessage // ID, Sender, Text, Note, CreatedAt
}

// AboutChange is what the name and description were, in the version that the change was
// decided on, and what they are after it.
type AboutChange struct {
	Before About `json:"before"`
	After  About `json:"after"`
}

// Joining is somebody who comes in by himself.
type Joining struct {
	Conversation ids.Conversation
	User         ids.User
	Invite       ids.GroupInvite // zero: into a channel
	At           time.Time
	Note         NewMessage // ID, Sender, Text, Note, CreatedAt
}

// ChannelQuery says which channels are wanted.
type ChannelQuery struct {
	Words []string // folded, each once; none for all channels
	After string   // the zero one is before all
	Limit int
}

// ListedChannel is what everybody may know of a channel, and whether the viewer
// is in it.
type ListedChannel struct {
	ID          ids.Conversation
	Name        string
	Description string
	CreatedAt   time.Time
	MemberCount int
	Key         string // its place in the list
	Joined      bool
}
