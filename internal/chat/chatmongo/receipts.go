package chatmongo

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (r *receiptEntry) receipt() *chat.Receipt {
	return &chat.Receipt{
		User: idOf[ids.User](r.User), ReadSeq: r.Seq, ReadOrd: r.Ord, DeliveredSeq: r.Delivered, SeenSeq: r.Seen,
	}
}

// MarkRead moves a member's read position. A repeated call is answered by
// three reads at most and waits for no group.
func (s *Store) MarkRead(ctx context.Context, user ids.User, id ids.Conversation, seq int64) (chat.Receipt, int64, error) {
	out, lastOrd, err := s.move(ctx, memberID{id, user}, seq, func(m *memberDocument, seq, ord int64) bool {
		if seq <= m.ReadSeq {
			return false
		}
		m.ReadSeq, m.ReadOrd, m.Delivered = seq, ord, max(seq, m.Delivered)
		return true
	})
	if err != nil {
		return chat.Receipt{}, 0, fmt.Errorf("mark %s read: %w", id, err)
	}
	return out, lastOrd, nil
}

// MarkDelivered moves a member's delivered position.
func (s *Store) MarkDelivered(ctx context.Context, user ids.User, id ids.Conversation, seq int64) (chat.Receipt, error) {
	out, _, err := s.move(ctx, memberID{id, user}, seq, func(m *memberDocument, seq, _ int64) bool {
		if seq <= m.Delivered {
			return false
		}
		m.Delivered = seq
		return true
	})
	if err != nil {
		return chat.Receipt{}, fmt.Errorf("mark %s delivered: %w", id, err)
	}
	return out, nil
}

// MarkUnread moves a member's read position back.
func (s *Store) MarkUnread(ctx context.Context, user ids.User, id ids.Conversation, seq int64) (chat.Receipt, error) {
	c, err := s.View(ctx, user, id)
	if err == nil && (seq < 1 || seq > c.LastSeq) {
		err = chat.ErrSeqBeyond
	}
	var out chat.Receipt
	if err == nil {
		out, _, err = s.move(ctx, memberID{id, user}, seq-1, func(m *memberDocument, seq, ord int64) bool {
			if seq >= m.ReadSeq {
				return false
			}
			m.Seen = max(m.Seen, m.ReadSeq)
			m.ReadSeq, m.ReadOrd = seq, ord
			return true
		})
	}
	if err != nil {
		return chat.Receipt{}, fmt.Errorf("mark %s unread: %w", id, err)
	}
	return out, nil
}

// move moves a member's positions as to does, which is told a seq of the
// conversation and its ordinal, and says whether that is a move.
func (s *Store) move(
	ctx context.Context, who memberID, seq int64, to func(m *memberDocument, seq, ord int64) bool,
) (chat.Receipt, int64, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
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
	if after := *m; !to(&after, min(seq, c.LastSeq), 0) {
		return m.receipt(), c.LastOrd, nil
	}
	seq, ord, err := s.ordinal(ctx, c, seq)
	if err != nil {
		return chat.Receipt{}, 0, err
	}
	var out chat.Receipt
	var lastOrd int64
	err = s.do(ctx, &job{room: who.conversation, members: []memberID{who}, plan: func(c *commit) (*entry, error) {
		h, m := c.heads[who.conversation], c.members[who]
		if h == nil || !m.isIn() {
			return nil, chat.ErrNoConversation
		}
		lastOrd = h.lastOrd
		after := *m
		moved := to(&after, seq, ord)
		if out = after.receipt(); !moved {
			return nil, nil //nolint:nilnil // Nothing is to be written.
		}
		e := c.next(kindReceipt, 1)
		e.Ord = h.lastOrd
		e.Receipt = &receiptEntry{
			Room: who.conversation.Bytes(), User: who.user.Bytes(),
			Seq: after.ReadSeq, Ord: after.ReadOrd, Delivered: after.Delivered, Seen: after.Seen,
		}
		return e, nil
	}})
	return out, lastOrd, err
}

// ordinal returns a seq of a conversation, its newest if that is less, with
// its ordinal, which never changes.
func (s *Store) ordinal(ctx context.Context, c *conversationDocument, seq int64) (int64, int64, error) {
	if seq >= c.LastSeq {
		return c.LastSeq, c.LastOrd, nil
	}
	at, err := find[entry](ctx, s.log, bson.D{is("place", numbered(c.ID, seq))})
	if err != nil || len(at) == 0 {
		return seq, 0, err
	}
	return seq, at[0].Ord, nil
}

// Positions returns the members of small conversations. The viewer's own
// memberships are read last.
func (s *Store) Positions(
	ctx context.Context, viewer ids.User, of []ids.Conversation, most int,
) ([]chat.Member, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	all, err := s.positions(ctx, viewer, of, most)
	if err != nil {
		return nil, fmt.Errorf("positions of members: %w", err)
	}
	return all, nil
}

func (s *Store) positions(ctx context.Context, viewer ids.User, of []ids.Conversation, most int) ([]chat.Member, error) {
	var small [][]byte
	for _, part := range parts(blobs(of)) {
		found, err := find[conversationDocument](ctx, s.conversations, bson.D{in("_id", part), is("count", bson.D{is("$lte", int64(most))})})
		if err != nil {
			return nil, err
		}
		for i := range found {
			small = append(small, found[i].ID)
		}
	}
	var members []memberDocument
	for _, part := range parts(small) {
		found, err := find[memberDocument](ctx, s.members, bson.D{in("c", part), is("left", int64(0))})
		if err != nil {
			return nil, err
		}
		members = append(members, found...)
	}
	mine, err := s.memberships(ctx, viewer, of)
	if err != nil {
		return nil, err
	}
	var all []chat.Member
	for i := range members {
		m := members[i].member()
		if mine[m.Conversation].isIn() {
			all = append(all, m)
		}
	}
	return all, nil
}
