package chat

import (
	"context"
	"time"

	"chatd/internal/platform/ids"
)

// Store is all that chat needs of storage. Every method may be called by any
// number of goroutines. What is not there, or not the viewer's, is
// ErrNoConversation or ErrNoMessage; a store that cannot be reached or written
// is errs.ErrUnavailable. The suite chattest.RunStore holds every
// implementation to these comments.
//
// Order. Every write that changes something takes the next positions (Pos) of
// the store, in the order in which the writes become visible: who reads a
// position has read everything at or before it. In a conversation seq, rev and
// ord follow each other in the same order.
type Store interface {
	Conversations
	Groups
	Receipts
	Reports
	Companions
	Messages
	Files
	Wardrobe
	Marks
	Journal
	Searching
	Traces
}

// Conversations stores conversations and who is in them.
type Conversations interface {
	// Create stores a conversation with its members at rev 1, whose event is
	// a ConversationChanged with Joined filled in. For a DIRECT one, where
	// the pair has one already, it returns that and false.
	Create(ctx context.Context, n NewConversation) (c Conversation, created bool, err error)
	// View returns a conversation to a member of it.
	View(ctx context.Context, viewer ids.User, id ids.Conversation) (View, error)
	// Views returns those of the conversations that the viewer is a member
	// of, in any order.
	Views(ctx context.Context, viewer ids.User, of []ids.Conversation) ([]View, error)
	// List returns those of the viewer's conversations that the filter lets
	// through by falling ActivePos, those with ActivePos < before only (0:
	// all), at most limit. Those that nobody is left in are left out.
	List(ctx context.Context, viewer ids.User, f Filter, before int64, limit int) ([]View, error)
	// Members returns members by (JoinedAt, User), those after the key only,
	// at most limit, to a member.
	Members(ctx context.Context, viewer ids.User, id ids.Conversation, after MemberKey, limit int) ([]Member, error)
	// Among returns those of the users who are members, in any order, to a
	// member, in a constant number of reads.
	Among(ctx context.Context, viewer ids.User, id ids.Conversation, of []ids.User) ([]ids.User, error)
	// Heir returns who owns the conversation when leaving is gone: the
	// oldest admin, else the oldest member; the zero User when nobody is
	// left.
	Heir(ctx context.Context, id ids.Conversation, leaving ids.User) (ids.User, error)
	// ChangeMembers applies all changes of the edit in one commit, each with
	// a rev of its own, then appends the note as a system message, and
	// raises MemberVersion by one. It returns ErrMoved, and changes nothing,
	// when MemberVersion is not edit.Version. Joining those who are in and
	// ending memberships that are not there are left out; when nothing
	// remains, nothing changes and no note is appended. A new member's read
	// position is the newest message before the note. When nobody is left
	// the conversation is archived. More than MaxMembers is
	// ErrTooManyMembers.
	ChangeMembers(ctx context.Context, edit MemberEdit) (Conversation, error)
}

// Companions tells who is in a conversation with whom.
type Companions interface {
	// Companions returns the members of those of the user's conversations
	// that have at most most members, himself included, each once, in any
	// order; at most limit.
	Companions(ctx context.Context, user ids.User, most, limit int) ([]ids.User, error)
	// Together returns those of the users who are in a conversation with the
	// user, of any size, each once, in any order.
	Together(ctx context.Context, user ids.User, of []ids.User) ([]ids.User, error)
}

// NewConversation is what Create stores.
type NewConversation struct {
	Conversation // ID, Kind, Name, Description, Creator, CreatedAt
	Members      []Member
}

// MemberKey is a place in the order of members; the zero MemberKey is before
// all.
type MemberKey struct {
	JoinedAt time.Time
	User     ids.User
}

// MemberEdit is a change of who is in a conversation.
type MemberEdit struct {
	Conversation ids.Conversation
	Version      int64 // the MemberVersion that it was decided on
	Changes      []Membership
	At           time.Time
	Note         NewMessage // ID, Sender, Text, Note, CreatedAt
}

