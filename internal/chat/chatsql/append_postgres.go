package chatsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"chatd/internal/chat"
	"chatd/internal/platform/sqldb"
)

// lockPosition makes this node the one that gives numbers. What follows it in
// the same exchange sees what the last holder committed.
const lockPosition = `SELECT pos FROM chat_position WHERE id = 1 FOR UPDATE`

// appendAll appends a batch behind the lock of the position, and returns for
// each item what became of it. appendMentioning does it for a batch with
// mentions.
const (
	appendAll        = appendGiven + appendNamed + appendNumbered + insertMessages + appendAdded + appendDone
	appendMentioning = appendGiven + `, $12::text[]` + appendNamed + `, mentions` + appendNumbered + insertMore + appendAdded +
		`, NULL::bytea, mentions` + appendDone

	appendGiven = `
WITH given AS (
	SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::text[], $5::bytea[], $6::text[], $7::text[],
			$8::text[], $9::bytea[], $10::bytea[], $11::bigint[]`
	appendNamed = `)
		WITH ORDINALITY AS g (id, conversation, version, kind, sender, text, note,
			client_id, input_hash, reply_to, created_at`
	appendNumbered = `, i)
), found AS (
	SELECT g.*, p.epoch, p.pos AS last_pos, c.last_seq, c.last_rev, c.last_ord, c.member_version = g.version AS current,
		CASE WHEN g.client_id IS NOT NULL THEN (SELECT m.pos FROM chat_message m
			WHERE m.conversation = g.conversation AND m.sender = g.sender AND m.client_id = g.client_id) END AS prior
	FROM given g CROSS JOIN chat_position p LEFT JOIN chat_conversation c ON c.id = g.conversation
	WHERE p.id = 1
), numbered AS (
	SELECT f.*, last_pos + row_number() OVER (ORDER BY i) AS pos,
		last_seq + row_number() OVER own AS seq, last_rev + row_number() OVER own AS rev,
		last_ord + count(*) FILTER (WHERE kind <> 'SYSTEM') OVER own AS ord
	FROM found f WHERE current AND prior IS NULL
	WINDOW own AS (PARTITION BY conversation ORDER BY i)
), added AS (
	`
	appendAdded = `
	SELECT pos, id, conversation, seq, rev, rev, ord, kind, sender, text, note, client_id, input_hash, reply_to, created_at`
	appendDone = `
	FROM numbered ORDER BY pos
), counted AS (
	UPDATE chat_conversation c SET last_seq = n.seq, last_rev = n.rev, last_ord = n.ord, last_pos = n.pos, active_pos = n.pos
	FROM (SELECT conversation, max(seq) AS seq, max(rev) AS rev, max(ord) AS ord, max(pos) AS pos
		FROM numbered GROUP BY conversation) n
	WHERE c.id = n.conversation
), read AS (
	UPDATE chat_member v SET read_seq = n.seq, read_ord = n.ord, delivered_seq = n.seq
	FROM (SELECT conversation, sender, max(seq) AS seq, max(ord) AS ord
		FROM numbered GROUP BY conversation, sender) n
	WHERE v.conversation = n.conversation AND v.user_id = n.sender AND v.left_pos IS NULL
), taken AS (
	UPDATE chat_position p SET pos = n.pos FROM (SELECT max(pos) AS pos FROM numbered) n
	WHERE p.id = 1 AND n.pos IS NOT NULL
)
SELECT f.i, f.last_seq IS NOT NULL, COALESCE(f.current, FALSE), f.prior, n.pos, n.seq, n.rev, n.ord
FROM found f LEFT JOIN numbered n ON n.i = f.i ORDER BY f.i`
)

// replan makes the session's statements anew. PostgreSQL plans a statement once
// for all of a connection's life, or until it has looked at the tables, which
// it does once a minute: plans of a new server are for tables of a few rows,
// and go through all messages of a conversation for each key.
const replan = `DISCARD PLANS`

// replanFrom is at which position plans are made anew for the first time; each
// further time at four times the position before.
const replanFrom = 250

