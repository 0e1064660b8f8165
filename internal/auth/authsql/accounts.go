package authsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
)

const accountColumns = `a.id, a.email, a.username, a.role, a.state, a.created_at, a.email_verified_at`

func accountFields(a *auth.Account, at *int64) []any {
	return []any{&a.ID, &a.Email, &a.Username, &a.Role, &a.State, at, (*since)(&a.EmailVerified)}
}

// since reads a time as whether there is one.
type since bool

// Scan implements sql.Scanner.
func (s *since) Scan(v any) error {
	at, ok := v.(int64)
	if !ok {
		return fmt.Errorf("%T is no time", v)
	}
	*s = at != 0
	return nil
}

// CreateAccount makes an account, its first session and its event, with a use
// of an invitation where there is one.
func (s *Store) CreateAccount(
	ctx context.Context, n auth.NewAccount, first auth.Session, acts ...auth.Act,
) (auth.Account, error) {
	var made auth.Account
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		j, err := openJournal(ctx, tx)
		if err != nil {
			return err
		}
		if err := confirmed(ctx, tx, n); err != nil {
			return err
		}
		if err := free(ctx, tx, n); err != nil {
			return err
		}
		role, invite, err := roleOf(ctx, tx, n)
		if err != nil {
			return err
		}
		made = auth.Account{
			ID: n.ID, Email: n.Email, Username: n.Username, Role: role, State: auth.Active, CreatedAt: n.CreatedAt,
			EmailVerified: n.Verified,
		}
		verified := int64(0)
		if n.Verified {
			verified = micros(n.CreatedAt)
		}
		_, err = tx.Exec(ctx, `INSERT INTO auth_accounts
			(id, email, email_key, username, role, state, password_hash, created_at, email_verified_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			n.ID, n.Email, n.EmailKey, n.Username, role, auth.Active, n.PasswordHash, micros(n.CreatedAt), verified)
		if err != nil {
			return err
		}
		if !first.ID.IsZero() {
			if err := insertSession(ctx, tx, first, n.Network); err != nil {
				return err
			}
		}
		if n.Identity != nil {
			if err := spendCode(ctx, tx, n.Code); err != nil {
				return err
			}
			if err := insertIdentity(ctx, tx, *n.Identity); err != nil {
				return err
			}
		}
		for i := range acts {
			if acts[i].Action == auth.ActInviteUsed {
				acts[i].Invite = invite
			}
		}
		if err := record(ctx, tx, acts...); err != nil {
			return err
		}
		if err := j.add(ctx, auth.RegisteredChange(made, n.DisplayName)); err != nil {
			return err
		}
		return j.close(ctx)
	})
	if err != nil {
		return auth.Account{}, fmt.Errorf("create account: %w", err)
	}
	return made, nil
}

// confirmed spends the link of a registration and forgets it.
func confirmed(ctx context.Context, tx *sqldb.Tx, n auth.NewAccount) error {
	if n.Link == nil {
		return nil
	}
	who, err := take(ctx, tx, auth.MailRegister, n.Link, n.CreatedAt)
	if err == nil && who != n.ID {
		err = auth.ErrBadLink
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM auth_pending WHERE id = $1`, n.ID)
	return err
}

// free looks for the names under the journal's lock, so no other account can
// come between.
func free(ctx context.Context, tx *sqldb.Tx, n auth.NewAccount) error {
	rows, err := tx.Query(ctx, `SELECT username FROM auth_accounts WHERE username = $1 OR email_key = $2`,
		n.Username, n.EmailKey)
	names, err := sqldb.Collect(rows, err, func(r sqldb.Row) (string, error) {
		var name string
		return name, r.Scan(&name)
	})
	if err != nil {
		return err
	}
	gone, err := exists(ctx, tx, `SELECT 1 FROM auth_deletions WHERE name_hash = $1`, n.NameKey)
	if gone {
		err = auth.ErrUsernameTaken
	}
	if err != nil || len(names) == 0 {
		return err
	}
	if slices.Contains(names, n.Username) {
		return auth.ErrUsernameTaken
	}
	return auth.ErrEmailTaken
}

