package chatsql

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// Archive reads all of a database that nobody writes to.
type Archive struct {
	db *sqldb.DB
}

var _ chat.Archive = (*Archive)(nil)

// NewArchive returns the archive of a database.
func NewArchive(db *sqldb.DB) *Archive { return &Archive{db} }

// archivePage is how many rows one query reads.
const archivePage = 1000

// Position implements chat.Archive.
func (a *Archive) Position(ctx context.Context) (string, int64, error) {
	at, err := position(ctx, a.db)
	if err != nil {
		return "", 0, fmt.Errorf("read the position: %w", err)
	}
	return at.epoch, at.pos, nil
}

// Sizes returns how many there are of each part.
func (a *Archive) Sizes(ctx context.Context) (map[string]int64, error) {
	var conversations, members, invites, journal, reports, files int64
	err := a.db.QueryRow(ctx, `SELECT (SELECT count(*) FROM chat_conversation), (SELECT count(*) FROM chat_member),
		(SELECT count(*) FROM chat_invite),
		(SELECT count(*) FROM chat_message) + (SELECT count(*) FROM chat_change WHERE kind NOT IN ('MEMBERSHIP', 'THREAD') AND about IS NULL)
			+ (SELECT count(*) FROM chat_member WHERE read_pos > 0) + (SELECT count(*) FROM chat_member WHERE set_pos > 0),
		(SELECT count(*) FROM chat_report), (SELECT count(*) FROM chat_file)`).
		Scan(&conversations, &members, &invites, &journal, &reports, &files)
	if err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	return map[string]int64{
		chat.PartConversations: conversations, chat.PartMembers: members, chat.PartInvites: invites, chat.PartJournal: journal,
		chat.PartReports: reports, chat.PartFiles: files,
	}, nil
}

// walked yields what a query returns, page by page: text ends with a limit,
// and its arguments come from next, which is given the last one read.
func walked[T any](
	ctx context.Context, db *sqldb.DB, scan func(sqldb.Row) (T, error), text string, args []any, next func(T) []any,
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			page, err := collect(ctx, db, scan, text, append(slices.Clip(args), archivePage)...)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range page {
				if !yield(v, nil) {
					return
				}
			}
			if len(page) < archivePage {
				return
			}
			args = next(page[len(page)-1])
		}
	}
}

// Conversations implements chat.Archive.
func (a *Archive) Conversations(ctx context.Context, after ids.Conversation) iter.Seq2[chat.ArchivedConversation, error] {
	return walked(ctx, a.db, func(r sqldb.Row) (c chat.ArchivedConversation, err error) {
		c.Conversation, err = scanConversationAnd(r, &c.LastPos)
		return c, err
	}, `SELECT `+conversationColumns+`, c.last_pos FROM chat_conversation c WHERE c.id > $1 ORDER BY c.id LIMIT $2`,
		[]any{after.Bytes()}, func(c chat.ArchivedConversation) []any { return []any{c.ID.Bytes()} })
}

// Members implements chat.Archive.
func (a *Archive) Members(ctx context.Context, after chat.MemberID) iter.Seq2[chat.ArchivedMember, error] {
	return walked(ctx, a.db, func(r sqldb.Row) (m chat.ArchivedMember, err error) {
		var row memberRow
		var left, leftRev sql.NullInt64
		err = r.Scan(append(row.fields(), &m.ReadPos, &m.ReadTop, &m.SetPos, &left, &leftRev)...)
		m.Member, m.LeftPos, m.LeftRev = row.member(), left.Int64, leftRev.Int64
		if err == nil && left.Valid && !leftRev.Valid {
			err = fmt.Errorf("%w: %s left %s at %d, where nothing is", chat.ErrArchive, m.User, m.Conversation, m.LeftPos)
		}
		return m, err
	}, `SELECT `+memberColumns+`, v.read_pos, v.read_top, v.set_pos, v.left_pos, j.rev
		FROM chat_member v LEFT JOIN chat_change j ON j.pos = v.left_pos
		WHERE (v.conversation, v.user_id) > ($1, $2) ORDER BY v.conversation, v.user_id LIMIT $3`,
		[]any{after.Conversation.Bytes(), after.User.Bytes()},
		func(m chat.ArchivedMember) []any { return []any{m.Conversation.Bytes(), m.User.Bytes()} })
}

