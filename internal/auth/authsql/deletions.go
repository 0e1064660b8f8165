package authsql

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authv1"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
)

// DeleteAccount deletes an account, under the journal's lock.
func (s *Store) DeleteAccount(ctx context.Context, d auth.Deletion, act auth.Act) ([]ids.Session, error) {
	var gone []ids.Session
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		j, err := openJournal(ctx, tx)
		if err != nil {
			return err
		}
		a, err := accountIn(ctx, tx, d.User)
		if err == nil {
			err = owned(ctx, tx, d)
		}
		if err == nil {
			err = spare(ctx, tx, a)
		}
		if err != nil {
			return err
		}
		gone, err = end(ctx, tx, j, d.User, auth.Which{Reason: auth.AccountDeleted, At: d.At},
			`DELETE FROM auth_sessions WHERE user_id = $1 RETURNING id`, d.User)
		if err != nil {
			return err
		}
		if err := giveBots(ctx, tx, d.User, act); err != nil {
			return err
		}
		if err := blankAccount(ctx, tx, a, d); err != nil {
			return err
		}
		if err := record(ctx, tx, act); err != nil {
			return err
		}
		if err := j.add(ctx, auth.DeletedChange(act)); err != nil {
			return err
		}
		return j.close(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("delete an account: %w", err)
	}
	return gone, nil
}

// owned checks what the owner has shown, where that was asked for.
func owned(ctx context.Context, tx *sqldb.Tx, d auth.Deletion) error {
	if !d.Asked {
		return nil
	}
	same, err := exists(ctx, tx, `SELECT 1 FROM auth_accounts WHERE id = $1 AND password_hash = $2`, d.User, d.Password)
	if err == nil && !same {
		err = auth.ErrWrongPassword
	}
	if err != nil {
		return err
	}
	return proven(ctx, tx, d.User, d.By)
}

// giveBots gives the bots of an account to the longest-standing other
// administrator. Without one they stay, and no token of theirs is left.
func giveBots(ctx context.Context, tx *sqldb.Tx, from ids.User, act auth.Act) error {
	rows, err := tx.Query(ctx, `UPDATE auth_bots SET owner_id = (SELECT id FROM auth_accounts
			WHERE role = 'ADMIN' AND state = $2 AND id <> $1 ORDER BY id LIMIT 1)
		WHERE owner_id = $1 AND EXISTS (SELECT 1 FROM auth_accounts WHERE role = 'ADMIN' AND state = $2 AND id <> $1)
		RETURNING user_id`, from, auth.Active)
	bots, err := sqldb.Collect(rows, err, func(r sqldb.Row) (bot ids.User, err error) {
		err = r.Scan(&bot)
		return bot, err
	})
	if err != nil {
		return fmt.Errorf("hand bots over: %w", err)
	}
	for _, bot := range bots {
		given := act
		given.ID, given.Action, given.Target = ids.New[ids.Audit](), auth.ActBotGiven, bot
		if err := record(ctx, tx, given); err != nil {
			return err
		}
	}
	return nil
}

// blankAccount takes away all that an account's rows say of its owner.
func blankAccount(ctx context.Context, tx *sqldb.Tx, a auth.Account, d auth.Deletion) error {
	role := a.Role
	if role == principal.Admin {
		role = principal.Member
	}
	name, at := auth.GoneName(a.ID), micros(d.At)
	for _, step := range []struct {
		text string
		args []any
	}{
		{`UPDATE auth_invites SET email = '', email_key = '', revoked_at = CASE revoked_at WHEN 0 THEN $2 ELSE revoked_at END
			WHERE creator_id = $1 OR email_key = (SELECT email_key FROM auth_accounts WHERE id = $1)`, []any{a.ID, at}},
		{`DELETE FROM auth_totp WHERE user_id = $1`, []any{a.ID}},
		{`DELETE FROM auth_recovery_codes WHERE user_id = $1`, []any{a.ID}},
		{`DELETE FROM auth_identities WHERE user_id = $1`, []any{a.ID}},
		{`DELETE FROM auth_networks WHERE user_id = $1`, []any{a.ID}},
		{`UPDATE auth_exports SET state = 'FAILED', expires_at = $2 WHERE user_id = $1`, []any{a.ID, at}}, // its bytes go with Erase
		{`DELETE FROM auth_mail WHERE subject_id = $1`, []any{a.ID}},
		{`DELETE FROM auth_links WHERE subject_id = $1`, []any{a.ID}},
		{`INSERT INTO auth_deletions (user_id, name_hash, deleted_at, erased_at) VALUES ($1, $2, $3, 0)`, []any{a.ID, d.NameKey(a.Username), at}},
		{
			`UPDATE auth_accounts SET email = '', email_key = $2, username = $2, role = $3, state = $4, password_hash = '', email_verified_at = 0 WHERE id = $1`,
			[]any{a.ID, name, role, auth.Deleted},
		},
	} {
		if _, err := tx.Exec(ctx, step.text, step.args...); err != nil {
			return fmt.Errorf("blank the account: %w", err)
		}
	}
	return blankLog(ctx, tx, a.ID)
}

// blankLog takes the names out of what the log said of an account.
func blankLog(ctx context.Context, tx *sqldb.Tx, of ids.User) error {
	rows, err := tx.Query(ctx, `SELECT pos, name, payload FROM auth_changes
		WHERE key = $1 AND name IN ('`+authv1.AccountRegisteredName+`', '`+authv1.UsernameChangedName+`')`, of.String())
	lines, err := sqldb.Collect(rows, err, func(r sqldb.Row) (c auth.Change, err error) {
		err = r.Scan(&c.Pos, &c.Name, &c.Payload)
		return c, err
	})
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	for _, c := range lines {
		payload, err := auth.Nameless(c)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE auth_changes SET payload = $2 WHERE pos = $1`, c.Pos, payload); err != nil {
			return fmt.Errorf("blank the log: %w", err)
		}
	}
	return nil
}

// NameGone says whether a name was that of a deleted account.
func (s *Store) NameGone(ctx context.Context, nameKey []byte) (bool, error) {
	return exists(ctx, s.db, `SELECT 1 FROM auth_deletions WHERE name_hash = $1`, nameKey)
}

// Erasing returns accounts that may have left something elsewhere.
func (s *Store) Erasing(ctx context.Context, limit int) ([]auth.Erasure, error) {
	rows, err := s.db.Query(ctx, `SELECT user_id, deleted_at FROM auth_deletions WHERE erased_at = 0 ORDER BY deleted_at LIMIT $1`, limit)
	list, err := sqldb.Collect(rows, err, func(r sqldb.Row) (e auth.Erasure, err error) {
		var at int64
		err = r.Scan(&e.User, &at)
		e.DeletedAt = timeOf(at)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read deletions: %w", err)
	}
	return list, nil
}

// Erased says that nothing is left of an account.
func (s *Store) Erased(ctx context.Context, user ids.User, at time.Time) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE auth_deletions SET erased_at = $2 WHERE user_id = $1 AND erased_at = 0`, user, micros(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("note an erasure: %w", err)
	}
	return nil
}