// Messages stores messages.
type Messages interface {
	// Append stores a message at the end of its conversation, durably before
	// it returns, and moves its sender's read position to it. Where the
	// sender has used the ClientID in this conversation before, it stores
	// nothing and returns that message as it is now when InputHash is the
	// same, ErrKeyReused when not. It returns ErrMoved, and stores nothing,
	// when MemberVersion is not m.Version. The files that it names become its
	// attachments in the same commit: ErrAttachments, and nothing stored, when
	// one of them is not a complete one of the sender's that no message has.
	//
	// A message with a ThreadRoot changes that, too: in the same commit, with
	// the position and rev before its own, the root's Thread becomes
	// Thread.Replied, told as a MessageChanged. ErrThreadRoot when the root
	// does not take replies (Message.TakesReplies).
	Append(ctx context.Context, m NewMessage) (Message, error)
	// Revise changes a message: ErrMoved when MemberVersion is not r.Version,
	// ErrDeleted for a tombstone. What is so already (a tombstone that is
	// deleted again, a reaction or pin that is there or is not) is returned
	// and nothing changes. ErrTooManyReactions and ErrTooManyPins say that it
	// would be more than MaxReactions of a message, MaxPins of a
	// conversation. A deleted message's text is gone from its earlier
	// versions and from the journal, too, its reactions and its pin with it,
	// it mentions nobody, and its files are condemned in the same commit.
	// Deleting a reply makes its root's Thread Thread.Taken, in the same
	// commit with the position and rev before its own, as Append does.
	Revise(ctx context.Context, r Revision) (Message, error)
	// Message returns a message to a member of its conversation.
	Message(ctx context.Context, viewer ids.User, id ids.Message) (Message, error)
	// MessagesByID returns those of the messages that the viewer may read,
	// in any order, in a constant number of reads.
	MessagesByID(ctx context.Context, viewer ids.User, of []ids.Message) ([]Message, error)
	// MessagesAt returns the messages at one seq in each of several
	// conversations of the viewer, in any order, in a constant number of
	// reads.
	MessagesAt(ctx context.Context, viewer ids.User, at map[ids.Conversation]int64) ([]Message, error)
	// Page returns messages by rising seq, tombstones too, with after < seq
	// < before (before 0: no end), the first limit of them, or the last
	// limit when backward, to a member. Its cost does not depend on how many
	// messages there are.
	Page(ctx context.Context, viewer ids.User, p MessagePage) ([]Message, error)
	// Replies returns messages of one thread as Page does those of a
	// conversation, to a member of it; ErrNoMessage for others. Its cost does
	// not depend on how many there are.
	Replies(ctx context.Context, viewer ids.User, p ThreadPage) ([]Message, error)
	// Changed returns the messages whose newest change is a revision, or a
	// reply in their thread that came or was deleted, with rev > after, by
	// rising Rev, at most limit, to a member.
	Changed(ctx context.Context, viewer ids.User, id ids.Conversation, after int64, limit int) ([]Message, error)
	// Edits returns the texts that a message had before, by rising Rev, with
	// Rev > after, at most limit, to a member. A tombstone has none.
	Edits(ctx context.Context, viewer ids.User, id ids.Message, after int64, limit int) ([]Edit, error)
}

// Marks reads what members have put on messages.
type Marks interface {
	// Reacted returns the user's reactions to those of the messages, in any
	// order, in a constant number of reads. Messages that he may not read
	// any more are for the caller to leave out.
	Reacted(ctx context.Context, user ids.User, of []ids.Message) ([]Reactor, error)
	// Reactors returns, of each of the messages' Reactions, the first limit
	// users by when they reacted, as it is now; what is of one reaction stands
	// in that order. The number of reads does not depend on how many messages
	// or users there are, except that a store may read reactions of very many
	// users one by one. Whose the messages are is not looked at.
	Reactors(ctx context.Context, of []Message, limit int) ([]Reactor, error)
	// Pinned returns a conversation's pinned messages by falling Pin.Rev,
	// those with Pin.Rev < before only (0: all), at most limit, to a member.
	Pinned(ctx context.Context, viewer ids.User, id ids.Conversation, before int64, limit int) ([]Message, error)
}

