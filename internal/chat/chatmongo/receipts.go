package chatmongo

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// MarkRead moves a member's read position. A repeated call is answered by
// three reads at most and waits for no group.
func (s *Store) MarkRead(ctx context.Context, user ids.User, id ids.Conversation, seq int64) (chat.Receipt, int64, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	out, lastOrd, err := s.markRead(ctx, memberID{id, user}, seq)
	if err != nil {
		return chat.Receipt{}, 0, fmt.Errorf("mark %s read: %w", id, err)
	}
	return out, lastOrd, nil
}

func (s *Store) markRead(ctx context.Context, who memberID, seq int64) (chat.Receipt, int64, error) {
	c, err := one[conversationDocument](ctx, s.conversations, who.conversation.Bytes())
	if err != nil {
		return chat.Receipt{}, 0, err
	}
	m, err := one[memberDocument](ctx, s.members, who.bytes())
	if err != nil {
		return chat.Receipt{}, 0, err
	}
	if c == nil || !m.isIn() {
		return chat.Receipt{}, 0, chat.ErrNoConversation
	}
	if min(seq, c.LastSeq) <= m.ReadSeq {
		return m.receipt(), c.LastOrd, nil
	}
	ord := int64(0) // of seq, which never changes
	if seq < c.LastSeq {
		at, err := find[entry](ctx, s.log, bson.D{is("place", numbered(who.conversation.Bytes(), seq))})
		if err != nil {
			return chat.Receipt{}, 0, err
		}
		for i := range at {
			ord = at[i].Ord
		}
	} else {
		seq, ord = c.LastSeq, c.LastOrd
	}
	var out chat.Receipt
	var lastOrd int64
	err = s.do(ctx, &job{room: who.conversation, members: []memberID{who}, plan: func(c *commit) (*entry, error) {
		h, m := c.heads[who.conversation], c.members[who]
		if h == nil || !m.isIn() {
			return nil, chat.ErrNoConversation
		}
		lastOrd = h.lastOrd
		if seq <= m.ReadSeq {
			out = m.receipt()
			return nil, nil //nolint:nilnil // Nothing is to be written.
		}
		e := c.next(kindReceipt, 1)
		e.Ord = h.lastOrd
		e.Receipt = &receiptEntry{
			Room: who.conversation.Bytes(), User: who.user.Bytes(), Seq: seq, Ord: ord, Delivered: max(seq, m.Delivered),
		}
		out = chat.Receipt{User: who.user, ReadSeq: seq, ReadOrd: ord, DeliveredSeq: e.Receipt.Delivered}
		return e, nil
	}})
	return out, lastOrd, err
}