// atOnce says whether appendAll can do a batch: on PostgreSQL, once there is a
// position, when no key is in it twice.
func (s *Store) atOnce(items []*sqldb.Item[sending]) bool {
	if s.db.Engine() != sqldb.PostgreSQL || !s.begun.Load() {
		return false
	}
	if len(items) == 1 {
		return true
	}
	seen := make(map[clientKey]bool, len(items))
	for _, item := range items {
		m := &item.Value.in
		if m.ClientID == "" {
			continue
		}
		if seen[keyOf(m)] {
			return false
		}
		seen[keyOf(m)] = true
	}
	return true
}

// appendAtOnce writes a batch in one exchange with the commit, so that the
// position is locked for no round trip.
func (s *Store) appendAtOnce(ctx context.Context, tx *sqldb.Tx, items []*sqldb.Item[sending]) error {
	all := make([]*sqldb.Item[sending], len(items))
	rows := make([]row, len(items))
	version := make([]int64, len(items))
	for i, item := range items {
		m := &item.Value.in
		item.Value.out, item.Value.first, item.Err = nil, 0, nil
		var err error
		if rows[i], err = rowOf(unnumbered(m), m.InputHash); err != nil {
			return err
		}
		all[i], version[i] = item, m.Version
	}
	events := make([]*chat.Event, 0, len(all))
	tx.AfterCommit(func() {
		if n := len(events); n > 0 {
			s.pos = events[n-1].Pos
			s.told(events)
		}
	})
	if s.pos >= s.planned {
		s.planned = max(replanFrom, 4*s.pos)
		if err := tx.Later(ctx, replan); err != nil {
			return err
		}
	}
	text, args := appendAll, []any{
		column(rows, func(r row) []byte { return r.ID.Bytes() }),
		column(rows, func(r row) []byte { return r.Conversation.Bytes() }),
		version,
		column(rows, func(r row) string { return string(r.Kind) }),
		column(rows, func(r row) []byte { return r.Sender.Bytes() }),
		column(rows, func(r row) string { return r.Text }),
		column(rows, func(r row) *string { return r.note }),
		column(rows, row.clientID),
		column(rows, func(r row) []byte { return r.hash }),
		column(rows, row.replyTo),
		column(rows, func(r row) int64 { return micros(r.CreatedAt) }),
	}
	if slices.ContainsFunc(rows, row.more) {
		text, args = appendMentioning, append(args, column(rows, func(r row) *string { return r.mentions }))
	}
	return tx.AnswersLater(ctx,
		sqldb.Question{Text: lockPosition, Each: func(sqldb.Row) error { return nil }},
		sqldb.Question{Text: text, Args: args, Each: func(r sqldb.Row) error { return appended(r, all, rows, &events) }})
}

// appended takes one row of appendAll's answer.
func appended(r sqldb.Row, all []*sqldb.Item[sending], rows []row, events *[]*chat.Event) error {
	var (
		i                    int
		there, current       bool
		prior                sql.NullInt64
		pos, seq, rev, order sql.NullInt64
	)
	if err := r.Scan(&i, &there, &current, &prior, &pos, &seq, &rev, &order); err != nil {
		return err
	}
	item := all[i-1]
	switch {
	case !there:
		item.Err = chat.ErrNoConversation
	case !current:
		item.Err = chat.ErrMoved
	case prior.Valid:
		item.Value.first = prior.Int64
	default:
		m := rows[i-1].Message
		m.Pos, m.Seq, m.Rev, m.Ord = pos.Int64, seq.Int64, rev.Int64, order.Int64
		item.Value.out = m
		*events = append(*events, added(m))
	}
	return nil
}

// repeated returns the message that has the key of one that was not appended.
func (s *Store) repeated(ctx context.Context, of sending) (*chat.Message, error) {
	var hash []byte
	m, err := scanMessageAnd(s.db.QueryRow(ctx,
		`SELECT `+messageColumns+`, m.input_hash FROM chat_message m WHERE m.pos = $1`, of.first), &hash)
	switch {
	case errors.Is(err, sql.ErrNoRows): // it was put back to an earlier state meanwhile
		return nil, chat.ErrMoved
	case err != nil:
		return nil, fmt.Errorf("look up a key: %w", err)
	}
	return prior{m, hash}.again(of.in.InputHash)
}
