package chatsql

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// selectMessages selects messages of conversations that the user $1 is in. The
// OFFSET keeps PostgreSQL from beginning with all of his conversations.
const selectMessages = `SELECT ` + messageColumns + ` FROM chat_message m
	WHERE EXISTS (SELECT 1 FROM chat_member me
		WHERE me.conversation = m.conversation AND me.user_id = $1 AND me.left_pos IS NULL LIMIT 1 OFFSET 0)`

// Message returns a message to a member of its conversation.
func (s *Store) Message(ctx context.Context, viewer ids.User, id ids.Message) (chat.Message, error) {
	m, err := message(ctx, s.db, viewer, id)
	if err != nil {
		return chat.Message{}, fmt.Errorf("read %s: %w", id, err)
	}
	return *m, nil
}

func message(ctx context.Context, q sqldb.Querier, viewer ids.User, id ids.Message) (*chat.Message, error) {
	m, err := scanMessage(q.QueryRow(ctx, selectMessages+` AND m.id = $2`, viewer, id))
	return m, orElse(err, chat.ErrNoMessage)
}

// MessagesByID returns those of the messages that the viewer may read.
func (s *Store) MessagesByID(ctx context.Context, viewer ids.User, of []ids.Message) ([]chat.Message, error) {
	var all []chat.Message
	for _, p := range parts(blobs(of)) {
		some, err := values(collect(ctx, s.db, scanMessage,
			selectMessages+` AND m.id IN (`+p.list(2)+`)`, append([]any{viewer}, p...)...))
		if err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// MessagesAt returns the messages at one seq in each of several conversations.
func (s *Store) MessagesAt(ctx context.Context, viewer ids.User, at map[ids.Conversation]int64) ([]chat.Message, error) {
	of := make([]any, 0, len(at))
	for id := range at {
		of = append(of, id)
	}
	var all []chat.Message
	for _, p := range parts(of) {
		args := make([]any, 0, 1+2*len(p))
		args = append(args, viewer)
		places := make([]string, 0, len(p))
		for _, id := range p {
			places = append(places, `m.conversation = $`+strconv.Itoa(len(args)+1)+` AND m.seq = $`+strconv.Itoa(len(args)+2))
			id := id.(ids.Conversation) //nolint:forcetypeassert // Put in above.
			args = append(args, id.Bytes(), at[id])
		}
		some, err := values(collect(ctx, s.db, scanMessage,
			selectMessages+` AND (`+strings.Join(places, ` OR `)+`)`, args...))
		if err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// Page returns a part of a conversation to a member.
func (s *Store) Page(ctx context.Context, viewer ids.User, p chat.MessagePage) ([]chat.Message, error) {
	before, order := p.Before, "ASC"
	if before == 0 {
		before = math.MaxInt64
	}
	if p.Backward {
		order = "DESC"
	}
	all, err := values(forMember(ctx, s.db, memberOf(ctx, viewer, p.Conversation), scanMessage,
		`SELECT `+messageColumns+` FROM chat_message m
		WHERE m.conversation = $1 AND m.seq > $3 AND m.seq < $4 AND `+viewerIsIn+`
		ORDER BY m.seq `+order+` LIMIT $5`,
		p.Conversation, viewer, p.After, before, p.Limit))
	if err != nil {
		return nil, fmt.Errorf("page of %s: %w", p.Conversation, err)
	}
	if p.Backward {
		slices.Reverse(all)
	}
	return all, nil
}

// Changed returns the messages whose newest change is after a rev.
func (s *Store) Changed(
	ctx context.Context, viewer ids.User, id ids.Conversation, after int64, limit int,
) ([]chat.Message, error) {
	all, err := values(forMember(ctx, s.db, memberOf(ctx, viewer, id), scanMessage,
		`SELECT `+messageColumns+` FROM chat_change j JOIN chat_message m ON m.id = j.message AND m.rev = j.rev
		WHERE j.conversation = $1 AND j.rev > $3 AND `+viewerIsIn+`
		ORDER BY j.rev LIMIT $4`, id, viewer, after, limit))
	if err != nil {
		return nil, fmt.Errorf("changes of %s: %w", id, err)
	}
	return all, nil
}

// Edits returns the texts that a message had before.
func (s *Store) Edits(
	ctx context.Context, viewer ids.User, id ids.Message, after int64, limit int,
) ([]chat.Edit, error) {
	mayRead := func(q sqldb.Querier) error {
		_, err := message(ctx, q, viewer, id)
		return err
	}
	all, err := forMember(ctx, s.db, mayRead, scanEdit,
		`SELECT j.rev, j.old_text, j.at FROM chat_change j
		WHERE j.message = $1 AND j.rev > $3 AND j.old_text IS NOT NULL AND EXISTS (SELECT 1 FROM chat_member me
			WHERE me.conversation = j.conversation AND me.user_id = $2 AND me.left_pos IS NULL)
		ORDER BY j.rev LIMIT $4`, id, viewer, after, limit)
	if err != nil {
		return nil, fmt.Errorf("edits of %s: %w", id, err)
	}
	return all, nil
}

func scanEdit(r sqldb.Row) (e chat.Edit, err error) {
	var at int64
	err = r.Scan(&e.Rev, &e.Text, &at)
	e.EditedAt = instant(at)
	return e, err
}
