package chatsql

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// inviteColumns are what scanInvite reads, of chat_invite i.
const inviteColumns = `i.id, i.conversation, i.creator, i.created_at, i.expires_at, i.max_uses, i.uses, i.revoked_at`

func scanInvite(r sqldb.Row) (chat.Invite, error) { return scanInviteAnd(r) }

func scanInviteAnd(r sqldb.Row, more ...any) (chat.Invite, error) {
	var (
		i                chat.Invite
		created          int64
		expires, revoked sql.NullInt64
	)
	err := r.Scan(append([]any{
		&i.ID, &i.Conversation, &i.Creator, &created, &expires, &i.MaxUses, &i.Uses, &revoked,
	}, more...)...)
	i.CreatedAt, i.ExpiresAt, i.RevokedAt = instant(created), optInstant(expires), optInstant(revoked)
	return i, err
}

// CreateInvite stores an invite.
func (s *Store) CreateInvite(ctx context.Context, invite chat.Invite, hash []byte, version int64) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		c, err := s.begin(ctx, tx, nil)
		if err != nil {
			return err
		}
		h, err := c.head(ctx, invite.Conversation)
		if err != nil {
			return err
		}
		if h.memberVersion != version {
			return chat.ErrMoved
		}
		var there int
		err = tx.QueryRow(ctx, `SELECT count(*) FROM chat_invite WHERE conversation = $1 AND revoked_at IS NULL`, invite.Conversation).Scan(&there)
		if err == nil && there >= chat.MaxInvites {
			err = chat.ErrTooManyInvites
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx,
			`INSERT INTO chat_invite (id, hash, conversation, creator, created_at, expires_at, max_uses, uses)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`,
			invite.ID, hash, invite.Conversation, invite.Creator, micros(invite.CreatedAt), optMicros(invite.ExpiresAt),
			invite.MaxUses)
		return err
	})
	if err != nil {
		return fmt.Errorf("store %s: %w", invite.ID, err)
	}
	return nil
}

// Invite returns an invite.
func (s *Store) Invite(ctx context.Context, id ids.GroupInvite) (chat.Invite, error) {
	i, err := inviteWith(ctx, s.db, `i.id = $1`, id)
	if err != nil {
		return chat.Invite{}, fmt.Errorf("read %s: %w", id, err)
	}
	return i, nil
}

// InviteByHash returns the invite of a code.
func (s *Store) InviteByHash(ctx context.Context, hash []byte) (chat.Invite, error) {
	i, err := inviteWith(ctx, s.db, `i.hash = $1`, hash)
	if err != nil {
		return chat.Invite{}, fmt.Errorf("find an invite: %w", err)
	}
	return i, nil
}

func inviteWith(ctx context.Context, q sqldb.Querier, which string, arg any) (chat.Invite, error) {
	i, err := scanInvite(q.QueryRow(ctx, `SELECT `+inviteColumns+` FROM chat_invite i WHERE `+which, arg))
	return i, orElse(err, chat.ErrNoInvite)
}

// Invites returns a page of a conversation's invites that are not revoked.
func (s *Store) Invites(
	ctx context.Context, id ids.Conversation, before ids.GroupInvite, limit int,
) ([]chat.Invite, error) {
	older, args := ``, []any{id, limit}
	if !before.IsZero() {
		older, args = ` AND i.id < $3`, append(args, before)
	}
	all, err := collect(ctx, s.db, scanInvite, `SELECT `+inviteColumns+` FROM chat_invite i
		WHERE i.conversation = $1 AND i.revoked_at IS NULL`+older+` ORDER BY i.id DESC LIMIT $2`, args...)
	if err != nil {
		return nil, fmt.Errorf("invites of %s: %w", id, err)
	}
	return all, nil
}

// RevokeInvite makes an invite good for nothing. It waits for the position, so
// that who comes after it sees it.
func (s *Store) RevokeInvite(ctx context.Context, id ids.GroupInvite, at time.Time) (chat.Invite, error) {
	var after chat.Invite
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := s.begin(ctx, tx, nil); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE chat_invite SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL`, micros(at), id)
		if err == nil {
			after, err = inviteWith(ctx, tx, `i.id = $1`, id)
		}
		return err
	})
	if err != nil {
		return chat.Invite{}, fmt.Errorf("revoke %s: %w", id, err)
	}
	return after, nil
}

// useInvite takes one of an invite's uses.
func (c *commit) useInvite(ctx context.Context, j chat.Joining) error {
	i, err := inviteWith(ctx, c.tx, `i.id = $1`, j.Invite)
	if err != nil {
		return err
	}
	if i.Conversation != j.Conversation || !i.Good(j.At) {
		return chat.ErrNoInvite
	}
	if _, err := c.tx.Exec(ctx, `UPDATE chat_invite SET uses = $1 WHERE id = $2`, i.Uses+1, i.ID); err != nil {
		return fmt.Errorf("take a use: %w", err)
	}
	return nil
}

// Invites implements chat.Archive.
func (a *Archive) Invites(ctx context.Context, after ids.GroupInvite) iter.Seq2[chat.ArchivedInvite, error] {
	return walked(ctx, a.db, func(r sqldb.Row) (i chat.ArchivedInvite, err error) {
		i.Invite, err = scanInviteAnd(r, &i.Hash)
		return i, err
	}, `SELECT `+inviteColumns+`, i.hash FROM chat_invite i WHERE i.id > $1 ORDER BY i.id LIMIT $2`,
		[]any{after.Bytes()}, func(i chat.ArchivedInvite) []any { return []any{i.ID.Bytes()} })
}
