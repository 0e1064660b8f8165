package chatsql

import (
	"context"
	"slices"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// bulk is what the two engines do well in different ways: SQLite runs one
// small prepared statement after the other, PostgreSQL takes many rows in one
// exchange.
type bulk interface {
	// lock is what makes a SELECT hold its row until the commit.
	lock() string
	// heads asks for the counters of conversations.
	heads(of [][]byte, each func(sqldb.Row) error) []sqldb.Question
	// priors asks for the messages whose keys the items have, if it costs
	// little: into known.
	priors(items []*sqldb.Item[sending], known map[clientKey]prior) []sqldb.Question
	// insert writes messages, of which those may be left out whose key is
	// taken, and returns how many it wrote.
	insert(ctx context.Context, tx *sqldb.Tx, rows []row) (int64, error)
	// saveHeads writes the counters of conversations.
	saveHeads(ctx context.Context, tx *sqldb.Tx, heads []*head) error
	// saveReads moves read positions to newly appended messages, at most one
	// for each member.
	saveReads(ctx context.Context, tx *sqldb.Tx, reads map[memberID]ownRead) error
}

const (
	insertMessages = `INSERT INTO chat_message (pos, id, conversation, seq, add_rev, rev, ord, kind, sender, text, note,
		client_id, input_hash, reply_to, created_at) `
	// insertMore is insertMessages for what plain messages lack.
	insertMore = `INSERT INTO chat_message (pos, id, conversation, seq, add_rev, rev, ord, kind, sender, text, note,
		client_id, input_hash, reply_to, created_at, thread_root, mentions) `
	unlessRepeated = ` ON CONFLICT (conversation, sender, client_id) WHERE client_id IS NOT NULL DO NOTHING`
)

const selectHeads = `SELECT id, last_seq, last_rev, last_ord, last_pos, active_pos, member_version, member_count
	FROM chat_conversation WHERE `

type memberID struct {
	conversation ids.Conversation
	user         ids.User
}

// ownRead is where a sender's own message has moved him.
type ownRead struct{ seq, ord int64 }

// oneByOne is bulk for SQLite.
type oneByOne struct{}

func (oneByOne) lock() string { return "" }

func (oneByOne) heads(of [][]byte, each func(sqldb.Row) error) []sqldb.Question {
	some := make([]any, len(of))
	for i := range of {
		some[i] = of[i]
	}
	var asked []sqldb.Question
	for _, part := range parts(some) {
		asked = append(asked, sqldb.Question{
			Text: selectHeads + `id IN (` + part.list(1) + `)`, Args: part, Each: each,
		})
	}
	return asked
}

func (oneByOne) priors([]*sqldb.Item[sending], map[clientKey]prior) []sqldb.Question { return nil }

func (oneByOne) insert(ctx context.Context, tx *sqldb.Tx, rows []row) (int64, error) {
	var written int64
	for _, r := range rows {
		text := insertMessages + `VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)` + unlessRepeated
		args := []any{
			r.Pos, r.ID.Bytes(), r.Conversation.Bytes(), r.Seq, r.Rev, r.Ord, string(r.Kind), r.Sender.Bytes(), r.Text,
			r.note, r.clientID(), r.hash, r.replyTo(), micros(r.CreatedAt),
		}
		if r.more() {
			text = insertMore + `VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)` + unlessRepeated
			args = append(args, r.ThreadRoot, r.mentions)
		}
		n, err := tx.Exec(ctx, text, args...)
		if err != nil {
			return 0, err
		}
		written += n
	}
	return written, nil
}

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

func (unnested) heads(of [][]byte, each func(sqldb.Row) error) []sqldb.Question {
	if len(of) == 0 {
		return nil
	}
	return []sqldb.Question{{Text: selectHeads + `id = ANY($1::bytea[])`, Args: []any{of}, Each: each}}
}

func (unnested) priors(items []*sqldb.Item[sending], known map[clientKey]prior) []sqldb.Question {
	var conversation, sender [][]byte
	var key []string
	for _, item := range items {
		if m := &item.Value.in; m.ClientID != "" {
			conversation, sender = append(conversation, m.Conversation.Bytes()), append(sender, m.Sender.Bytes())
			key = append(key, m.ClientID)
		}
	}
	if len(key) == 0 {
		return nil
	}
	// One look into the index for each: OFFSET keeps it from becoming a join.
	return []sqldb.Question{{
		Text: `SELECT m.* FROM unnest($1::bytea[], $2::bytea[], $3::text[]) AS k (conversation, sender, client_id),
			LATERAL (SELECT ` + messageColumns + `, m.input_hash FROM chat_message m
				WHERE m.conversation = k.conversation AND m.sender = k.sender AND m.client_id = k.client_id OFFSET 0) m`,
		Args: []any{conversation, sender, key},
		Each: func(r sqldb.Row) error {
			var p prior
			var err error
			p.message, err = scanMessageAnd(r, &p.hash)
			if err == nil {
				known[keyOfStored(p.message)] = p
			}
			return err
		},
	}}
}

// insert leaves nothing out: the keys were looked up behind the lock.
func (unnested) insert(ctx context.Context, tx *sqldb.Tx, rows []row) (int64, error) {
	args := []any{
		column(rows, func(r row) int64 { return r.Pos }),
		column(rows, func(r row) []byte { return r.ID.Bytes() }),
		column(rows, func(r row) []byte { return r.Conversation.Bytes() }),
		column(rows, func(r row) int64 { return r.Seq }),
		column(rows, func(r row) int64 { return r.Rev }),
		column(rows, func(r row) int64 { return r.Ord }),
		column(rows, func(r row) string { return string(r.Kind) }),
		column(rows, func(r row) []byte { return r.Sender.Bytes() }),
		column(rows, func(r row) string { return r.Text }),
		column(rows, func(r row) *string { return r.note }),
		column(rows, row.clientID),
		column(rows, func(r row) []byte { return r.hash }),
		column(rows, row.replyTo),
		column(rows, func(r row) int64 { return micros(r.CreatedAt) }),
	}
	if !slices.ContainsFunc(rows, row.more) {
		return int64(len(rows)), tx.Later(ctx, insertMessages+
			`SELECT pos, id, conversation, seq, rev, rev, ord, kind, sender, text, note,
				client_id, input_hash, reply_to, created_at
			FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[],
				$8::bytea[], $9::text[], $10::text[], $11::text[], $12::bytea[], $13::bytea[], $14::bigint[])
				AS n (pos, id, conversation, seq, rev, ord, kind, sender, text, note, client_id, input_hash, reply_to, created_at)`,
			args...)
	}
	args = append(args, column(rows, row.threadRoot), column(rows, func(r row) *string { return r.mentions }))
	return int64(len(rows)), tx.Later(ctx, insertMore+
		`SELECT pos, id, conversation, seq, rev, rev, ord, kind, sender, text, note,
			client_id, input_hash, reply_to, created_at, thread_root, mentions
		FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[],
			$8::bytea[], $9::text[], $10::text[], $11::text[], $12::bytea[], $13::bytea[], $14::bigint[], $15::bytea[], $16::text[])
			AS n (pos, id, conversation, seq, rev, ord, kind, sender, text, note, client_id, input_hash, reply_to, created_at,
				thread_root, mentions)`,
		args...)
}

// column is one column of rows as an array.
func column[R, T any](rows []R, of func(R) T) []T {
	all := make([]T, len(rows))
	for i, r := range rows {
		all[i] = of(r)
	}
	return all
}

func (unnested) saveHeads(ctx context.Context, tx *sqldb.Tx, heads []*head) error {
	return tx.Later(ctx,
		`UPDATE chat_conversation c
		SET last_seq = n.seq, last_rev = n.rev, last_ord = n.ord, last_pos = n.pos, active_pos = n.active
		FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
			AS n (id, seq, rev, ord, pos, active)
		WHERE c.id = n.id`,
		column(heads, func(h *head) []byte { return h.id.Bytes() }),
		column(heads, func(h *head) int64 { return h.lastSeq }),
		column(heads, func(h *head) int64 { return h.lastRev }),
		column(heads, func(h *head) int64 { return h.lastOrd }),
		column(heads, func(h *head) int64 { return h.lastPos }),
		column(heads, func(h *head) int64 { return h.activePos }))
}

func (unnested) saveReads(ctx context.Context, tx *sqldb.Tx, reads map[memberID]ownRead) error {
	n := len(reads)
	conversation, user := make([][]byte, 0, n), make([][]byte, 0, n)
	seq, ord := make([]int64, 0, n), make([]int64, 0, n)
	for who, r := range reads {
		conversation, user = append(conversation, who.conversation.Bytes()), append(user, who.user.Bytes())
		seq, ord = append(seq, r.seq), append(ord, r.ord)
	}
	return tx.Later(ctx,
		`UPDATE chat_member v SET read_seq = n.seq, read_ord = n.ord, delivered_seq = n.seq
		FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[]) AS n (conversation, user_id, seq, ord)
		WHERE v.conversation = n.conversation AND v.user_id = n.user_id AND v.left_pos IS NULL`,
		conversation, user, seq, ord)
}
