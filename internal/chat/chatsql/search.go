package chatsql

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/terms"
)

// wordsIndex is what the two engines do in different ways about the index of
// words: FTS5 and tsvector.
type wordsIndex interface {
	// from is the index and chat_message m, where the one has the words of $2
	// and is before $3, and the index's column that has the positions.
	from() (text, pos string)
	// ask turns needs, and rooms of which one must be, into $2.
	ask(needs []terms.Need, rooms []ids.Conversation) string
	// take makes a SELECT of the index's state hold it until the commit, or
	// find nothing when another node holds it.
	take() string
	// empty takes the index away, or about so much of it, and says whether
	// none is left.
	empty(ctx context.Context, tx *sqldb.Tx, most int) (done bool, err error)
	// add takes new messages in.
	add(ctx context.Context, tx *sqldb.Tx, of []indexed) error
	// replace takes in what a message says now, instead of what it said.
	// there says whether it had been taken in.
	replace(ctx context.Context, tx *sqldb.Tx, before, now indexed, there bool) error
}

// indexed is a message in the index.
type indexed struct {
	pos   int64
	room  ids.Conversation
	words []string // none of a tombstone
}

// roomTerm is the term that all messages of a conversation have. No word
// begins so: it is of the code points that mean nothing.
func roomTerm(id ids.Conversation) string { return "\ue000" + hex.EncodeToString(id.Bytes()) }

// The terms of a message in the index; none where it has no words.
func (d indexed) terms() []string {
	if len(d.words) == 0 {
		return nil
	}
	return append(slices.Clip(d.words), roomTerm(d.room))
}

// mostRooms is how many conversations a viewer may be in for the index to be
// asked for these alone: each costs some 50 µs. Who is in more has his share of
// all that is found, so that the others' messages are passed over soon.
const mostRooms = 250

// Search finds messages by their words.
func (s *Store) Search(ctx context.Context, viewer ids.User, q chat.MessageQuery) ([]chat.Message, error) {
	rooms := []ids.Conversation{q.Conversation}
	if q.Conversation.IsZero() {
		var err error
		rooms, err = collect(ctx, s.db, func(r sqldb.Row) (id ids.Conversation, err error) {
			err = r.Scan(&id)
			return id, err
		}, `SELECT v.conversation FROM chat_member v WHERE v.user_id = $1 AND v.left_pos IS NULL LIMIT $2`, viewer, mostRooms+1)
		switch {
		case err != nil:
			return nil, fmt.Errorf("search: read the viewer's conversations: %w", err)
		case len(rooms) == 0:
			return nil, nil
		case len(rooms) > mostRooms:
			rooms = nil
		}
	}
	from, row := s.words.from()
	before := q.Before
	if before == 0 {
		before = math.MaxInt64
	}
	text, args := searchText(from, row, q)
	args = append([]any{viewer, s.words.ask(q.Needs, rooms), before, q.Limit}, args...)
	all, err := values(collect(ctx, s.db, scanMessage, text, args...))
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return all, nil
}

// searchText is the query with the filters that are set; it returns the
// arguments of these, which begin at $5.
func searchText(from, row string, q chat.MessageQuery) (text string, args []any) {
	var b strings.Builder
	b.WriteString(`SELECT ` + messageColumns + ` FROM ` + from + ` AND m.deleted_at IS NULL
		AND EXISTS (SELECT 1 FROM chat_member me
			WHERE me.conversation = m.conversation AND me.user_id = $1 AND me.left_pos IS NULL LIMIT 1 OFFSET 0)`)
	filter := func(condition string, v any) {
		args = append(args, v)
		b.WriteString(` AND ` + condition + ` $` + strconv.Itoa(len(args)+4))
	}
	if !q.Conversation.IsZero() {
		filter(`m.conversation =`, q.Conversation.Bytes())
	}
	if !q.Sender.IsZero() {
		filter(`m.sender =`, q.Sender.Bytes())
	}
	if !q.SentFrom.IsZero() {
		filter(`m.created_at >=`, micros(q.SentFrom))
	}
	if !q.SentBefore.IsZero() {
		filter(`m.created_at <`, micros(q.SentBefore))
	}
	switch q.Attached {
	case chat.AttachedOrNot:
	case chat.WithAttachment:
		b.WriteString(` AND m.attachments IS NOT NULL`)
	case chat.WithoutAttachment:
		b.WriteString(` AND m.attachments IS NULL`)
	}
	b.WriteString(` ORDER BY ` + row + ` DESC LIMIT $4`)
	return b.String(), args
}

