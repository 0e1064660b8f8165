package chatsql

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// marks is chat_message.marks, decoded.
type marks struct {
	Reactions []chat.Reaction `json:"reactions,omitempty"`
	Pin       *pin            `json:"pin,omitempty"`
}

type pin struct {
	Rev int64    `json:"rev"`
	At  int64    `json:"at"` // as in columns
	By  ids.User `json:"by"`
}

// marksOf is what a message's marks column holds; nil for NULL.
func marksOf(m *chat.Message) (any, error) {
	if len(m.Reactions) == 0 && m.Pin == nil {
		return nil, nil
	}
	d := marks{Reactions: m.Reactions}
	if p := m.Pin; p != nil {
		d.Pin = &pin{Rev: p.Rev, At: micros(p.At), By: p.By}
	}
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode the marks: %w", err)
	}
	return string(b), nil
}

// mark fills in what the marks column of a message holds.
func mark(m *chat.Message, text string) error {
	var d marks
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return fmt.Errorf("decode the marks of %s: %w", m.ID, err)
	}
	m.Reactions = d.Reactions
	if p := d.Pin; p != nil {
		m.Pin = &chat.Pin{Rev: p.Rev, At: instant(p.At), By: p.By}
	}
	return nil
}

// react does a reaction to a message in memory and returns how the journal
// tells of it; nil when nothing changes.
func (c *commit) react(ctx context.Context, m *chat.Message, r chat.Revision) (*entry, error) {
	j := &entry{kind: entryMessage, did: r.Kind, message: m.ID, at: r.At}
	by := int64(1)
	if r.Kind == chat.ToReact {
		there, err := collect(ctx, c.tx, scanPos,
			`SELECT pos FROM chat_change WHERE message = $1 AND user_id = $2 AND emoji = $3`, m.ID, r.User, r.Emoji)
		if err != nil || len(there) > 0 {
			return nil, err
		}
		j.member.User, j.emoji = r.User, &r.Emoji
	} else {
		gone, err := c.tx.Exec(ctx,
			`UPDATE chat_change SET user_id = NULL, emoji = NULL WHERE message = $1 AND user_id = $2 AND emoji = $3`,
			m.ID, r.User, r.Emoji)
		if err != nil || gone == 0 {
			return nil, err
		}
		by = -1
	}
	var err error
	m.Reactions, err = chat.Reacted(m.Reactions, r.Emoji, by)
	return j, err
}

func scanPos(r sqldb.Row) (pos int64, err error) {
	err = r.Scan(&pos)
	return pos, err
}

// pin does to a message in memory what pins and unpins it, but for the rev;
// nil when nothing changes.
func (c *commit) pin(ctx context.Context, m *chat.Message, r chat.Revision) (*entry, error) {
	if (m.Pin != nil) == (r.Kind == chat.ToPin) {
		return nil, nil
	}
	j := &entry{kind: entryMessage, did: r.Kind, message: m.ID, at: r.At}
	if r.Kind == chat.ToUnpin {
		m.Pin = nil
		return j, nil
	}
	var pins int64
	err := c.tx.QueryRow(ctx, `SELECT count(*) FROM chat_message WHERE conversation = $1 AND pin_rev IS NOT NULL`,
		m.Conversation).Scan(&pins)
	if err != nil {
		return nil, fmt.Errorf("count the pins: %w", err)
	}
	if pins >= chat.MaxPins {
		return nil, chat.ErrTooManyPins
	}
	m.Pin = &chat.Pin{At: stored(r.At), By: r.User}
	return j, nil
}

func scanReactor(r sqldb.Row) (v chat.Reactor, err error) {
	err = r.Scan(&v.Message, &v.Emoji, &v.User)
	return v, err
}

