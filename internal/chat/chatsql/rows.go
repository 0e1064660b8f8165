package chatsql

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// Times are microseconds UTC; the zero time is NULL.

func micros(t time.Time) int64 { return t.UnixMicro() }

func optMicros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func instant(us int64) time.Time { return time.UnixMicro(us).UTC() }

func optInstant(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return instant(us.Int64)
}

// stored is t as it comes back from the store.
func stored(t time.Time) time.Time { return instant(micros(t)) }

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// messageColumns are what scanMessage reads, of chat_message m.
const messageColumns = `m.pos, m.id, m.conversation, m.seq, m.rev, m.ord, m.kind, m.sender, m.text, m.note, m.client_id,
	m.reply_to, m.created_at, m.edited_at, m.deleted_at, m.thread_root, m.thread, m.mentions, m.marks, m.attachments`

func scanMessage(r sqldb.Row) (*chat.Message, error) { return scanMessageAnd(r) }

// scanMessageAnd also reads the columns after messageColumns, into more.
func scanMessageAnd(r sqldb.Row, more ...any) (*chat.Message, error) {
	var m chat.Message
	var is struct { // one, so that it is allocated once
		note, clientID, thread, mentions, marks, attachments sql.NullString
		created                                              int64
		edited, deleted                                      sql.NullInt64
	}
	err := r.Scan(append([]any{
		&m.Pos, &m.ID, &m.Conversation, &m.Seq, &m.Rev, &m.Ord, &m.Kind, &m.Sender, &m.Text, &is.note, &is.clientID,
		&m.ReplyTo, &is.created, &is.edited, &is.deleted, &m.ThreadRoot, &is.thread, &is.mentions, &is.marks, &is.attachments,
	}, more...)...)
	if err != nil {
		return nil, err
	}
	for _, part := range []struct {
		from sql.NullString
		to   any
	}{{is.note, &m.Note}, {is.thread, &m.Thread}, {is.mentions, &m.Mentions}, {is.attachments, &m.Attachments}} {
		if part.from.Valid {
			if err := json.Unmarshal([]byte(part.from.String), part.to); err != nil {
				return nil, fmt.Errorf("decode a part of %s: %w", m.ID, err)
			}
		}
	}
	m.ClientID, m.CreatedAt = is.clientID.String, instant(is.created)
	m.EditedAt, m.DeletedAt = optInstant(is.edited), optInstant(is.deleted)
	if is.marks.Valid {
		return &m, mark(&m, is.marks.String)
	}
	return &m, nil
}

// values drops the pointers, which only the journal shares.
func values(of []*chat.Message, err error) ([]chat.Message, error) {
	if err != nil || len(of) == 0 {
		return nil, err
	}
	all := make([]chat.Message, len(of))
	for i, m := range of {
		all[i] = *m
	}
	return all, nil
}

// conversationColumns are what conversationFields takes, of chat_conversation c.
const conversationColumns = `c.id, c.kind, c.name, c.description, c.creator, c.created_at, c.updated_at, c.archived_at,
	c.last_seq, c.last_rev, c.last_ord, c.member_version, c.member_count, c.active_pos`

// memberColumns are what scanMember reads, of chat_member v.
const memberColumns = `v.conversation, v.user_id, v.role, v.joined_at, v.read_seq, v.read_ord, v.delivered_seq,
	v.seen_seq, v.joined_seq, ` + settingsColumns

func scanConversation(r sqldb.Row) (chat.Conversation, error) { return scanConversationAnd(r) }

func scanConversationAnd(r sqldb.Row, more ...any) (chat.Conversation, error) {
	var (
		c                chat.Conversation
		created, updated int64
		archived         sql.NullInt64
	)
	err := r.Scan(append([]any{
		&c.ID, &c.Kind, &c.Name, &c.Description, &c.Creator, &created, &updated, &archived,
		&c.LastSeq, &c.LastRev, &c.LastOrd, &c.MemberVersion, &c.MemberCount, &c.ActivePos,
	}, more...)...)
	c.CreatedAt, c.UpdatedAt, c.ArchivedAt = instant(created), instant(updated), optInstant(archived)
	return c, err
}

// memberRow is what memberColumns are scanned into.
type memberRow struct {
	chat.Member

	joined int64
	settingsRow
}

func (m *memberRow) fields() []any {
	return append([]any{
		&m.Conversation, &m.User, &m.Role, &m.joined, &m.ReadSeq, &m.ReadOrd, &m.DeliveredSeq, &m.SeenSeq, &m.JoinedSeq,
	}, m.settingsRow.fields()...)
}

func (m *memberRow) member() chat.Member {
	out := m.Member
	out.JoinedAt, out.Settings = instant(m.joined), m.settings()
	return out
}

func scanMember(r sqldb.Row) (chat.Member, error) {
	var m memberRow
	err := r.Scan(m.fields()...)
	return m.member(), err
}

// scanView reads conversationColumns, then memberColumns.
func scanView(r sqldb.Row) (v chat.View, err error) {
	var m memberRow
	v.Conversation, err = scanConversationAnd(r, m.fields()...)
	v.Viewer = m.member()
	return v, err
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, q sqldb.Querier, scan func(sqldb.Row) (T, error), text string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, text, args...)
	return sqldb.Collect(rows, err, scan)
}

// part is some of many arguments of one statement.
type part []any

// partSizes are the lengths that lists of arguments are filled up to, so that
// there are only few texts of each statement.
var partSizes = [...]int{1, 4, 16, 100}

// parts cuts arguments into lists for IN, filling each up by repeating its
// last one.
func parts(args []any) []part {
	var all []part
	for len(args) > 0 {
		n := min(len(args), partSizes[len(partSizes)-1])
		p := part(append(make([]any, 0, n), args[:n]...))
		args = args[n:]
		for _, size := range partSizes {
			if size >= n {
				for len(p) < size {
					p = append(p, p[n-1])
				}
				break
			}
		}
		all = append(all, p)
	}
	return all
}

// list returns the placeholders of the part, numbered from first.
func (p part) list(first int) string { return placeholders(first, len(p)) }

func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(first + i))
	}
	return b.String()
}

// blobs turns identifiers into arguments.
func blobs[I interface{ Bytes() []byte }](of []I) []any {
	args := make([]any, len(of))
	for i, id := range of {
		args[i] = id.Bytes()
	}
	return args
}

// key is a user as a key to compare with, where NULL would compare with
// nothing.
func key(u ids.User) []byte { return u.Bytes() }
