package authsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
)

// goodInvite finds an invitation by $1, for an address by $2, at $3.
const goodInvite = `code_hash = $1 AND (email_key = '' OR email_key = $2) AND expires_at > $3 AND revoked_at = 0 AND uses < max_uses`

// AddInvite stores an invitation.
func (s *Store) AddInvite(ctx context.Context, i auth.Invitation, emailKey string, hash []byte, a auth.Act) error {
	err := s.administer(ctx, a, func(tx *sqldb.Tx, _ *journal) error {
		_, err := tx.Exec(ctx, `INSERT INTO auth_invites
			(id, code_hash, email, email_key, role, creator_id, created_at, expires_at, max_uses, uses, revoked_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0)`,
			i.ID, hash, i.Email, emailKey, i.Role, i.Creator, micros(i.CreatedAt), micros(i.ExpiresAt), i.MaxUses)
		if err != nil {
			return err
		}
		return record(ctx, tx, a)
	})
	if err != nil {
		return fmt.Errorf("add an invitation: %w", err)
	}
	return nil
}

const inviteColumns = `id, email, role, creator_id, created_at, expires_at, max_uses, uses, revoked_at`

func scanInvite(r sqldb.Row) (auth.Invitation, error) {
	var i auth.Invitation
	var created, expires, revoked int64
	err := r.Scan(&i.ID, &i.Email, &i.Role, &i.Creator, &created, &expires, &i.MaxUses, &i.Uses, &revoked)
	i.CreatedAt, i.ExpiresAt, i.RevokedAt = timeOf(created), timeOf(expires), timeOf(revoked)
	return i, err
}

// RevokeInvite makes an invitation good for nothing.
func (s *Store) RevokeInvite(ctx context.Context, a auth.Act) (auth.Invitation, error) {
	var i auth.Invitation
	err := s.administer(ctx, a, func(tx *sqldb.Tx, _ *journal) error {
		n, err := tx.Exec(ctx, `UPDATE auth_invites SET revoked_at = $2 WHERE id = $1 AND revoked_at = 0`, a.Invite, micros(a.At))
		if err == nil && n > 0 {
			err = record(ctx, tx, a)
		}
		if err != nil {
			return err
		}
		i, err = scanInvite(tx.QueryRow(ctx, `SELECT `+inviteColumns+` FROM auth_invites WHERE id = $1`, a.Invite))
		return missing("find it", err, auth.ErrNoInvite)
	})
	if err != nil {
		return auth.Invitation{}, fmt.Errorf("revoke an invitation: %w", err)
	}
	return i, nil
}

// InviteGood says whether an account could be made by an invitation.
func (s *Store) InviteGood(ctx context.Context, hash []byte, emailKey string, now time.Time) (bool, error) {
	return exists(ctx, s.db, `SELECT 1 FROM auth_invites WHERE `+goodInvite, hash, emailKey, micros(now))
}

// useInvite takes a use of an invitation, under the journal's lock.
func useInvite(ctx context.Context, tx *sqldb.Tx, n auth.NewAccount) (principal.Role, ids.Invite, error) {
	var role principal.Role
	var id ids.Invite
	err := tx.QueryRow(ctx, `UPDATE auth_invites SET uses = uses + 1, email = '', email_key = '' WHERE `+goodInvite+` RETURNING role, id`,
		n.Invite, n.EmailKey, micros(n.CreatedAt)).Scan(&role, &id)
	if errors.Is(err, sql.ErrNoRows) {
		err = auth.ErrBadInvite
	}
	return role, id, err
}

// Invite returns an invitation.
func (s *Store) Invite(ctx context.Context, id ids.Invite) (auth.Invitation, error) {
	i, err := scanInvite(s.db.QueryRow(ctx, `SELECT `+inviteColumns+` FROM auth_invites WHERE id = $1`, id))
	return i, missing("read an invitation", err, auth.ErrNoInvite)
}

// InvitePage returns invitations, newest first.
func (s *Store) InvitePage(ctx context.Context, before ids.Invite, limit int) ([]auth.Invitation, error) {
	text, args := `SELECT `+inviteColumns+` FROM auth_invites ORDER BY id DESC LIMIT $1`, []any{limit}
	if !before.IsZero() {
		text, args = `SELECT `+inviteColumns+` FROM auth_invites WHERE id < $2 ORDER BY id DESC LIMIT $1`, []any{limit, before}
	}
	rows, err := s.db.Query(ctx, text, args...)
	list, err := sqldb.Collect(rows, err, scanInvite)
	if err != nil {
		return nil, fmt.Errorf("read invitations: %w", err)
	}
	return list, nil
}

// PurgeInvites forgets invitations that have ended.
func (s *Store) PurgeInvites(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.purge(ctx, `DELETE FROM auth_invites WHERE id IN (SELECT id FROM auth_invites WHERE expires_at < $1 LIMIT $2)`, before, limit)
}