// Journal implements chat.Archive: it merges messages, changes and receipts,
// and puts the changes of an edit of members to the note that ends them.
func (a *Archive) Journal(ctx context.Context, after int64) iter.Seq2[chat.Entry, error] {
	return func(yield func(chat.Entry, error) bool) {
		j := &journal{ctx: ctx, db: a.db, versions: make(map[ids.Conversation]edition)}
		defer j.open(after)()
		for {
			e, ok, err := j.next()
			if err != nil {
				yield(chat.Entry{}, fmt.Errorf("read the journal: %w", err))
				return
			}
			if !ok || !yield(e, nil) {
				return
			}
		}
	}
}

// addedRows are added messages after a position.
func addedRows(ctx context.Context, db *sqldb.DB, after int64) iter.Seq2[chat.Entry, error] {
	return walked(ctx, db, func(r sqldb.Row) (e chat.Entry, err error) {
		added := &chat.Added{}
		var pinRev sql.NullInt64
		m, err := scanMessageAnd(r, &e.Rev, &added.InputHash, &pinRev)
		if err != nil {
			return e, err
		}
		if (m.Pin != nil) != pinRev.Valid || m.Pin != nil && m.Pin.Rev != pinRev.Int64 {
			return e, fmt.Errorf("%w: the pin of %s", chat.ErrArchive, m.ID)
		}
		added.Message = *m
		e.Pos, e.Conversation, e.Ord, e.Added = m.Pos, m.Conversation, m.Ord, added
		return e, nil
	}, `SELECT `+messageColumns+`, m.add_rev, m.input_hash, m.pin_rev FROM chat_message m WHERE m.pos > $1 ORDER BY m.pos LIMIT $2`,
		[]any{after}, lastPos)
}

func lastPos(e chat.Entry) []any { return []any{e.Pos} }

// receiptRows are the members' newest receipts after a position.
func receiptRows(ctx context.Context, db *sqldb.DB, after int64) iter.Seq2[chat.Entry, error] {
	return walked(ctx, db, func(r sqldb.Row) (e chat.Entry, err error) {
		e.Receipt = &chat.Receipt{}
		err = r.Scan(&e.Pos, &e.Conversation, &e.Ord,
			&e.Receipt.User, &e.Receipt.ReadSeq, &e.Receipt.ReadOrd, &e.Receipt.DeliveredSeq, &e.Receipt.SeenSeq)
		return e, err
	}, `SELECT v.read_pos, v.conversation, v.read_top, v.user_id, v.read_seq, v.read_ord, v.delivered_seq, v.seen_seq
		FROM chat_member v WHERE v.read_pos > 0 AND v.read_pos > $1 ORDER BY v.read_pos LIMIT $2`,
		[]any{after}, lastPos)
}

// change is a row of chat_change.
type change struct {
	chat.Entry // but for a change of members or name and description

	membership *chat.Membership
	about      *chat.AboutChange
	at         int64
}

