package chatmongo

import (
	"context"
	"crypto/subtle"
	"fmt"

	"chatd/internal/chat"
)

// Append stores a message; many callers' in one insert. It takes the key for
// a new one and lets the unique index say whether that is so, which costs
// nothing.
func (s *Store) Append(ctx context.Context, m chat.NewMessage) (chat.Message, error) {
	var out chat.Message
	err := s.do(ctx, &job{
		room: m.Conversation, message: m.ThreadRoot, key: sendKey(&m),
		// The files of a repeated send are taken: then its key is looked up first.
		files: m.Attachments, doubtful: len(m.Attachments) > 0,
		plan: func(c *commit) (*entry, error) {
			h, err := c.head(m.Conversation)
			if err != nil {
				return nil, err
			}
			if h.version != m.Version {
				return nil, chat.ErrMoved
			}
			files, err := c.claim(&m)
			if err != nil {
				return nil, err
			}
			var root *entry
			if !m.ThreadRoot.IsZero() {
				root = c.messages[m.ThreadRoot]
				if root == nil || !root.message().TakesReplies(m.Conversation) {
					return nil, chat.ErrThreadRoot
				}
			}
			e := c.message(h, &m, 0)
			e.Files = files
			if root != nil {
				e.AddRev++
				e.changeRoot(root, replied(root, &m, e.Seq))
			}
			out = *e.message()
			return e, nil
		},
		repeated: func(of *entry) error {
			if subtle.ConstantTimeCompare(of.Hash, m.InputHash) != 1 {
				return chat.ErrKeyReused
			}
			out = *of.message()
			return nil
		},
	})
	if err != nil {
		return chat.Message{}, fmt.Errorf("append to %s: %w", m.Conversation, err)
	}
	return out, nil
}

// message is a message with the next numbers of its conversation, after as
// many changes in the same commit.
func (c *commit) message(h *head, m *chat.NewMessage, changes int) *entry {
	e := c.next(kindMessage, changes+1)
	e.Room, e.ID = m.Conversation.Bytes(), m.ID.Bytes()
	e.Seq, e.Rev, e.Ord = h.lastSeq+1, h.lastRev+int64(changes)+1, h.lastOrd
	e.AddRev, e.Place = e.Rev, numbered(e.Room, e.Seq)
	if e.System = m.Kind == chat.System; !e.System {
		e.Ord++
	}
	e.Sender, e.Text, e.Client, e.Hash = blob(m.Sender), m.Text, m.ClientID, m.InputHash
	e.ReplyTo, e.Created = blob(m.ReplyTo), micros(m.CreatedAt)
	e.Note, e.Mentions = noteOf(m.Note), mentionsOf(m.Mentions)
	if !m.ThreadRoot.IsZero() {
		e.Reply = numbered(m.ThreadRoot.Bytes(), e.Seq)
	}
	return e
}