// NewMessage is what Append stores.
type NewMessage struct {
	ID           ids.Message
	Conversation ids.Conversation
	Sender       ids.User
	Kind         MessageKind
	Text         string
	Note         *Note
	ClientID     string // empty: none
	InputHash    []byte // keyed hash of the input; nil without ClientID
	ReplyTo      ids.Message
	ThreadRoot   ids.Message
	Mentions     *Mentions
	CreatedAt    time.Time
	Version      int64 // the MemberVersion that it was decided on
	Attachments  []ids.Attachment
}

// Revision is a change of one message.
type Revision struct {
	Message  ids.Message
	Version  int64 // the MemberVersion that it was decided on
	Kind     RevisionKind
	Text     string    // of ToEdit
	Mentions *Mentions // likewise
	User     ids.User  // who reacts, or pins
	Emoji    string    // of ToReact and ToUnreact
	At       time.Time
}

// RevisionKind says what a revision does to its message.
type RevisionKind string

// The kinds of revision; the zero one is an edit.
const (
	ToEdit    RevisionKind = ""
	ToDelete  RevisionKind = "DELETE"
	ToReact   RevisionKind = "REACT"
	ToUnreact RevisionKind = "UNREACT"
	ToPin     RevisionKind = "PIN"
	ToUnpin   RevisionKind = "UNPIN"
)

// MessagePage says which messages of a conversation are wanted.
type MessagePage struct {
	Conversation  ids.Conversation
	After, Before int64 // exclusive; 0 is no bound
	Backward      bool
	Limit         int
}

// Journal reads the changes of all conversations in the order of their
// positions.
type Journal interface {
	// Position returns the newest visible position and the store's epoch,
	// which changes when a backup is restored.
	Position(ctx context.Context) (epoch string, pos int64, err error)
	// Standings returns the viewer's conversations and how far he has read
	// in each.
	Standings(ctx context.Context, viewer ids.User) ([]Standing, error)
	// Missed returns, by rising position, the changes with after < pos <=
	// upTo of the conversations that the viewer is in today, and the end of
	// his own membership where he is in no longer. More than limit is
	// ErrTooMany. Of receipts only each member's newest is there, of settings
	// the viewer's own newest.
	Missed(ctx context.Context, viewer ids.User, after, upTo int64, limit int) ([]Ref, error)
	// Load turns references into events with today's state, in the same
	// order. Those that are not the viewer's to read any more, others'
	// settings, added messages that have been deleted, and receipts and
	// settings that have been superseded since are left out.
	Load(ctx context.Context, viewer ids.User, refs []Ref) ([]*Event, error)
	// Read returns the events of all conversations with pos > after by
	// rising position, at most limit, and the position up to which that is
	// all: after when nothing is newer. Superseded receipts and settings are
	// left out.
	Read(ctx context.Context, after int64, limit int) ([]*Event, int64, error)
	// OnCommit names who is told, in position order and without waiting for
	// him, of each commit's events. It is called once, before anything else.
	OnCommit(func([]*Event))
}

// Standing is one conversation of a viewer.
type Standing struct {
	Conversation ids.Conversation
	ReadOrd      int64
}

// Ref points at one change in the journal.
type Ref struct {
	Pos          int64
	Kind         EventKind
	Conversation ids.Conversation
	Rev          int64    // of the change; 0 for a receipt and settings
	Seq          int64    // of MessageAdded
	User         ids.User // of a receipt and settings
}
