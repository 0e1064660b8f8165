package chat

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// maxPeople is how many of those who have replied a thread names.
const maxPeople = 20

// Thread is what the message at its root knows of a thread. It is shared and
// never changed: Replied and Taken make another.
type Thread struct {
	Replies int64     `json:"replies"` // without tombstones
	LastSeq int64     `json:"lastSeq"` // of the newest reply, be it a tombstone
	LastAt  time.Time `json:"lastAt"`
	// People are the first who have replied, in the order in which they did,
	// whatever became of the reply; at most 20.
	People []ids.User `json:"people"`
}

// Replied is the thread with one more reply; t may be nil.
func (t *Thread) Replied(by ids.User, seq int64, at time.Time) *Thread {
	next := &Thread{Replies: 1, LastSeq: seq, LastAt: at}
	if t != nil {
		next.Replies += t.Replies
		next.People = t.People
	}
	if len(next.People) < maxPeople && !slices.Contains(next.People, by) {
		next.People = append(slices.Clip(next.People), by)
	}
	return next
}

// Taken is the thread with one reply deleted.
func (t *Thread) Taken() *Thread {
	next := *t
	next.Replies--
	return &next
}

// TakesReplies says whether a thread may begin at the message: it is in that
// conversation, people wrote it, and it is not in a thread itself. A tombstone
// takes replies, too: what was said below it goes on. None of that ever
// changes.
func (m *Message) TakesReplies(in ids.Conversation) bool {
	return m != nil && m.Conversation == in && m.Kind == Text && m.ThreadRoot.IsZero()
}

// MayReplyInThread says whether the viewer may reply in the thread of the
// message.
func MayReplyInThread(v View, m Message) bool {
	return m.TakesReplies(v.ID) && may(v.Kind, v.Viewer.Role, maySend)
}

// aside is about how many bytes a message's thread and mentions take encoded.
func (m *Message) aside() int {
	const user = 96
	n := 0
	if m.Mentions != nil {
		n += user * len(m.Mentions.Users)
	}
	if m.Thread != nil {
		n += user * len(m.Thread.People)
	}
	return n
}

// ThreadPage says which replies of a thread are wanted.
type ThreadPage struct {
	Root          ids.Message
	After, Before int64 // seq, exclusive; 0 is no bound
	Backward      bool
	Limit         int
}

// Thread returns the root of a thread and replies in it by rising seq, to a
// member of the conversation. A message to which nobody has replied has none;
// one that takes no replies is ErrThreadRoot.
func (s *Service) Thread(ctx context.Context, viewer ids.User, p ThreadPage) (Message, []Message, error) {
	root, err := s.Store.Message(ctx, viewer, p.Root)
	if err != nil {
		return Message{}, nil, fmt.Errorf("thread of %s: %w", p.Root, err)
	}
	if !root.TakesReplies(root.Conversation) {
		return Message{}, nil, ErrThreadRoot.With(errs.Field("rootId"))
	}
	if root.Thread == nil {
		return root, nil, nil
	}
	replies, err := s.Store.Replies(ctx, viewer, p)
	if err != nil {
		return Message{}, nil, fmt.Errorf("thread of %s: %w", p.Root, err)
	}
	return root, replies, nil
}
