package chatsql

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// viewerIsIn holds in a query whose $1 is a conversation and $2 a viewer, when
// he is a member of it.
const viewerIsIn = `EXISTS (SELECT 1 FROM chat_member me
	WHERE me.conversation = $1 AND me.user_id = $2 AND me.left_pos IS NULL)`

// forMember runs a query that gives a member rows and anybody else none. When
// nothing comes, isIn says which it was, in one state with a second try.
func forMember[T any](
	ctx context.Context, db *sqldb.DB, isIn func(sqldb.Querier) error,
	scan func(sqldb.Row) (T, error), text string, args ...any,
) ([]T, error) {
	all, err := collect(ctx, db, scan, text, args...)
	if err != nil || len(all) > 0 {
		return all, err
	}
	err = db.Snapshot(ctx, func(q sqldb.Querier) (err error) {
		if err = isIn(q); err != nil {
			return err
		}
		all, err = collect(ctx, q, scan, text, args...)
		return err
	})
	return all, err
}

// memberOf says chat.ErrNoConversation when the viewer is not in it.
func memberOf(ctx context.Context, viewer ids.User, id ids.Conversation) func(sqldb.Querier) error {
	return func(q sqldb.Querier) error {
		var one int
		err := q.QueryRow(ctx, `SELECT 1 WHERE `+viewerIsIn, id, viewer).Scan(&one)
		return orElse(err, chat.ErrNoConversation)
	}
}

// Members returns a page of a conversation's members to one of them.
func (s *Store) Members(
	ctx context.Context, viewer ids.User, id ids.Conversation, after chat.MemberKey, limit int,
) ([]chat.Member, error) {
	all, err := forMember(ctx, s.db, memberOf(ctx, viewer, id), scanMember,
		`SELECT `+memberColumns+` FROM chat_member v
		WHERE v.conversation = $1 AND v.left_pos IS NULL AND (v.joined_at, v.user_id) > ($3, $4) AND `+viewerIsIn+`
		ORDER BY v.joined_at, v.user_id LIMIT $5`,
		id, viewer, micros(after.JoinedAt), key(after.User), limit)
	if err != nil {
		return nil, fmt.Errorf("members of %s: %w", id, err)
	}
	return all, nil
}

// Heir returns who owns the conversation when leaving is gone.
func (s *Store) Heir(ctx context.Context, id ids.Conversation, leaving ids.User) (ids.User, error) {
	var heir ids.User
	err := s.db.QueryRow(ctx,
		`SELECT v.user_id FROM chat_conversation c
		LEFT JOIN chat_member v ON v.conversation = c.id AND v.left_pos IS NULL AND v.user_id <> $2
		WHERE c.id = $1
		ORDER BY CASE v.role WHEN 'OWNER' THEN 0 WHEN 'ADMIN' THEN 1 ELSE 2 END, v.joined_at, v.user_id LIMIT 1`,
		id, key(leaving)).Scan(&heir)
	if err != nil {
		return ids.User{}, fmt.Errorf("heir of %s: %w", id, orElse(err, chat.ErrNoConversation))
	}
	return heir, nil
}

// ChangeMembers applies an edit of who is in a conversation.
func (s *Store) ChangeMembers(ctx context.Context, edit chat.MemberEdit) (chat.Conversation, error) {
	var after chat.Conversation
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		c, err := s.begin(ctx, tx, nil)
		if err != nil {
			return err
		}
		if err := c.changeMembers(ctx, edit); err != nil {
			return err
		}
		after, err = scanConversation(tx.QueryRow(ctx,
			`SELECT `+conversationColumns+` FROM chat_conversation c WHERE c.id = $1`, edit.Conversation))
		return err
	})
	if err != nil {
		return chat.Conversation{}, fmt.Errorf("change the members of %s: %w", edit.Conversation, err)
	}
	return after, nil
}

