package chatsql

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// sending is one caller's Append on its way through the batch.
type sending struct {
	in    chat.NewMessage
	out   *chat.Message
	first int64 // without out: the position of the message that has the key
}

// Append stores a message; many callers' in one commit.
func (s *Store) Append(ctx context.Context, m chat.NewMessage) (chat.Message, error) {
	batch := s.sends
	if !m.ThreadRoot.IsZero() || len(m.Attachments) > 0 {
		batch = s.replies
	}
	done, err := batch.Do(ctx, sending{in: m})
	if err == nil && done.out == nil {
		done.out, err = s.repeated(ctx, done)
	}
	if err != nil {
		return chat.Message{}, fmt.Errorf("append to %s: %w", m.Conversation, err)
	}
	return *done.out, nil
}

// clientKey is what makes a repeated send the same send.
type clientKey struct {
	conversation ids.Conversation
	sender       ids.User
	clientID     string
}

func keyOf(m *chat.NewMessage) clientKey { return clientKey{m.Conversation, m.Sender, m.ClientID} }

func keyOfStored(m *chat.Message) clientKey { return clientKey{m.Conversation, m.Sender, m.ClientID} }

// prior is the message that a key was used for.
type prior struct {
	message *chat.Message
	hash    []byte
}

func (p prior) again(hash []byte) (*chat.Message, error) {
	if subtle.ConstantTimeCompare(p.hash, hash) != 1 {
		return nil, chat.ErrKeyReused
	}
	return p.message, nil
}

// applySends writes a batch. On SQLite it first takes every key for a new one
// and lets the unique index say whether that is so, which costs nothing; where
// it is not, it begins again with the keys looked up. PostgreSQL does all of it
// in one statement where it can; where not, keys are looked up in the exchange
// that takes the position.
func (s *Store) applySends(tx *sqldb.Tx, items []*sqldb.Item[sending]) error {
	ctx := context.Background()
	if s.atOnce(items) {
		return s.appendAtOnce(ctx, tx, items)
	}
	return s.placeAll(tx, items)
}

// placeAll writes a batch of any kind: numbers are given here, after roots and
// keys were read.
func (s *Store) placeAll(tx *sqldb.Tx, items []*sqldb.Item[sending]) error {
	ctx := context.Background()
	known := make(map[clientKey]prior)
	if err := s.priorsOfFiles(ctx, tx, items, known); err != nil {
		return err
	}
	fresh, err := s.place(ctx, tx, items, known, s.bulk.priors(items, known)...)
	if err != nil || fresh {
		return err
	}
	clear(known)
	if err := priors(ctx, tx, items, known); err != nil {
		return err
	}
	fresh, err = s.place(ctx, tx, items, known)
	if err == nil && !fresh {
		err = errors.New("chatsql: a key is neither new nor known")
	}
	return err
}

// place gives the batch's messages their numbers and inserts them. The
// questions fill the known keys. False says that a key which is not among them
// is taken, and that nothing was written.
func (s *Store) place(
	ctx context.Context, tx *sqldb.Tx, items []*sqldb.Item[sending], known map[clientKey]prior,
	questions ...sqldb.Question,
) (bool, error) {
	var threads threading
	c, err := s.begin(ctx, tx, roomsOf(items), append(questions, threads.ask(items)...)...)
	if err != nil {
		return false, err
	}
	rows := make([]row, 0, len(items))
	own := make(map[memberID]ownRead, len(items))
	var claimed claims
	for _, item := range items {
		m := &item.Value.in
		item.Value.out, item.Err = nil, nil
		h := c.heads[m.Conversation]
		switch {
		case h == nil:
			item.Err = chat.ErrNoConversation
			continue
		case h.memberVersion != m.Version:
			item.Err = chat.ErrMoved
			continue
		}
		if p, ok := known[keyOf(m)]; ok && m.ClientID != "" {
			item.Value.out, item.Err = p.again(m.InputHash)
			continue
		}
		files, refused, err := c.claim(ctx, m, &claimed)
		if err != nil {
			return false, err
		}
		if refused == nil {
			refused = threads.reply(c, h, m)
		}
		if item.Err = refused; refused != nil {
			continue
		}
		out := c.add(h, m)
		out.Attachments = files
		r, err := rowOf(out, m.InputHash)
		if err != nil {
			return false, err
		}
		if m.ClientID != "" {
			known[keyOf(m)] = prior{out, m.InputHash}
		}
		item.Value.out = out
		rows = append(rows, r)
		own[memberID{m.Conversation, m.Sender}] = ownRead{out.Seq, out.Ord}
	}
	if len(rows) == 0 {
		return true, nil
	}
	if fresh, err := c.insert(ctx, rows); err != nil || !fresh {
		return false, err
	}
	if err := threads.write(ctx, tx); err != nil {
		return false, err
	}
	if err := s.bulk.saveReads(ctx, tx, own); err != nil {
		return false, fmt.Errorf("move the senders' read positions: %w", err)
	}
	return true, c.finish(ctx)
}

