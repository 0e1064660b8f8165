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

// moving is one caller's move of a position on its way through the batch.
type moving struct {
	who      memberID
	how      move
	seq, ord int64 // where to
	out      chat.Receipt
	lastOrd  int64
}

// move is one way to move a member's positions.
type move int

const (
	readOn move = iota
	readBack
	delivered
)

// statement takes: $1 seq, $2 the event's position, $3 the conversation's
// last_ord, $4 conversation, $5 user and, of a read position, $6 the ordinal.
func (m move) statement() string {
	const (
		before = `UPDATE chat_member SET read_pos = $2, read_top = $3, `
		where  = ` WHERE conversation = $4 AND user_id = $5 AND left_pos IS NULL AND `
		giving = ` RETURNING read_seq, read_ord, delivered_seq, seen_seq`
	)
	switch m {
	case readBack:
		return before + `read_seq = $1, read_ord = $6, seen_seq = CASE WHEN seen_seq < read_seq THEN read_seq ELSE seen_seq END` +
			where + `read_seq > $1` + giving
	case delivered:
		return before + `delivered_seq = $1` + where + `delivered_seq < $1` + giving
	default:
		return before + `read_seq = $1, read_ord = $6, delivered_seq = CASE WHEN delivered_seq < $1 THEN $1 ELSE delivered_seq END` +
			where + `read_seq < $1` + giving
	}
}

// moves says whether seq is another place than where r is, in the move's
// direction.
func (m move) moves(r chat.Receipt, seq int64) bool {
	switch m {
	case readBack:
		return seq < r.ReadSeq
	case delivered:
		return seq > r.DeliveredSeq
	default:
		return seq > r.ReadSeq
	}
}

// MarkRead moves a member's read position. What it is to become is read
// before: the ordinal of a seq never changes, and a repeated call writes
// nothing.
func (s *Store) MarkRead(ctx context.Context, user ids.User, id ids.Conversation, seq int64) (chat.Receipt, int64, error) {
	m, err := s.move(ctx, moving{who: memberID{id, user}, how: readOn, seq: seq})
	if err != nil {
		return chat.Receipt{}, 0, fmt.Errorf("mark %s read: %w", id, err)
	}
	return m.out, m.lastOrd, nil
}

// MarkDelivered moves a member's delivered position.
func (s *Store) MarkDelivered(ctx context.Context, user ids.User, id ids.Conversation, seq int64) (chat.Receipt, error) {
	m, err := s.move(ctx, moving{who: memberID{id, user}, how: delivered, seq: seq})
	if err != nil {
		return chat.Receipt{}, fmt.Errorf("mark %s delivered: %w", id, err)
	}
	return m.out, nil
}

// MarkUnread moves a member's read position back.
func (s *Store) MarkUnread(ctx context.Context, user ids.User, id ids.Conversation, seq int64) (chat.Receipt, error) {
	m, err := s.move(ctx, moving{who: memberID{id, user}, how: readBack, seq: seq - 1})
	if err != nil {
		return chat.Receipt{}, fmt.Errorf("mark %s unread: %w", id, err)
	}
	return m.out, nil
}

func (s *Store) move(ctx context.Context, m moving) (moving, error) {
	moves, err := s.target(ctx, &m)
	if err == nil && moves {
		m, err = s.moves.Do(ctx, m)
	}
	return m, err
}

// target fills in where the member is now and where he is to be, and says
// whether that is a move.
func (s *Store) target(ctx context.Context, m *moving) (bool, error) {
	var lastSeq int64
	var ord sql.NullInt64
	m.out.User = m.who.user
	err := s.db.QueryRow(ctx,
		`SELECT c.last_seq, c.last_ord, v.read_seq, v.read_ord, v.delivered_seq, v.seen_seq, m.ord
		FROM chat_member v JOIN chat_conversation c ON c.id = v.conversation
		LEFT JOIN chat_message m ON m.conversation = c.id AND m.seq = $3
		WHERE v.conversation = $1 AND v.user_id = $2 AND v.left_pos IS NULL`,
		m.who.conversation, m.who.user, m.seq,
	).Scan(&lastSeq, &m.lastOrd, &m.out.ReadSeq, &m.out.ReadOrd, &m.out.DeliveredSeq, &m.out.SeenSeq, &ord)
	if err != nil {
		return false, orElse(err, chat.ErrNoConversation)
	}
	m.ord = ord.Int64
	switch {
	case m.how == readBack && (m.seq < 0 || m.seq >= lastSeq):
		return false, chat.ErrSeqBeyond
	case m.seq >= lastSeq:
		m.seq, m.ord = lastSeq, m.lastOrd
	}
	return m.how.moves(m.out, m.seq), nil
}

// applyMoves writes a batch of receipts.
func (s *Store) applyMoves(tx *sqldb.Tx, items []*sqldb.Item[moving]) error {
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
		m := &item.Value
		h := c.heads[m.who.conversation]
		if h == nil {
			item.Err = chat.ErrNoConversation
			continue
		}
		m.out, err = c.move(ctx, h, m)
		m.lastOrd = h.lastOrd
		if item.Err = nil; errors.Is(err, chat.ErrNoConversation) {
			item.Err = err
		} else if err != nil {
			return err
		}
	}
	return c.finish(ctx)
}

// move moves a member's positions, where that still is one, and returns where
// they are.
func (c *commit) move(ctx context.Context, h *head, m *moving) (chat.Receipt, error) {
	out := chat.Receipt{User: m.who.user}
	to := []any{&out.ReadSeq, &out.ReadOrd, &out.DeliveredSeq, &out.SeenSeq}
	conversation, user := m.who.conversation.Bytes(), m.who.user.Bytes()
	args := []any{m.seq, c.pos + 1, h.lastOrd, conversation, user}
	if m.how != delivered {
		args = append(args, m.ord)
	}
	err := c.tx.QueryRow(ctx, m.how.statement(), args...).Scan(to...)
	if err == nil {
		event := &chat.Event{
			Kind: chat.ReceiptChanged, Conversation: h.id, Pos: c.take(h), LastOrd: h.lastOrd, Receipt: &out,
		}
		c.events = append(c.events, event)
		return out, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return out, fmt.Errorf("move a position: %w", err)
	}
	err = c.tx.QueryRow(ctx,
		`SELECT read_seq, read_ord, delivered_seq, seen_seq FROM chat_member
		WHERE conversation = $1 AND user_id = $2 AND left_pos IS NULL`,
		conversation, user).Scan(to...)
	return out, orElse(err, chat.ErrNoConversation)
}

// Positions returns the members of small conversations.
func (s *Store) Positions(
	ctx context.Context, viewer ids.User, of []ids.Conversation, most int,
) ([]chat.Member, error) {
	var all []chat.Member
	for _, p := range parts(blobs(of)) {
		some, err := collect(ctx, s.db, scanMember,
			`SELECT `+memberColumns+` FROM chat_member me JOIN chat_conversation c ON c.id = me.conversation
			JOIN chat_member v ON v.conversation = me.conversation AND v.left_pos IS NULL
			WHERE me.user_id = $1 AND me.left_pos IS NULL AND c.member_count <= $2 AND me.conversation IN (`+p.list(3)+`)`,
			append([]any{viewer, most}, p...)...)
		if err != nil {
			return nil, fmt.Errorf("positions of members: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}
