package chatmongo

import (
	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// The kinds of document in chat_log.
const (
	kindMessage  = "MESSAGE"  // an added message; with Edit the note of a change of members
	kindRevision = "REVISION" // a change of a message
	kindCreation = "CREATION" // of a conversation
	kindReceipt  = "RECEIPT"
	kindSettings = "SETTINGS" // a member's own
)

// entry is a document of chat_log: a commit. Only a change of members, or of
// name and description, and what changes the root of a thread besides, have
// several positions, First to End; the message or revision that ends it is at
// End.
type entry struct {
	First int64  `bson:"_id"`
	End   int64  `bson:"end"`
	Since int64  `bson:"since"` // all up to it was brought up when this was inserted
	Kind  string `bson:"kind"`
	Room  []byte `bson:"c,omitempty"` // not of a receipt or settings, so that walks do not meet superseded ones
	Rev   int64  `bson:"rev,omitempty"`
	Ord   int64  `bson:"ord"`           // the conversation's
	ID    []byte `bson:"id,omitempty"`  // of the message or conversation made
	Key   []byte `bson:"key,omitempty"` // of which there is one: a ClientID, a pair

	// An added message, in its newest state.
	Place   []byte `bson:"place,omitempty"`   // conversation and seq
	Changed []byte `bson:"changed,omitempty"` // conversation and Rev, once it was revised
	Seq     int64  `bson:"seq,omitempty"`
	AddRev  int64  `bson:"add_rev,omitempty"`
	System  bool   `bson:"system,omitempty"`
	Sender  []byte `bson:"sender,omitempty"`
	Text    string `bson:"text,omitempty"`
	Note    *note  `bson:"note,omitempty"`
	Client  string `bson:"client,omitempty"`
	Hash    []byte `bson:"hash,omitempty"`
	ReplyTo []byte `bson:"reply_to,omitempty"`
	Created int64  `bson:"created,omitempty"`
	Edited  int64  `bson:"edited,omitempty"`
	Deleted int64  `bson:"deleted,omitempty"`

	Reply    []byte       `bson:"reply,omitempty"`  // of a message in a thread: the root and Seq
	Thread   *thread      `bson:"thread,omitempty"` // of a root
	Mentions *mentions    `bson:"mentions,omitempty"`
	Files    []attachment `bson:"files,omitempty"`

	Root *rootChange `bson:"root,omitempty"` // what is changed besides

	Edit     *memberEdit    `bson:"edit,omitempty"`
	Revision *revision      `bson:"revision,omitempty"`
	Past     []byte         `bson:"past,omitempty"` // message and Rev of a revision, while there is something to take away
	Creation *creation      `bson:"creation,omitempty"`
	Receipt  *receiptEntry  `bson:"receipt,omitempty"`
	Settings *settingsEntry `bson:"settings,omitempty"`
	Use      *inviteUse     `bson:"use,omitempty"` // with an Edit

	Marks   *marks `bson:"marks,omitempty"`   // of a message
	Pinned  []byte `bson:"pinned,omitempty"`  // conversation and rev of the pin
	Reactor []byte `bson:"reactor,omitempty"` // of a reaction, while it is there: message and user
	Reacted []byte `bson:"reacted,omitempty"` // likewise: message, emoji and position

	current *chat.Message // the message that a revision has made
}

type note struct {
	Change string   `bson:"change"`
	Users  [][]byte `bson:"users,omitempty"`
	Role   string   `bson:"role,omitempty"`

	Name        *string `bson:"name,omitempty"`
	Description *string `bson:"description,omitempty"`
}

func noteOf(n *chat.Note) *note {
	if n == nil {
		return nil
	}
	return &note{
		Change: string(n.Change), Users: blobs(n.Users), Role: string(n.Role), Name: n.Name, Description: n.Description,
	}
}

// memberEdit is what a change of members, or of name and description, did besides its note.
type memberEdit struct {
	Changes []memberChange `bson:"changes"` // at First, First+1 …, End-1
	Version int64          `bson:"version"`
	Count   int64          `bson:"count"`
	At      int64          `bson:"at"`
	// The newest message before the note, which those who joined have read.
	LastSeq int64 `bson:"last_seq"`
	LastOrd int64 `bson:"last_ord"`

	// About is set where those were changed, at First; Changes is empty.
	About *aboutChange `bson:"about,omitempty"`
}

type memberChange struct {
	User   []byte `bson:"u"`
	Change string `bson:"change"`
	Role   string `bson:"role,omitempty"`
	Actor  []byte `bson:"actor,omitempty"`
}

// revision says which message became what. Of a deletion, and of what came
// before one, there are no texts and no marks.
type revision struct {
	Message []byte `bson:"message"`
	Target  int64  `bson:"target"` // the message's position
	At      int64  `bson:"at"`
	Delete  bool   `bson:"delete,omitempty"`
	Before  string `bson:"before,omitempty"`
	Text    string `bson:"text,omitempty"`
	Files   bool   `bson:"files,omitempty"` // the deleted message had some

	Mentions *mentions `bson:"mentions,omitempty"` // not of an archive's

	Kind   string `bson:"kind,omitempty"`   // but of an edit and a deletion
	Marks  *marks `bson:"marks,omitempty"`  // after a revision that has a Kind
	User   []byte `bson:"user,omitempty"`   // of a reaction, while it is there
	Emoji  string `bson:"emoji,omitempty"`  // likewise
	Undoes int64  `bson:"undoes,omitempty"` // the _id of the reaction that it takes away
}

func (r *revision) kind() chat.RevisionKind {
	if r.Delete {
		return chat.ToDelete
	}
	return chat.RevisionKind(r.Kind)
}

type creation struct {
	Conversation conversationDocument `bson:"conversation"`
	Members      []memberDocument     `bson:"members"`
}

type receiptEntry struct {
	Room      []byte `bson:"c"`
	User      []byte `bson:"u"`
	Seq       int64  `bson:"seq"`
	Ord       int64  `bson:"ord"`
	Delivered int64  `bson:"delivered"`
	Seen      int64  `bson:"seen,omitempty"`
}

// conversationDocument is a document of chat_conversations.
type conversationDocument struct {
	ID          []byte `bson:"_id"`
	Kind        string `bson:"kind"`
	Name        string `bson:"name"`
	Description string `bson:"description"`
	Creator     []byte `bson:"creator,omitempty"`
	Created     int64  `bson:"created"`
	Updated     int64  `bson:"updated"`
	Archived    int64  `bson:"archived"`
	LastSeq     int64  `bson:"last_seq"`
	LastRev     int64  `bson:"last_rev"`
	LastOrd     int64  `bson:"last_ord"`
	LastPos     int64  `bson:"last_pos"`
	ActivePos   int64  `bson:"active_pos"`
	Version     int64  `bson:"version"`
	Count       int64  `bson:"count"`

	// Of a channel, also an archived one: where it stands in the list, and
	// what it is found by.
	Place string   `bson:"place,omitempty"`
	Terms []string `bson:"terms,omitempty"`
}

// memberDocument is a document of chat_members. A former member's stays with
// the position and rev of his leaving, so that it can be replayed.
type memberDocument struct {
	ID        []byte `bson:"_id"`
	Room      []byte `bson:"c"`
	User      []byte `bson:"u"`
	Role      string `bson:"role"`
	Joined    int64  `bson:"joined"`
	Left      int64  `bson:"left"` // 0 while he is in
	LeftRev   int64  `bson:"left_rev"`
	ReadSeq   int64  `bson:"read_seq"`
	ReadOrd   int64  `bson:"read_ord"`
	Delivered int64  `bson:"delivered"`
	ReadPos   int64  `bson:"read_pos"`       // of his newest receipt; 0 without one
	ReadTop   int64  `bson:"read_top"`       // the conversation's LastOrd then
	Roll      []byte `bson:"roll,omitempty"` // while he is in
	Pos       int64  `bson:"pos"`            // up to which this is brought up

	// Of older documents what follows is missing.
	Seen   int64    `bson:"seen,omitempty"`    // how far others saw him read when he marked something unread
	From   int64    `bson:"from,omitempty"`    // the newest message before he came in
	Set    settings `bson:"set,omitempty"`     // his own
	SetPos int64    `bson:"set_pos,omitempty"` // of his newest settings; 0 without any
}

// room is the conversation that a commit belongs to.
func (e *entry) room() ids.Conversation {
	if e.Receipt != nil {
		return idOf[ids.Conversation](e.Receipt.Room)
	}
	if e.Settings != nil {
		return idOf[ids.Conversation](e.Settings.Room)
	}
	return idOf[ids.Conversation](e.Room)
}

// message is the message that an entry of kindMessage holds.
func (e *entry) message() *chat.Message {
	m := &chat.Message{
		ID: idOf[ids.Message](e.ID), Conversation: e.room(), Seq: e.Seq, Rev: e.Rev, Ord: e.Ord, Pos: e.End,
		Kind: chat.Text, Sender: idOf[ids.User](e.Sender), Text: e.Text, ClientID: e.Client,
		ReplyTo: idOf[ids.Message](e.ReplyTo), CreatedAt: instant(e.Created),
		EditedAt: optInstant(e.Edited), DeletedAt: optInstant(e.Deleted),
		ThreadRoot: e.root(), Thread: e.Thread.thread(), Mentions: e.Mentions.mentions(),
	}
	if e.System {
		m.Kind = chat.System
	}
	for i := range e.Files {
		m.Attachments = append(m.Attachments, e.Files[i].attachment())
	}
	e.Marks.onto(m)
	if n := e.Note; n != nil {
		m.Note = &chat.Note{Change: chat.Change(n.Change), Role: chat.Role(n.Role), Name: n.Name, Description: n.Description}
		for _, u := range n.Users {
			m.Note.Users = append(m.Note.Users, idOf[ids.User](u))
		}
	}
	return m
}

// messages are those of some entries.
func messages(of []entry) []chat.Message {
	if len(of) == 0 {
		return nil
	}
	all := make([]chat.Message, len(of))
	for i := range of {
		all[i] = *of[i].message()
	}
	return all
}

func (c *conversationDocument) conversation() chat.Conversation {
	return chat.Conversation{
		ID: idOf[ids.Conversation](c.ID), Kind: chat.Kind(c.Kind), Name: c.Name, Description: c.Description,
		Creator: idOf[ids.User](c.Creator), CreatedAt: instant(c.Created), UpdatedAt: instant(c.Updated),
		ArchivedAt: optInstant(c.Archived), LastSeq: c.LastSeq, LastRev: c.LastRev, LastOrd: c.LastOrd,
		MemberVersion: c.Version, MemberCount: int(c.Count), ActivePos: c.ActivePos,
	}
}

func (m *memberDocument) member() chat.Member {
	return chat.Member{
		Conversation: idOf[ids.Conversation](m.Room), User: idOf[ids.User](m.User), Role: chat.Role(m.Role),
		JoinedAt: instant(m.Joined), ReadSeq: m.ReadSeq, ReadOrd: m.ReadOrd, DeliveredSeq: m.Delivered,
		SeenSeq: m.Seen, JoinedSeq: m.From, Settings: m.Set.settings(),
	}
}

func (m *memberDocument) receipt() chat.Receipt {
	return chat.Receipt{
		User: idOf[ids.User](m.User), ReadSeq: m.ReadSeq, ReadOrd: m.ReadOrd, DeliveredSeq: m.Delivered, SeenSeq: m.Seen,
	}
}

// isIn says whether the document is there and its user a member today.
func (m *memberDocument) isIn() bool { return m != nil && m.Left == 0 }