func (c *commit) changeMembers(ctx context.Context, edit chat.MemberEdit) error {
	h, err := c.head(ctx, edit.Conversation)
	if err != nil {
		return err
	}
	if h.memberVersion != edit.Version {
		return chat.ErrMoved
	}
	roles, err := c.roles(ctx, edit)
	if err != nil {
		return err
	}
	for _, m := range edit.Changes {
		role, in := roles[m.User]
		if !applies(m, role, in) {
			continue
		}
		if m.Change.Ends() {
			m.Role = role
			delete(roles, m.User)
		} else {
			roles[m.User] = m.Role
		}
		if err := c.changeMember(ctx, h, m, edit.At); err != nil {
			return err
		}
	}
	if len(c.events) == 0 {
		return nil
	}
	if h.memberCount > chat.MaxMembers {
		return chat.ErrTooManyMembers
	}
	h.memberVersion++
	var archived any
	if h.memberCount == 0 {
		archived = micros(edit.At)
	}
	_, err = c.tx.Exec(ctx,
		`UPDATE chat_conversation SET member_version = $1, member_count = $2, updated_at = $3, archived_at = $4
		WHERE id = $5`, h.memberVersion, h.memberCount, micros(edit.At), archived, h.id)
	if err != nil {
		return fmt.Errorf("raise the version: %w", err)
	}
	if h.memberCount == 0 {
		if _, err := c.unlist(ctx, h.id); err != nil {
			return err
		}
	}
	if err := c.appendNote(ctx, h, edit.Note); err != nil {
		return err
	}
	return c.finish(ctx)
}

// applies says whether a change is one, seeing whether the user is in and with
// what role.
func applies(m chat.Membership, role chat.Role, in bool) bool {
	if m.Change == chat.Joined {
		return !in
	}
	return in && (m.Change.Ends() || m.Role != role)
}

// roles returns the roles of those whom an edit concerns and who are in.
func (c *commit) roles(ctx context.Context, edit chat.MemberEdit) (map[ids.User]chat.Role, error) {
	users := make([]ids.User, len(edit.Changes))
	for i, m := range edit.Changes {
		users[i] = m.User
	}
	roles := make(map[ids.User]chat.Role)
	for _, p := range parts(blobs(users)) {
		in, err := collect(ctx, c.tx, scanMember,
			`SELECT `+memberColumns+` FROM chat_member v
			WHERE v.conversation = $1 AND v.left_pos IS NULL AND v.user_id IN (`+p.list(2)+`)`,
			append([]any{edit.Conversation}, p...)...)
		if err != nil {
			return nil, fmt.Errorf("read the members: %w", err)
		}
		for _, m := range in {
			roles[m.User] = m.Role
		}
	}
	return roles, nil
}

// changeMember journals one change and brings the member's row up to it.
func (c *commit) changeMember(ctx context.Context, h *head, m chat.Membership, at time.Time) error {
	event, err := c.change(ctx, h, chat.Event{Kind: chat.MembershipChanged, Membership: &m},
		entry{kind: entryMembership, member: m, at: at})
	if err != nil {
		return err
	}
	switch {
	case m.Change.Ends():
		h.memberCount--
		_, err = c.tx.Exec(ctx,
			`UPDATE chat_member SET left_pos = $1, read_pos = 0, read_top = 0, set_pos = 0 WHERE conversation = $2 AND user_id = $3`,
			event.Pos, h.id, m.User)
	case m.Change == chat.Joined:
		h.memberCount++
		return c.join(ctx, h, chat.Member{User: m.User, Role: m.Role, JoinedAt: at})
	default:
		_, err = c.tx.Exec(ctx, `UPDATE chat_member SET role = $1 WHERE conversation = $2 AND user_id = $3`,
			string(m.Role), h.id, m.User)
	}
	if err != nil {
		return fmt.Errorf("change %s: %w", m.User, err)
	}
	return nil
}

// join puts a member in, reading from the newest message on.
func (c *commit) join(ctx context.Context, h *head, m chat.Member) error {
	err := c.tx.Later(ctx,
		`INSERT INTO chat_member (conversation, user_id, role, joined_at, read_seq, read_ord, delivered_seq, joined_seq, read_pos, read_top)
		VALUES ($1, $2, $3, $4, $5, $6, $5, $5, 0, 0)
		ON CONFLICT (conversation, user_id) DO UPDATE SET role = excluded.role, joined_at = excluded.joined_at,
			left_pos = NULL, read_seq = excluded.read_seq, read_ord = excluded.read_ord,
			delivered_seq = excluded.delivered_seq, joined_seq = excluded.joined_seq, read_pos = 0, read_top = 0,
			seen_seq = 0, muted_until = NULL, pinned = 0, put_away = 0, notify = '', set_pos = 0`,
		h.id, m.User, string(m.Role), micros(m.JoinedAt), h.lastSeq, h.lastOrd)
	if err != nil {
		return fmt.Errorf("put %s in: %w", m.User, err)
	}
	return nil
}