func roomsOf(items []*sqldb.Item[sending]) []ids.Conversation {
	of := make([]ids.Conversation, len(items))
	for i, item := range items {
		of[i] = item.Value.in.Conversation
	}
	return of
}

// add gives a message the next numbers of its conversation.
func (c *commit) add(h *head, m *chat.NewMessage) *chat.Message {
	pos := c.take(h)
	h.lastSeq++
	h.lastRev++
	if m.Kind != chat.System {
		h.lastOrd++
	}
	h.activePos = pos
	out := unnumbered(m)
	out.Seq, out.Rev, out.Ord, out.Pos = h.lastSeq, h.lastRev, h.lastOrd, pos
	c.events = append(c.events, added(out))
	return out
}

// unnumbered is a new message without its numbers.
func unnumbered(m *chat.NewMessage) *chat.Message {
	return &chat.Message{
		ID: m.ID, Conversation: m.Conversation, Kind: m.Kind, Sender: m.Sender, Text: m.Text, Note: m.Note,
		ClientID: m.ClientID, ReplyTo: m.ReplyTo, CreatedAt: stored(m.CreatedAt),
		ThreadRoot: m.ThreadRoot, Mentions: m.Mentions,
	}
}

// added tells of a message that is the newest of its conversation.
func added(m *chat.Message) *chat.Event {
	return &chat.Event{
		Kind: chat.MessageAdded, Conversation: m.Conversation, Pos: m.Pos, Rev: m.Rev, LastOrd: m.Ord, Message: m,
	}
}

// row is a message with what only its row has.
type row struct {
	*chat.Message
	hash []byte
	// Encoded.
	note, mentions *string
}

func rowOf(m *chat.Message, hash []byte) (row, error) {
	r := row{Message: m, hash: hash}
	var err error
	if r.note, err = encoded(m.Note); err == nil {
		r.mentions, err = encoded(m.Mentions)
	}
	return r, err
}

// more says whether the row has what a plain message lacks.
func (r row) more() bool { return r.mentions != nil || !r.ThreadRoot.IsZero() }

// clientID is NULL where there is none.
func (r row) clientID() *string {
	if r.ClientID == "" {
		return nil
	}
	return &r.ClientID
}

// replyTo is NULL where there is none.
func (r row) replyTo() []byte {
	if r.ReplyTo.IsZero() {
		return nil
	}
	return r.ReplyTo.Bytes()
}

// threadRoot is NULL where there is none.
func (r row) threadRoot() []byte {
	if r.ThreadRoot.IsZero() {
		return nil
	}
	return r.ThreadRoot.Bytes()
}

// insert writes added messages. False says that a key was taken, and that
// they are not there.
func (c *commit) insert(ctx context.Context, rows []row) (bool, error) {
	written, err := c.s.bulk.insert(ctx, c.tx, rows)
	if err != nil {
		return false, fmt.Errorf("insert messages: %w", err)
	}
	if written == int64(len(rows)) {
		return true, c.saveClaims(ctx, rows)
	}
	if _, err := c.tx.Exec(ctx, `DELETE FROM chat_message WHERE pos > $1`, c.first); err != nil {
		return false, fmt.Errorf("take messages back: %w", err)
	}
	return false, nil
}

// priors looks up the keys of a batch.
func priors(ctx context.Context, tx *sqldb.Tx, items []*sqldb.Item[sending], known map[clientKey]prior) error {
	for _, item := range items {
		m := &item.Value.in
		if _, ok := known[keyOf(m)]; ok || m.ClientID == "" {
			continue
		}
		var p prior
		var err error
		p.message, err = scanMessageAnd(tx.QueryRow(ctx,
			`SELECT `+messageColumns+`, m.input_hash FROM chat_message m
			WHERE m.conversation = $1 AND m.sender = $2 AND m.client_id = $3`,
			m.Conversation.Bytes(), m.Sender.Bytes(), m.ClientID), &p.hash)
		switch {
		case err == nil:
			known[keyOf(m)] = p
		case !errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("look up a key: %w", err)
		}
	}
	return nil
}
