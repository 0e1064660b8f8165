package chatsql

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// head is a conversation's counters.
type head struct {
	id            ids.Conversation
	lastSeq       int64
	lastRev       int64
	lastOrd       int64
	lastPos       int64
	activePos     int64
	memberVersion int64
	memberCount   int64
	touched       bool // since begin
}

// commit is one job's work: it takes numbers from the position and the heads,
// gathers the events that they were given to, and writes the counters back in
// finish. It belongs to whoever holds the lane.
type commit struct {
	s      *Store
	tx     *sqldb.Tx
	epoch  string
	first  int64 // the position before this job
	pos    int64
	heads  map[ids.Conversation]*head // nil: there is no such conversation
	events []*chat.Event
}

// begin takes the position and the heads of the conversations, and asks what
// else is asked. On PostgreSQL the position's row stays locked until the
// commit, and whoever waits for it then reads what this job leaves.
func (s *Store) begin(
	ctx context.Context, tx *sqldb.Tx, of []ids.Conversation, more ...sqldb.Question,
) (*commit, error) {
	c := &commit{s: s, tx: tx, heads: make(map[ids.Conversation]*head)}
	at := standing{s.epoch, s.pos}
	var asked []sqldb.Question
	if !s.counted {
		at = standing{}
		asked = append(asked, sqldb.Question{
			Text: selectPosition + s.bulk.lock(),
			Each: func(r sqldb.Row) error { return r.Scan(&at.epoch, &at.pos) },
		})
	}
	asked = append(append(asked, c.askHeads(of...)...), more...)
	if err := tx.Answers(ctx, asked...); err != nil {
		return nil, fmt.Errorf("take the position: %w", err)
	}
	if at.epoch == "" { // of a new database
		if err := s.beginEpoch(ctx, tx); err != nil {
			return nil, fmt.Errorf("begin the positions: %w", err)
		}
		return s.begin(ctx, tx, of, more...)
	}
	c.epoch, c.pos, c.first = at.epoch, at.pos, at.pos
	return c, nil
}

// beginEpoch makes the position row of a new database, unless another node
// does at this moment.
func (s *Store) beginEpoch(ctx context.Context, tx *sqldb.Tx) error {
	_, err := tx.Exec(ctx, `INSERT INTO chat_position (id, pos, epoch) VALUES (1, 0, $1) ON CONFLICT (id) DO NOTHING`,
		rand.Text())
	return err
}

// RenewEpoch has the positions begin another run of numbers, for data that has
// been put back to an earlier state: cursors made before are then of other
// data, whatever their numbers.
func (s *Store) RenewEpoch(ctx context.Context) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE chat_position SET epoch = $1 WHERE id = 1`, rand.Text()); err != nil {
			return err
		}
		s.counted = false
		return nil
	})
	if err != nil {
		return fmt.Errorf("renew the epoch: %w", err)
	}
	return nil
}

// head returns the counters of a conversation; chat.ErrNoConversation when
// there is none.
func (c *commit) head(ctx context.Context, id ids.Conversation) (*head, error) {
	if err := c.tx.Answers(ctx, c.askHeads(id)...); err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	if h := c.heads[id]; h != nil {
		return h, nil
	}
	return nil, chat.ErrNoConversation
}

// askHeads asks for the heads that are not there yet: into c.heads, with nil
// for what there is none of.
func (c *commit) askHeads(of ...ids.Conversation) []sqldb.Question {
	var missing [][]byte
	for _, id := range of {
		if _, ok := c.heads[id]; ok {
			continue
		}
		if h, ok := c.s.heads.Get(id); ok {
			c.heads[id] = &h
			continue
		}
		c.heads[id] = nil
		missing = append(missing, id.Bytes())
	}
	return c.s.bulk.heads(missing, func(r sqldb.Row) error {
		var h head
		err := r.Scan(&h.id, &h.lastSeq, &h.lastRev, &h.lastOrd, &h.lastPos, &h.activePos, &h.memberVersion, &h.memberCount)
		c.heads[h.id] = &h
		return err
	})
}

// take gives a change of h its position.
func (c *commit) take(h *head) int64 {
	c.pos++
	h.lastPos, h.touched = c.pos, true
	return c.pos
}

// change gives a change that is no added message its position and rev and
// writes it to the journal. The event that tells of it carries the state.
func (c *commit) change(ctx context.Context, h *head, e chat.Event, j entry) (*chat.Event, error) {
	e.Conversation, e.Pos, e.LastOrd = h.id, c.take(h), h.lastOrd
	h.lastRev++
	e.Rev = h.lastRev
	err := c.tx.Later(ctx,
		`INSERT INTO chat_change (pos, conversation, rev, ord, kind, message, old_text, user_id, change, role, actor, at, emoji)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		e.Pos, h.id, e.Rev, e.LastOrd, j.kind, j.message, j.oldText, j.member.User,
		orNull(cmp.Or(string(j.member.Change), string(j.did))), orNull(string(j.member.Role)), j.member.Actor, micros(j.at), j.emoji)
	if err != nil {
		return nil, fmt.Errorf("write the journal: %w", err)
	}
	c.events = append(c.events, &e)
	return &e, nil
}

// The kinds of journal entry in chat_change.kind.
const (
	entryMessage      = "MESSAGE"
	entryMembership   = "MEMBERSHIP"
	entryConversation = "CONVERSATION"
	entryThread       = "THREAD" // of its root
)

// entry is what chat_change keeps of a change besides its numbers.
type entry struct {
	kind    string
	message ids.Message
	oldText *string
	did     chat.RevisionKind // but for an edit and a deletion
	emoji   *string           // of member.User's reaction
	member  chat.Membership
	at      time.Time
}

// finish writes the counters and has the events told after the commit.
func (c *commit) finish(ctx context.Context) error {
	touched := make([]*head, 0, len(c.heads))
	for _, h := range c.heads {
		if h != nil && h.touched {
			touched = append(touched, h)
		}
	}
	if len(touched) > 0 {
		if err := c.s.bulk.saveHeads(ctx, c.tx, touched); err != nil {
			return fmt.Errorf("write counters: %w", err)
		}
	}
	if c.pos != c.first {
		if err := c.tx.Later(ctx, `UPDATE chat_position SET pos = $1 WHERE id = 1`, c.pos); err != nil {
			return fmt.Errorf("write the position: %w", err)
		}
	}
	c.keep(touched)
	return nil
}

// keep leaves the counters for the next job (SQLite) and registers what is
// due after the commit. A job that is undone takes all counters with it: the
// next one reads them again.
func (c *commit) keep(touched []*head) {
	s := c.s
	if s.db.Engine() == sqldb.SQLite {
		s.counted, s.epoch, s.pos = true, c.epoch, c.pos
		for _, h := range touched {
			left := *h
			left.touched = false
			s.heads.Add(h.id, left)
		}
		c.tx.OnRollback(func() {
			s.counted = false
			s.heads.Purge()
		})
	}
	events := c.events
	c.tx.AfterCommit(func() {
		s.begun.Store(true)
		if len(events) > 0 {
			s.told(events)
		}
	})
}