// changeRows are all other changes after a position. A revision's text is what
// the next edit replaced, or what the message is.
func changeRows(ctx context.Context, db *sqldb.DB, after int64) iter.Seq2[change, error] {
	return walked(ctx, db, func(r sqldb.Row) (c change, err error) {
		var (
			kind           string
			id             ids.Message
			m              chat.Membership
			before, text   sql.NullString
			set, role      sql.NullString
			emoji, about   sql.NullString
			target         sql.NullInt64
			deleted, later sql.NullInt64
		)
		err = r.Scan(&c.Pos, &c.Conversation, &c.Rev, &c.Ord, &kind, &c.at, &id, &before, &m.User, &set, &role, &m.Actor,
			&target, &deleted, &later, &text, &emoji, &about)
		switch {
		case err != nil:
		case kind == entryMembership:
			m.Change, m.Role = chat.Change(set.String), chat.Role(role.String)
			c.membership = &m
		case kind == entryMessage && target.Valid:
			c.Revised = &chat.Revised{
				Message: id, Target: target.Int64, At: instant(c.at), Before: before.String,
			}
			switch {
			case set.Valid:
				c.Revised.Kind, c.Revised.User, c.Revised.Emoji = chat.RevisionKind(set.String), m.User, emoji.String
			case !deleted.Valid:
				c.Revised.Text = text.String
			case !later.Valid:
				c.Revised.Kind = chat.ToDelete
			}
		case kind == entryThread && target.Valid:
			c.Thread = &chat.ThreadChange{Root: id, Target: target.Int64}
		case kind == entryConversation && c.Rev == 1:
			c.Made = &chat.Made{}
		case kind == entryConversation && about.Valid:
			c.about, err = aboutOf(about)
		default:
			err = fmt.Errorf("%w: a change of kind %s at %d", chat.ErrArchive, kind, c.Pos)
		}
		return c, err
	}, `SELECT j.pos, j.conversation, j.rev, j.ord, j.kind, j.at, j.message, j.old_text, j.user_id, j.change, j.role, j.actor,
			m.pos, m.deleted_at,
			(SELECT n.rev FROM chat_change n WHERE n.message = j.message AND n.rev > j.rev AND n.kind = 'MESSAGE' ORDER BY n.rev LIMIT 1),
			CASE WHEN j.change IS NULL THEN coalesce((SELECT n.old_text FROM chat_change n
				WHERE n.message = j.message AND n.rev > j.rev AND n.old_text IS NOT NULL ORDER BY n.rev LIMIT 1), m.text) END,
			j.emoji, j.about
		FROM chat_change j LEFT JOIN chat_message m ON m.id = j.message
		WHERE j.pos > $1 ORDER BY j.pos LIMIT $2`,
		[]any{after}, func(c change) []any { return []any{c.Pos} })
}

// made reads how a conversation was when it was made: what it is, but for what
// has happened since.
func (j *journal) made(e chat.Entry, at int64) (*chat.Made, error) {
	var pair []byte
	c, err := scanConversationAnd(j.db.QueryRow(j.ctx,
		`SELECT `+conversationColumns+`, c.direct_key FROM chat_conversation c WHERE c.id = $1`, e.Conversation), &pair)
	if err != nil {
		return nil, err
	}
	c.UpdatedAt, c.ArchivedAt = c.CreatedAt, time.Time{}
	c.LastSeq, c.LastRev, c.LastOrd, c.MemberVersion, c.ActivePos = 0, 1, 0, 1, e.Pos
	first := make(map[ids.User]chat.Membership) // of those who are or were in, their first change
	if c.Kind != chat.Direct {
		var was *chat.About
		err = j.changesOf(e.Conversation, func(m chat.Membership, s *chat.AboutChange, _ int64) {
			if s != nil {
				was = cmp.Or(was, &s.Before)
			} else if _, ok := first[m.User]; !ok {
				first[m.User] = m
			}
		})
		if was != nil {
			c.Name, c.Description = was.Name, was.Description
		}
		if err != nil {
			return nil, err
		}
	}
	members, err := collect(j.ctx, j.db, scanMember,
		`SELECT `+memberColumns+` FROM chat_member v WHERE v.conversation = $1 ORDER BY v.user_id`, e.Conversation)
	if err != nil {
		return nil, err
	}
	out := &chat.Made{}
	for _, m := range members {
		was, changed := first[m.User]
		switch {
		case was.Change == chat.Joined:
			continue // later
		case was.Change.Ends():
			m.Role = was.Role
		case changed && m.User == c.Creator: // his role was changed
			m.Role = chat.Owner
		case changed:
			m.Role = chat.Plain
		}
		if changed {
			m.JoinedAt = instant(at)
		}
		m.ReadSeq, m.ReadOrd, m.DeliveredSeq, m.SeenSeq, m.JoinedSeq, m.Settings = 0, 0, 0, 0, 0, chat.Settings{}
		out.Members = append(out.Members, m)
	}
	slices.SortFunc(out.Members, func(a, b chat.Member) int { return bytes.Compare(a.User.Bytes(), b.User.Bytes()) })
	c.MemberCount = len(out.Members)
	out.Conversation = c
	if c.Kind == chat.Direct && !bytes.Equal(pair, pairKey(out.Members)) || c.Kind != chat.Direct && pair != nil {
		return nil, fmt.Errorf("%w: the pair of %s", chat.ErrArchive, c.ID)
	}
	return out, nil
}
