package chatsql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// threading is what a batch does to the roots of threads: it begins with the
// roots as they are, and ends with what is to be written of them.
type threading struct {
	roots   map[ids.Message]*chat.Message
	changes []rootChange
}

// rootChange is a change of a root that has its numbers.
type rootChange struct {
	root     *chat.Message // after it
	pos, ord int64
	at       time.Time
}

// ask asks for the roots that the items reply to, if there are any.
func (t *threading) ask(items []*sqldb.Item[sending]) []sqldb.Question {
	var of []any
	for _, item := range items {
		root := item.Value.in.ThreadRoot
		if _, ok := t.roots[root]; ok || root.IsZero() {
			continue
		}
		if t.roots == nil {
			t.roots = make(map[ids.Message]*chat.Message)
		}
		t.roots[root] = nil
		of = append(of, root.Bytes())
	}
	var asked []sqldb.Question
	for _, p := range parts(of) {
		asked = append(asked, sqldb.Question{
			Text: `SELECT ` + messageColumns + ` FROM chat_message m WHERE m.id IN (` + p.list(1) + `)`, Args: p,
			Each: func(r sqldb.Row) error {
				m, err := scanMessage(r)
				if err == nil {
					t.roots[m.ID] = m
				}
				return err
			},
		})
	}
	return asked
}

// reply counts a message that is about to get the next numbers to its thread,
// where it is in one.
func (t *threading) reply(c *commit, h *head, m *chat.NewMessage) error {
	if m.ThreadRoot.IsZero() {
		return nil
	}
	root := t.roots[m.ThreadRoot]
	if !root.TakesReplies(m.Conversation) {
		return chat.ErrThreadRoot
	}
	t.change(c, h, root, root.Thread.Replied(m.Sender, h.lastSeq+1, stored(m.CreatedAt)), m.CreatedAt)
	return nil
}

// change gives a root its next state. The state before may be in an event
// already.
func (t *threading) change(c *commit, h *head, root *chat.Message, thread *chat.Thread, at time.Time) {
	after := *root
	pos := c.take(h)
	h.lastRev++
	after.Rev, after.Thread = h.lastRev, thread
	if t.roots == nil {
		t.roots = make(map[ids.Message]*chat.Message)
	}
	t.roots[after.ID] = &after
	t.changes = append(t.changes, rootChange{&after, pos, h.lastOrd, at})
	c.events = append(c.events, &chat.Event{
		Kind: chat.MessageChanged, Conversation: h.id, Pos: pos, Rev: after.Rev, LastOrd: h.lastOrd, Message: &after,
	})
}

// write writes the changes to the journal, and each root as it is in the end.
func (t *threading) write(ctx context.Context, tx *sqldb.Tx) error {
	for _, r := range t.changes {
		err := tx.Later(ctx,
			`INSERT INTO chat_change (pos, conversation, rev, ord, kind, message, at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			r.pos, r.root.Conversation, r.root.Rev, r.ord, entryThread, r.root.ID, micros(r.at))
		if err != nil {
			return fmt.Errorf("write the journal: %w", err)
		}
	}
	for _, r := range t.changes {
		if t.roots[r.root.ID] != r.root {
			continue // it changes again
		}
		thread, err := encoded(r.root.Thread)
		if err != nil {
			return err
		}
		err = tx.Later(ctx, `UPDATE chat_message SET rev = $1, thread = $2 WHERE pos = $3`, r.root.Rev, thread, r.root.Pos)
		if err != nil {
			return fmt.Errorf("rewrite the root of a thread: %w", err)
		}
	}
	return nil
}

// takeReply counts a reply that is about to be deleted out of its thread.
func (c *commit) takeReply(ctx context.Context, h *head, m *chat.Message, at time.Time) error {
	root, err := scanMessage(c.tx.QueryRow(ctx, `SELECT `+messageColumns+` FROM chat_message m WHERE m.id = $1`, m.ThreadRoot))
	if err == nil && root.Thread == nil {
		err = errors.New("no reply was counted")
	}
	if err != nil {
		return fmt.Errorf("the root of the thread of %s: %w", m.ID, err)
	}
	var t threading
	t.change(c, h, root, root.Thread.Taken(), at)
	return t.write(ctx, c.tx)
}

// Replies returns a part of a thread to a member.
func (s *Store) Replies(ctx context.Context, viewer ids.User, p chat.ThreadPage) ([]chat.Message, error) {
	before, order := p.Before, "ASC"
	if before == 0 {
		before = math.MaxInt64
	}
	if p.Backward {
		order = "DESC"
	}
	mayRead := func(q sqldb.Querier) error {
		_, err := message(ctx, q, viewer, p.Root)
		return err
	}
	all, err := values(forMember(ctx, s.db, mayRead, scanMessage,
		`SELECT `+messageColumns+` FROM chat_message m
		WHERE m.thread_root = $1 AND m.seq > $3 AND m.seq < $4 AND EXISTS (SELECT 1 FROM chat_member me
			WHERE me.conversation = m.conversation AND me.user_id = $2 AND me.left_pos IS NULL LIMIT 1 OFFSET 0)
		ORDER BY m.seq `+order+` LIMIT $5`, p.Root, viewer, p.After, before, p.Limit))
	if err != nil {
		return nil, fmt.Errorf("replies to %s: %w", p.Root, err)
	}
	if p.Backward {
		slices.Reverse(all)
	}
	return all, nil
}

// Among returns those of the users who are members.
func (s *Store) Among(ctx context.Context, viewer ids.User, id ids.Conversation, of []ids.User) ([]ids.User, error) {
	var in []ids.User
	mine := false
	for _, p := range parts(append(blobs(of), viewer.Bytes())) {
		some, err := collect(ctx, s.db, func(r sqldb.Row) (u ids.User, err error) {
			err = r.Scan(&u)
			return u, err
		}, `SELECT user_id FROM chat_member WHERE conversation = $1 AND left_pos IS NULL AND user_id IN (`+p.list(2)+`)`,
			append([]any{id}, p...)...)
		if err != nil {
			return nil, fmt.Errorf("members among %d users: %w", len(of), err)
		}
		mine = mine || slices.Contains(some, viewer)
		in = append(in, some...)
	}
	if !mine {
		return nil, fmt.Errorf("members of %s: %w", id, chat.ErrNoConversation)
	}
	return slices.DeleteFunc(in, func(u ids.User) bool { return !slices.Contains(of, u) }), nil
}

// encoded is JSON for a column; NULL for nil.
func encoded[T any](v *T) (*string, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // That is NULL.
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	text := string(b)
	return &text, nil
}
