package chatsql

import (
	"context"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// bulk is what the two engines do well in different ways: SQLite runs one
// small prepared statement after the other, PostgreSQL takes many rows in one
// exchange.
type bulk interface {
	// lock is what makes a SELECT hold its row until the commit.
	lock() string
	// saveHeads writes the counters of conversations.
	saveHeads(ctx context.Context, tx *sqldb.Tx, heads []*head) error
	// saveReads moves read positions to newly appended messages, at most one
	// for each member.
	saveReads(ctx context.Context, tx *sqldb.Tx, reads map[memberID]ownRead) error
}

type memberID struct {
	conversation ids.Conversation
	user         ids.User
}

// ownRead is where a sender's own message has moved him.
type ownRead struct{ seq, ord int64 }

// oneByOne is bulk for SQLite.
type oneByOne struct{}

func (oneByOne) lock() string { return "" }

func (oneByOne) saveHeads(ctx context.Context, tx *sqldb.Tx, heads []*head) error {
	for _, h := range heads {
		_, err := tx.Exec(ctx,
			`UPDATE chat_conversation SET last_seq = $1, last_rev = $2, last_ord = $3, last_pos = $4, active_pos = $5
			WHERE id = $6`, h.lastSeq, h.lastRev, h.lastOrd, h.lastPos, h.activePos, h.id.Bytes())
		if err != nil {
			return err
		}
	}
	return nil
}

func (oneByOne) saveReads(ctx context.Context, tx *sqldb.Tx, reads map[memberID]ownRead) error {
	for who, r := range reads {
		_, err := tx.Exec(ctx,
			`UPDATE chat_member SET read_seq = $1, read_ord = $2, delivered_seq = $1
			WHERE conversation = $3 AND user_id = $4 AND left_pos IS NULL`,
			r.seq, r.ord, who.conversation.Bytes(), who.user.Bytes())
		if err != nil {
			return err
		}
	}
	return nil
}

// unnested is bulk for PostgreSQL.
type unnested struct{}

func (unnested) lock() string { return " FOR UPDATE" }

func (unnested) saveHeads(ctx context.Context, tx *sqldb.Tx, heads []*head) error {
	n := len(heads)
	id, numbers := make([][]byte, n), [5][]int64{}
	for i := range numbers {
		numbers[i] = make([]int64, n)
	}
	for i, h := range heads {
		id[i] = h.id.Bytes()
		for j, v := range [...]int64{h.lastSeq, h.lastRev, h.lastOrd, h.lastPos, h.activePos} {
			numbers[j][i] = v
		}
	}
	_, err := tx.Exec(ctx,
		`UPDATE chat_conversation c
		SET last_seq = n.seq, last_rev = n.rev, last_ord = n.ord, last_pos = n.pos, active_pos = n.active
		FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
			AS n (id, seq, rev, ord, pos, active)
		WHERE c.id = n.id`, id, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])
	return err
}

func (unnested) saveReads(ctx context.Context, tx *sqldb.Tx, reads map[memberID]ownRead) error {
	n := len(reads)
	conversation, user := make([][]byte, 0, n), make([][]byte, 0, n)
	seq, ord := make([]int64, 0, n), make([]int64, 0, n)
	for who, r := range reads {
		conversation, user = append(conversation, who.conversation.Bytes()), append(user, who.user.Bytes())
		seq, ord = append(seq, r.seq), append(ord, r.ord)
	}
	_, err := tx.Exec(ctx,
		`UPDATE chat_member v SET read_seq = n.seq, read_ord = n.ord, delivered_seq = n.seq
		FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[]) AS n (conversation, user_id, seq, ord)
		WHERE v.conversation = n.conversation AND v.user_id = n.user_id AND v.left_pos IS NULL`,
		conversation, user, seq, ord)
	return err
}
