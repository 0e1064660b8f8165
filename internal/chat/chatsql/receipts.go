package chatsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// reading is one caller's MarkRead on its way through the batch.
type reading struct {
	who      memberID
	seq, ord int64
	out      chat.Receipt
	lastOrd  int64
}

// MarkRead moves a member's read position. What it is to become is read
// before: the ordinal of a seq never changes, and a repeated call writes
// nothing.
func (s *Store) MarkRead(ctx context.Context, user ids.User, id ids.Conversation, seq int64) (chat.Receipt, int64, error) {
	now, move, err := s.readTarget(ctx, memberID{id, user}, seq)
	if err == nil && move {
		now, err = s.reads.Do(ctx, now)
	}
	if err != nil {
		return chat.Receipt{}, 0, fmt.Errorf("mark %s read: %w", id, err)
	}
	return now.out, now.lastOrd, nil
}

// readTarget returns what the receipt is now and whether seq is beyond it.
func (s *Store) readTarget(ctx context.Context, who memberID, seq int64) (r reading, move bool, err error) {
	r = reading{who: who, seq: seq, out: chat.Receipt{User: who.user}}
	var lastSeq int64
	var ord sql.NullInt64
	err = s.db.QueryRow(ctx,
		`SELECT c.last_seq, c.last_ord, v.read_seq, v.read_ord, v.delivered_seq, m.ord
		FROM chat_member v JOIN chat_conversation c ON c.id = v.conversation
		LEFT JOIN chat_message m ON m.conversation = c.id AND m.seq = $3
		WHERE v.conversation = $1 AND v.user_id = $2 AND v.left_pos IS NULL`,
		who.conversation, who.user, seq,
	).Scan(&lastSeq, &r.lastOrd, &r.out.ReadSeq, &r.out.ReadOrd, &r.out.DeliveredSeq, &ord)
	if errors.Is(err, sql.ErrNoRows) {
		err = chat.ErrNoConversation
	}
	r.ord = ord.Int64
	if seq >= lastSeq {
		r.seq, r.ord = lastSeq, r.lastOrd
	}
	return r, r.seq > r.out.ReadSeq, err
}

// applyReads writes a batch of receipts.
func (s *Store) applyReads(tx *sqldb.Tx, items []*sqldb.Item[reading]) error {
	ctx := context.Background()
	of := make([]ids.Conversation, len(items))
	for i, item := range items {
		of[i] = item.Value.who.conversation
	}
	c, err := s.begin(ctx, tx, of)
	if err != nil {
		return err
	}
	for _, item := range items {
		r := &item.Value
		h := c.heads[r.who.conversation]
		if h == nil {
			item.Err = chat.ErrNoConversation
			continue
		}
		r.out, err = c.read(ctx, h, r)
		r.lastOrd = h.lastOrd
		if item.Err = nil; errors.Is(err, chat.ErrNoConversation) {
			item.Err = err
		} else if err != nil {
			return err
		}
	}
	return c.finish(ctx)
}

// read moves one read position, if it is still behind, and returns where it
// is.
func (c *commit) read(ctx context.Context, h *head, r *reading) (chat.Receipt, error) {
	out := chat.Receipt{User: r.who.user, ReadSeq: r.seq, ReadOrd: r.ord}
	conversation, user := r.who.conversation.Bytes(), r.who.user.Bytes()
	err := c.tx.QueryRow(ctx,
		`UPDATE chat_member SET read_seq = $1, read_ord = $2, read_pos = $3, read_top = $4,
			delivered_seq = CASE WHEN delivered_seq < $1 THEN $1 ELSE delivered_seq END
		WHERE conversation = $5 AND user_id = $6 AND left_pos IS NULL AND read_seq < $1
		RETURNING delivered_seq`,
		r.seq, r.ord, c.pos+1, h.lastOrd, conversation, user).Scan(&out.DeliveredSeq)
	if err == nil {
		event := &chat.Event{
			Kind: chat.ReceiptChanged, Conversation: h.id, Pos: c.take(h), LastOrd: h.lastOrd, Receipt: &out,
		}
		c.events = append(c.events, event)
		return out, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return out, fmt.Errorf("move a read position: %w", err)
	}
	err = c.tx.QueryRow(ctx,
		`SELECT read_seq, read_ord, delivered_seq FROM chat_member
		WHERE conversation = $1 AND user_id = $2 AND left_pos IS NULL`,
		conversation, user).Scan(&out.ReadSeq, &out.ReadOrd, &out.DeliveredSeq)
	if errors.Is(err, sql.ErrNoRows) {
		err = chat.ErrNoConversation
	}
	return out, err
}
