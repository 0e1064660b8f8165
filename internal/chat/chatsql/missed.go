package chatsql

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// walkChunk is how many entries of a conversation one query walks back.
const walkChunk = 128

// Missed finds what a viewer has missed. Conversations in which nothing has
// happened since cost nothing; the others are walked from their newest entry
// back to the position, so what came before it costs nothing either.
func (s *Store) Missed(ctx context.Context, viewer ids.User, after, upTo int64, limit int) ([]chat.Ref, error) {
	var refs []chat.Ref
	err := s.db.Snapshot(ctx, func(q sqldb.Querier) error {
		w := walk{ctx: ctx, q: q, viewer: viewer, after: after, upTo: upTo, limit: limit}
		moved, err := collect(ctx, q, scanMoved,
			`SELECT c.id, c.active_pos, v.left_pos, v.set_pos FROM chat_member v JOIN chat_conversation c ON c.id = v.conversation
			WHERE v.user_id = $1 AND c.last_pos > $2 AND (v.left_pos IS NULL OR v.left_pos > $2)`, viewer, after)
		if err != nil {
			return err
		}
		for _, m := range moved {
			if err := w.conversation(m); err != nil {
				return err
			}
		}
		refs = w.refs
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("what has been missed: %w", err)
	}
	slices.SortFunc(refs, func(a, b chat.Ref) int { return cmp.Compare(a.Pos, b.Pos) })
	return refs, nil
}

// moved is a conversation in which something has happened.
type moved struct {
	id        ids.Conversation
	activePos int64
	leftPos   sql.NullInt64 // of the viewer
	setPos    int64         // of his newest settings
}

func scanMoved(r sqldb.Row) (m moved, err error) {
	err = r.Scan(&m.id, &m.activePos, &m.leftPos, &m.setPos)
	return m, err
}

// walk gathers the entries with after < pos <= upTo.
type walk struct {
	ctx         context.Context //nolint:containedctx // Of one call, which is over when walk is.
	q           sqldb.Querier
	viewer      ids.User
	after, upTo int64
	limit       int
	refs        []chat.Ref
}

func (w *walk) conversation(m moved) error {
	if m.leftPos.Valid {
		return w.find(scanChangeRef(m.id), `SELECT pos, rev, kind FROM chat_change WHERE pos = $1`, m.leftPos.Int64)
	}
	if err := w.take(chat.Ref{Pos: m.setPos, Kind: chat.SettingsChanged, Conversation: m.id, User: w.viewer}); err != nil {
		return err
	}
	if m.activePos > w.after {
		err := w.back(func(r sqldb.Row) (ref chat.Ref, place int64, err error) {
			ref = chat.Ref{Kind: chat.MessageAdded, Conversation: m.id}
			err = r.Scan(&ref.Pos, &ref.Seq, &ref.Rev)
			return ref, ref.Seq, err
		}, `SELECT pos, seq, add_rev FROM chat_message WHERE conversation = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3`, m.id)
		if err != nil {
			return err
		}
	}
	change := scanChangeRef(m.id)
	err := w.back(func(r sqldb.Row) (chat.Ref, int64, error) {
		ref, err := change(r)
		return ref, ref.Rev, err
	}, `SELECT pos, rev, kind FROM chat_change WHERE conversation = $1 AND rev < $2 ORDER BY rev DESC LIMIT $3`, m.id)
	if err != nil {
		return err
	}
	return w.find(func(r sqldb.Row) (ref chat.Ref, err error) {
		ref = chat.Ref{Kind: chat.ReceiptChanged, Conversation: m.id}
		err = r.Scan(&ref.Pos, &ref.User)
		return ref, err
	}, `SELECT read_pos, user_id FROM chat_member WHERE conversation = $1 AND read_pos > 0 AND read_pos > $2 LIMIT $3`,
		m.id.Bytes(), w.after, w.limit+1)
}

// find takes all entries of a query.
func (w *walk) find(scan func(sqldb.Row) (chat.Ref, error), text string, args ...any) error {
	found, err := collect(w.ctx, w.q, scan, text, args...)
	if err != nil {
		return err
	}
	for _, ref := range found {
		if err := w.take(ref); err != nil {
			return err
		}
	}
	return nil
}

// back walks a conversation's entries from the newest to the last one after
// the position; scan also says where in the conversation an entry is.
func (w *walk) back(scan func(sqldb.Row) (chat.Ref, int64, error), text string, id ids.Conversation) error {
	for place, more := int64(math.MaxInt64), true; more; {
		found, err := collect(w.ctx, w.q, func(r sqldb.Row) (ref chat.Ref, err error) {
			ref, place, err = scan(r)
			return ref, err
		}, text, id, place, walkChunk)
		if err != nil {
			return err
		}
		for _, ref := range found {
			if ref.Pos <= w.after {
				return nil
			}
			if err := w.take(ref); err != nil {
				return err
			}
		}
		more = len(found) == walkChunk
	}
	return nil
}

func (w *walk) take(ref chat.Ref) error {
	if ref.Pos <= w.after || ref.Pos > w.upTo {
		return nil
	}
	if len(w.refs) == w.limit {
		return chat.ErrTooMany
	}
	w.refs = append(w.refs, ref)
	return nil
}

func scanChangeRef(id ids.Conversation) func(sqldb.Row) (chat.Ref, error) {
	return func(r sqldb.Row) (chat.Ref, error) {
		ref := chat.Ref{Conversation: id}
		var kind string
		err := r.Scan(&ref.Pos, &ref.Rev, &kind)
		ref.Kind = eventKind(kind)
		return ref, err
	}
}

// eventKind is what a journal entry's kind is called outside.
func eventKind(entry string) chat.EventKind {
	switch entry {
	case entryMessage, entryThread:
		return chat.MessageChanged
	case entryMembership:
		return chat.MembershipChanged
	default:
		return chat.ConversationChanged
	}
}