// Reacted returns the user's reactions to some messages.
func (s *Store) Reacted(ctx context.Context, user ids.User, of []ids.Message) ([]chat.Reactor, error) {
	var all []chat.Reactor
	for _, p := range parts(blobs(of)) {
		some, err := collect(ctx, s.db, scanReactor,
			`SELECT message, emoji, user_id FROM chat_change
			WHERE user_id = $1 AND message IN (`+p.list(2)+`) AND emoji IS NOT NULL`, append([]any{user}, p...)...)
		if err != nil {
			return nil, fmt.Errorf("read reactions of %s: %w", user, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// Reactors returns the first users of each of the messages' reactions.
func (s *Store) Reactors(ctx context.Context, of []chat.Message, limit int) ([]chat.Reactor, error) {
	var messages [][]byte
	var emoji []string
	for i := range of {
		for _, r := range of[i].Reactions {
			messages, emoji = append(messages, of[i].ID.Bytes()), append(emoji, r.Emoji)
		}
	}
	if len(emoji) == 0 {
		return nil, nil
	}
	if s.db.Engine() == sqldb.PostgreSQL {
		all, err := collect(ctx, s.db, scanReactor,
			`SELECT r.message, r.emoji, j.user_id FROM unnest($1::bytea[], $2::text[]) AS r (message, emoji),
				LATERAL (SELECT k.pos, k.user_id FROM chat_change k WHERE k.message = r.message AND k.emoji = r.emoji
					ORDER BY k.pos LIMIT $3) j
			ORDER BY j.pos`, messages, emoji, limit)
		if err != nil {
			return nil, fmt.Errorf("read reactors: %w", err)
		}
		return all, nil
	}
	var all []chat.Reactor
	for len(emoji) > 0 {
		n := min(len(emoji), partSizes[len(partSizes)-1])
		some, err := collect(ctx, s.db, scanReactor, selectReactors(n), reactorArgs(limit, messages[:n], emoji[:n])...)
		if err != nil {
			return nil, fmt.Errorf("read reactors: %w", err)
		}
		all, messages, emoji = append(all, some...), messages[n:], emoji[n:]
	}
	return all, nil
}

// reactions is how many reactions a statement for n of them asks for, so that
// there are only few texts of it.
func reactions(n int) int {
	for _, size := range partSizes {
		if size >= n {
			return size
		}
	}
	return n
}

// selectReactors is SQLite's: one look into the index for each reaction.
func selectReactors(n int) string {
	asked := make([]string, reactions(n))
	for i := range asked {
		asked[i] = "(" + placeholders(2+2*i, 2) + ")"
	}
	return `WITH r (message, emoji) AS (VALUES ` + strings.Join(asked, ",") + `)
		SELECT j.message, j.emoji, j.user_id FROM r CROSS JOIN chat_change j
		WHERE j.pos IN (SELECT k.pos FROM chat_change k WHERE k.message = r.message AND k.emoji = r.emoji ORDER BY k.pos LIMIT $1)
		ORDER BY j.pos`
}

// reactorArgs fills the list up with what is no reaction.
func reactorArgs(limit int, messages [][]byte, emoji []string) []any {
	args := make([]any, 0, 1+2*reactions(len(emoji)))
	args = append(args, limit)
	for i := range emoji {
		args = append(args, messages[i], emoji[i])
	}
	for len(args) < cap(args) {
		args = append(args, nil)
	}
	return args
}

// Pinned returns a conversation's pinned messages to a member.
func (s *Store) Pinned(
	ctx context.Context, viewer ids.User, id ids.Conversation, before int64, limit int,
) ([]chat.Message, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	all, err := values(forMember(ctx, s.db, memberOf(ctx, viewer, id), scanMessage,
		`SELECT `+messageColumns+` FROM chat_message m
		WHERE m.conversation = $1 AND m.pin_rev < $3 AND `+viewerIsIn+`
		ORDER BY m.pin_rev DESC LIMIT $4`, id, viewer, before, limit))
	if err != nil {
		return nil, fmt.Errorf("pins of %s: %w", id, err)
	}
	return all, nil
}
