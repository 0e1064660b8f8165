package chatmongo

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// thread is what the root of a thread knows of it.
type thread struct {
	Replies int64    `bson:"replies"`
	LastSeq int64    `bson:"last_seq"`
	LastAt  int64    `bson:"last_at"`
	People  [][]byte `bson:"people"`
}

func threadOf(t *chat.Thread) *thread {
	if t == nil {
		return nil
	}
	return &thread{Replies: t.Replies, LastSeq: t.LastSeq, LastAt: micros(t.LastAt), People: blobs(t.People)}
}

func (t *thread) thread() *chat.Thread {
	if t == nil {
		return nil
	}
	return &chat.Thread{Replies: t.Replies, LastSeq: t.LastSeq, LastAt: instant(t.LastAt), People: users(t.People)}
}

// mentions is whom a message mentions.
type mentions struct {
	Users [][]byte `bson:"users,omitempty"`
	All   bool     `bson:"all,omitempty"`
}

func mentionsOf(m *chat.Mentions) *mentions {
	if m == nil {
		return nil
	}
	return &mentions{Users: blobs(m.Users), All: m.All}
}

func (m *mentions) mentions() *chat.Mentions {
	if m == nil {
		return nil
	}
	return &chat.Mentions{Users: users(m.Users), All: m.All}
}

func users(of [][]byte) []ids.User {
	var all []ids.User
	for _, u := range of {
		all = append(all, idOf[ids.User](u))
	}
	return all
}

// rootChange is what a commit does to the root of a thread, at the position and
// rev before its own. A commit of an archive says no more than which: all is
// brought up already.
type rootChange struct {
	ID     []byte  `bson:"id"`
	Target int64   `bson:"target"` // the position of the root
	Thread *thread `bson:"thread,omitempty"`

	current *chat.Message // the root that it has made
}

// root is the message whose thread an added message is in.
func (e *entry) root() ids.Message {
	if len(e.Reply) < 16 {
		return ids.Message{}
	}
	return idOf[ids.Message](e.Reply[:16])
}

// changeRoot lets a commit of one position change a root before it does what
// it does.
func (e *entry) changeRoot(root *entry, t *chat.Thread) {
	e.End++
	e.Rev++
	after := *root
	e.Root = &rootChange{ID: root.ID, Target: root.End, Thread: threadOf(t)}
	e.Root.onto(&after, e)
	e.Root.current = after.message()
}

// rootRev is the rev of the change of the root.
func (e *entry) rootRev() int64 {
	if e.Kind == kindMessage {
		return e.AddRev - 1
	}
	return e.Rev - 1
}

// onto does to a root in memory what count does to its document.
func (r *rootChange) onto(m, e *entry) {
	m.Rev, m.Changed, m.Thread = e.rootRev(), numbered(e.Room, e.rootRev()), r.Thread
}

// rootEvents is what a commit tells of a root. e.Root carries current.
func (e *entry) rootEvents(room ids.Conversation) []*chat.Event {
	if e.Root == nil {
		return nil
	}
	ord := e.Ord
	if e.Kind == kindMessage { // which no system message is
		ord--
	}
	return []*chat.Event{{
		Kind: chat.MessageChanged, Conversation: room, Pos: e.First, Rev: e.rootRev(), LastOrd: ord, Message: e.Root.current,
	}}
}

// rootRefs are what the change of a root is referred to by.
func (e *entry) rootRefs(room ids.Conversation) []chat.Ref {
	if e.Root == nil {
		return nil
	}
	return []chat.Ref{{Pos: e.First, Kind: chat.MessageChanged, Conversation: room, Rev: e.rootRev()}}
}

// roots reads the roots of threads that jobs take replies out of.
func (s *Store) roots(ctx context.Context, c *commit) error {
	var missing [][]byte
	for _, m := range c.messages {
		if root := m.root(); !root.IsZero() && c.messages[root] == nil {
			missing = append(missing, root.Bytes())
		}
	}
	for _, part := range parts(missing) {
		found, err := find[entry](ctx, s.log, bson.D{in("id", part), is("kind", kindMessage)})
		if err != nil {
			return fmt.Errorf("read roots of threads: %w", err)
		}
		for i := range found {
			c.messages[idOf[ids.Message](found[i].ID)] = &found[i]
		}
	}
	return nil
}

// replied is the thread of a root after a message.
func replied(root *entry, m *chat.NewMessage, seq int64) *chat.Thread {
	return root.Thread.thread().Replied(m.Sender, seq, instantOf(m.CreatedAt))
}

// instantOf is a time as it comes back.
func instantOf(t time.Time) time.Time { return instant(micros(t)) }

// Replies returns a part of a thread to a member, by one walk of an index.
func (s *Store) Replies(ctx context.Context, viewer ids.User, p chat.ThreadPage) ([]chat.Message, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	before := p.Before
	if before == 0 {
		before = math.MaxInt64
	}
	order := ascending
	if p.Backward {
		order = descending
	}
	id := p.Root.Bytes()
	found, err := find[entry](ctx, s.log, bson.D{between("reply", numbered(id, p.After), numbered(id, before))}, order("reply", p.Limit))
	if err == nil { // A reply is in its root's conversation.
		_, err = s.Message(ctx, viewer, p.Root)
	}
	if err != nil {
		return nil, fmt.Errorf("replies to %s: %w", p.Root, err)
	}
	if p.Backward {
		slices.Reverse(found)
	}
	return messages(found), nil
}

// Among returns those of the users who are members.
func (s *Store) Among(ctx context.Context, viewer ids.User, id ids.Conversation, of []ids.User) ([]ids.User, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	keys := [][]byte{memberID{id, viewer}.bytes()}
	for _, u := range of {
		keys = append(keys, memberID{id, u}.bytes())
	}
	var all []ids.User
	mine := false
	for _, part := range parts(keys) {
		found, err := find[memberDocument](ctx, s.members, bson.D{in("_id", part), is("left", int64(0))})
		if err != nil {
			return nil, fmt.Errorf("members among %d users: %w", len(of), err)
		}
		for i := range found {
			u := idOf[ids.User](found[i].User)
			mine = mine || u == viewer
			if slices.Contains(of, u) {
				all = append(all, u)
			}
		}
	}
	if !mine {
		return nil, fmt.Errorf("members of %s: %w", id, chat.ErrNoConversation)
	}
	return all, nil
}