// indexBytes is how much text is folded in one commit, about: others wait for
// it.
const indexBytes = 32 << 10

// Index takes in what is not in the index yet.
func (s *Store) Index(ctx context.Context, limit int) (chat.Indexed, error) {
	_, newest, err := s.Position(ctx)
	if err != nil {
		return chat.Indexed{}, err
	}
	at := chat.Indexed{Newest: newest}
	made := false // the index is of this edition
	err = s.db.Lane("search").Write(ctx, func(tx *sqldb.Tx) error {
		at.Elsewhere, made = false, false
		var edition string
		err := tx.QueryRow(ctx, selectSearched+s.words.take()).Scan(&at.UpTo, &edition)
		if err = orElse(err, errElsewhere); err != nil {
			return err
		}
		if edition != terms.Edition {
			if s.ofEdition.Load() { // by this node: another program's is at work
				return errElsewhere
			}
			at.UpTo = 0
			if done, err := s.words.empty(ctx, tx, 20*limit); err != nil || !done {
				return err
			}
		}
		some, last, err := unindexed(ctx, tx, at.UpTo, newest, limit)
		if err != nil {
			return err
		}
		if err := s.words.add(ctx, tx, some); err != nil {
			return err
		}
		at.UpTo, made = last, true
		if len(some) > 0 || edition != terms.Edition {
			_, err = tx.Exec(ctx, `UPDATE derived_chat_searched SET pos = $1, edition = $2 WHERE id = 1`, at.UpTo, terms.Edition)
		}
		return err
	})
	if errors.Is(err, errElsewhere) {
		at.Elsewhere, err = true, s.db.QueryRow(ctx, selectSearched).Scan(&at.UpTo, new(string))
	}
	if err != nil {
		return chat.Indexed{}, fmt.Errorf("index messages: %w", err)
	}
	if made {
		s.ofEdition.Store(true)
	}
	return at, nil
}

const selectSearched = `SELECT pos, edition FROM derived_chat_searched WHERE id = 1`

var errElsewhere = errors.New("chatsql: another node indexes")

// unindexed are the next messages, at most limit and some indexBytes, and the
// position up to which that is all.
func unindexed(ctx context.Context, tx *sqldb.Tx, after, upTo int64, limit int) ([]indexed, int64, error) {
	rows, err := tx.Query(ctx, `SELECT m.pos, m.conversation, m.text FROM chat_message m
		WHERE m.pos > $1 AND m.pos <= $2 AND m.kind = $3 AND m.deleted_at IS NULL ORDER BY m.pos LIMIT $4`,
		after, upTo, string(chat.Text), limit)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close() //nolint:errcheck // Err tells all.
	var all []indexed
	for size := 0; rows.Next(); {
		var d indexed
		var text string
		if err := rows.Scan(&d.pos, &d.room, &text); err != nil {
			return nil, 0, err
		}
		d.words = terms.Of(text)
		all = append(all, d)
		if size += len(text); size >= indexBytes {
			limit = len(all)
			break
		}
	}
	if err := rows.Err(); err != nil {
		return nil, 0, err
	}
	if len(all) == limit && limit > 0 {
		upTo = all[limit-1].pos
	}
	return all, upTo, nil
}

// reindex has the index say what a message says that was just revised.
func (c *commit) reindex(ctx context.Context, m *chat.Message, before string) error {
	var pos int64
	var edition string
	if err := c.tx.QueryRow(ctx, selectSearched).Scan(&pos, &edition); err != nil {
		return fmt.Errorf("read how far the index goes: %w", err)
	}
	was, is := indexed{pos: m.Pos, room: m.Conversation, words: terms.Of(before)}, indexed{pos: m.Pos, room: m.Conversation}
	if !m.Deleted() {
		is.words = terms.Of(m.Text)
	}
	if err := c.s.words.replace(ctx, c.tx, was, is, m.Pos <= pos && edition == terms.Edition); err != nil {
		return fmt.Errorf("index the message again: %w", err)
	}
	return nil
}