// roleOf says which role a new account has, and takes a use of its invitation.
func roleOf(ctx context.Context, tx *sqldb.Tx, n auth.NewAccount) (principal.Role, ids.Invite, error) {
	if n.Invite != nil {
		return useInvite(ctx, tx, n)
	}
	if n.Role != "" {
		return n.Role, ids.Invite{}, nil
	}
	role, err := firstRole(ctx, tx, n.FirstAdmin)
	return role, ids.Invite{}, err
}

func firstRole(ctx context.Context, q sqldb.Querier, first auth.FirstAdmin) (principal.Role, error) {
	switch first {
	case auth.NeverAdmin:
	case auth.AdminIfEmpty:
		one, err := exists(ctx, q, `SELECT 1 FROM auth_accounts LIMIT 1`)
		if err != nil {
			return "", err
		}
		if !one {
			return principal.Admin, nil
		}
	case auth.AdminIfNone:
		one, err := exists(ctx, q, adminText)
		if err != nil {
			return "", err
		}
		if one {
			return "", auth.ErrBadSetupToken
		}
		return principal.Admin, nil
	}
	return principal.Member, nil
}

const adminText = `SELECT 1 FROM auth_accounts WHERE role = 'ADMIN' LIMIT 1`

func exists(ctx context.Context, q sqldb.Querier, text string, args ...any) (bool, error) {
	var one int
	err := q.QueryRow(ctx, text, args...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Account returns an account.
func (s *Store) Account(ctx context.Context, id ids.User) (auth.Account, error) {
	var a auth.Account
	var at int64
	err := s.db.QueryRow(ctx, `SELECT `+accountColumns+` FROM auth_accounts a WHERE a.id = $1`, id).
		Scan(accountFields(&a, &at)...)
	a.CreatedAt = timeOf(at)
	return a, missing("read account", err, auth.ErrNoAccount)
}

// CredentialByEmail finds by the key of an address.
func (s *Store) CredentialByEmail(ctx context.Context, emailKey string) (auth.Credential, error) {
	return s.credential(ctx, `SELECT `+accountColumns+`, a.password_hash FROM auth_accounts a WHERE a.email_key = $1`, emailKey)
}

// CredentialByUsername finds by the lower-case name.
func (s *Store) CredentialByUsername(ctx context.Context, username string) (auth.Credential, error) {
	return s.credential(ctx, `SELECT `+accountColumns+`, a.password_hash FROM auth_accounts a WHERE a.username = $1`, username)
}

func (s *Store) credential(ctx context.Context, text, name string) (auth.Credential, error) {
	var c auth.Credential
	var at int64
	err := s.db.QueryRow(ctx, text, name).Scan(append(accountFields(&c.Account, &at), &c.PasswordHash)...)
	c.CreatedAt = timeOf(at)
	return c, missing("find account", err, auth.ErrNoAccount)
}

// missing makes sql.ErrNoRows the sentinel that callers know.
func missing(doing string, err, sentinel error) error {
	if errors.Is(err, sql.ErrNoRows) {
		err = sentinel
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// HasAdmin says whether there is an administrator.
func (s *Store) HasAdmin(ctx context.Context) (bool, error) {
	return exists(ctx, s.db, adminText)
}

// ReplacePassword puts next in the place of old.
func (s *Store) ReplacePassword(ctx context.Context, id ids.User, old, next string) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE auth_accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2`,
			id, old, next)
		return err
	})
	if err != nil {
		return fmt.Errorf("replace a password: %w", err)
	}
	return nil
}

// KnowsNetwork says whether the account signed in from network since then.
func (s *Store) KnowsNetwork(ctx context.Context, id ids.User, network []byte, since time.Time) (bool, error) {
	return exists(ctx, s.db, `SELECT 1 FROM auth_networks WHERE user_id = $1 AND network = $2 AND seen_at >= $3`,
		id, network, micros(since))
}
