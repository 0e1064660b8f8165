package authsql

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
)

// Link returns what a token's hash is good for.
func (s *Store) Link(ctx context.Context, hash []byte, now time.Time) (auth.Link, error) {
	l := auth.Link{Hash: hash}
	var expires int64
	err := s.db.QueryRow(ctx, `SELECT kind, subject_id, sealed, expires_at FROM auth_links WHERE hash = $1 AND expires_at > $2`, hash, micros(now)).
		Scan(&l.Kind, &l.Subject, &l.Sealed, &expires)
	l.ExpiresAt = timeOf(expires)
	return l, missing("read a link", err, auth.ErrBadLink)
}

// take spends a link of a kind, whatever is done by it, and says whose it was.
func take(ctx context.Context, tx *sqldb.Tx, kind auth.MailKind, hash []byte, now time.Time) (ids.User, error) {
	var subject ids.User
	err := tx.QueryRow(ctx, `DELETE FROM auth_links WHERE hash = $1 AND kind = $2 AND expires_at > $3 RETURNING subject_id`,
		hash, string(kind), micros(now)).Scan(&subject)
	return subject, missing("spend a link", err, auth.ErrBadLink)
}

// spendLink spends a link under the journal's lock and does what it is for, to
// an account that may be used.
func (s *Store) spendLink(
	ctx context.Context, kind auth.MailKind, hash []byte, a auth.Act, do func(*sqldb.Tx, *journal, auth.Account) error,
) error {
	return s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		j, err := openJournal(ctx, tx)
		if err != nil {
			return err
		}
		user, err := take(ctx, tx, kind, hash, a.At)
		if err != nil {
			return err
		}
		account, err := accountIn(ctx, tx, user)
		if err != nil {
			return err
		}
		if account.State != auth.Active || account.Role == principal.Bot {
			return auth.ErrBadLink
		}
		if err := do(tx, j, account); err != nil {
			return err
		}
		a.Actor, a.Target = user, user
		if err := record(ctx, tx, a); err != nil {
			return err
		}
		return j.close(ctx)
	})
}

// forgetMail ends links and mail that waits, of an account whose password or
// address was changed: whoever asked for them may be who was to be kept out.
func forgetMail(ctx context.Context, tx *sqldb.Tx, user ids.User) error {
	for _, text := range []string{
		`DELETE FROM auth_links WHERE subject_id = $1 AND kind IN ('RESET', 'CHANGE')`,
		`DELETE FROM auth_mail WHERE subject_id = $1 AND kind IN ('RESET', 'CHANGE')`,
	} {
		if _, err := tx.Exec(ctx, text, user); err != nil {
			return fmt.Errorf("forget mail: %w", err)
		}
	}
	return nil
}

// SpendReset sets a password by a link.
func (s *Store) SpendReset(ctx context.Context, hash []byte, next string, m auth.MailJob, a auth.Act) ([]ids.Session, error) {
	var gone []ids.Session
	err := s.spendLink(ctx, auth.MailReset, hash, a, func(tx *sqldb.Tx, j *journal, account auth.Account) error {
		gone = nil
		_, err := tx.Exec(ctx, `UPDATE auth_accounts SET password_hash = $2,
			email_verified_at = CASE WHEN email_verified_at = 0 THEN $3 ELSE email_verified_at END WHERE id = $1`,
			account.ID, next, micros(a.At))
		if err != nil {
			return err
		}
		if err := forgetMail(ctx, tx, account.ID); err != nil {
			return err
		}
		if err := promise(ctx, tx, m); err != nil {
			return err
		}
		gone, err = end(ctx, tx, j, account.ID, auth.Which{Reason: auth.PasswordReset, At: a.At},
			`DELETE FROM auth_sessions WHERE user_id = $1 RETURNING id`, account.ID)
		if err != nil || account.EmailVerified {
			return err
		}
		return unlinkAll(ctx, tx, account.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("reset a password: %w", err)
	}
	return gone, nil
}

// SpendVerify proves an address by a link.
func (s *Store) SpendVerify(ctx context.Context, hash []byte, emailKey string, a auth.Act) error {
	err := s.spendLink(ctx, auth.MailVerify, hash, a, func(tx *sqldb.Tx, _ *journal, account auth.Account) error {
		n, err := tx.Exec(ctx, `UPDATE auth_accounts SET email_verified_at = $3 WHERE id = $1 AND email_key = $2`,
			account.ID, emailKey, micros(a.At))
		if err == nil && n == 0 {
			err = auth.ErrBadLink
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("verify an address: %w", err)
	}
	return nil
}

// SpendChange gives an account another address by a link.
func (s *Store) SpendChange(ctx context.Context, hash []byte, c auth.EmailChange, a auth.Act) error {
	err := s.spendLink(ctx, auth.MailChange, hash, a, func(tx *sqldb.Tx, _ *journal, account auth.Account) error {
		taken, err := exists(ctx, tx, `SELECT 1 FROM auth_accounts WHERE email_key = $1 AND id <> $2`, c.Key, account.ID)
		if err == nil && taken {
			err = auth.ErrEmailTaken
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE auth_accounts SET email = $2, email_key = $3, email_verified_at = $4 WHERE id = $1`,
			account.ID, c.Email, c.Key, micros(a.At))
		if err != nil {
			return err
		}
		for _, text := range []string{`DELETE FROM auth_links WHERE subject_id = $1`, `DELETE FROM auth_mail WHERE subject_id = $1`} {
			if _, err := tx.Exec(ctx, text, account.ID); err != nil {
				return err
			}
		}
		return promise(ctx, tx, c.Mail)
	})
	if err != nil {
		return fmt.Errorf("change an address: %w", err)
	}
	return nil
}

// BeginEmailChange promises mail to who has shown password and second factor.
func (s *Store) BeginEmailChange(ctx context.Context, user ids.User, by auth.Proof, jobs ...auth.MailJob) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := openJournal(ctx, tx); err != nil { // for its lock
			return err
		}
		if err := inUse(ctx, tx, user); err != nil {
			return err
		}
		if err := proven(ctx, tx, user, by); err != nil {
			return err
		}
		return promise(ctx, tx, jobs...)
	})
	if err != nil {
		return fmt.Errorf("begin the change of an address: %w", err)
	}
	return nil
}

// Rename gives an account another username.
func (s *Store) Rename(ctx context.Context, username string, m auth.MailJob, act auth.Act) (auth.Account, error) {
	var a auth.Account
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		j, err := openJournal(ctx, tx)
		if err != nil {
			return err
		}
		if err := inUse(ctx, tx, act.Target); err != nil {
			return err
		}
		if a, err = accountIn(ctx, tx, act.Target); err != nil || a.Username == username {
			return err
		}
		taken, err := exists(ctx, tx, `SELECT 1 FROM auth_accounts WHERE username = $1`, username)
		if err == nil && taken {
			err = auth.ErrUsernameTaken
		}
		if err != nil {
			return err
		}
		was := a.Username
		a.Username = username
		if _, err := tx.Exec(ctx, `UPDATE auth_accounts SET username = $2 WHERE id = $1`, a.ID, username); err != nil {
			return err
		}
		if err := promise(ctx, tx, m); err != nil {
			return err
		}
		if err := record(ctx, tx, act); err != nil {
			return err
		}
		if err := j.add(ctx, auth.UsernameChange(act, was, username)); err != nil {
			return err
		}
		return j.close(ctx)
	})
	if err != nil {
		return auth.Account{}, fmt.Errorf("rename: %w", err)
	}
	return a, nil
}
