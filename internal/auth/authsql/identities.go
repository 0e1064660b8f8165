package authsql

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

const identityColumns = `id, user_id, issuer, subject, provider, email, linked_at, last_used_at`

func scanIdentity(r sqldb.Row) (auth.Identity, error) {
	var i auth.Identity
	var linked, used int64
	err := r.Scan(&i.ID, &i.User, &i.Issuer, &i.Subject, &i.Provider, &i.Email, &linked, &used)
	i.LinkedAt, i.LastUsedAt = timeOf(linked), timeOf(used)
	return i, err
}

// insertIdentity gives an identity to its user, under the journal's lock, so
// that nobody else gets it meanwhile.
func insertIdentity(ctx context.Context, tx *sqldb.Tx, i auth.Identity) error {
	taken, err := exists(ctx, tx, `SELECT 1 FROM auth_identities WHERE issuer = $1 AND subject = $2`, i.Issuer, i.Subject)
	if err == nil && taken {
		err = auth.ErrIdentityTaken
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO auth_identities (id, user_id, issuer, subject, provider, email, linked_at, last_used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		i.ID, i.User, i.Issuer, i.Subject, i.Provider, i.Email, micros(i.LinkedAt), micros(i.LastUsedAt))
	return err
}

// spendCode makes a code good for nothing: of any number at once, for one.
func spendCode(ctx context.Context, tx *sqldb.Tx, hash []byte) error {
	n, err := tx.Exec(ctx, `UPDATE auth_sign_in_codes SET sealed = NULL WHERE hash = $1 AND sealed IS NOT NULL`, hash)
	if err == nil && n == 0 {
		err = auth.ErrBadSignInCode
	}
	return err
}

// AddSignInCode stores a code.
func (s *Store) AddSignInCode(ctx context.Context, c auth.SignInCode) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO auth_sign_in_codes (hash, state, sealed, made_at, expires_at, purge_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (state) DO NOTHING`,
			c.Hash, c.State, c.Sealed, micros(c.MadeAt), micros(c.ExpiresAt), micros(c.PurgeAt))
		if err == nil && n == 0 {
			err = auth.ErrBadSignInCode
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("add a sign-in code: %w", err)
	}
	return nil
}

// SignInCode returns a code that is still good.
func (s *Store) SignInCode(ctx context.Context, hash []byte, now time.Time) (auth.SignInCode, error) {
	c := auth.SignInCode{Hash: hash}
	var made, expires, purge int64
	err := s.db.QueryRow(ctx, `SELECT state, sealed, made_at, expires_at, purge_at FROM auth_sign_in_codes
		WHERE hash = $1 AND sealed IS NOT NULL AND expires_at > $2`, hash, micros(now)).
		Scan(&c.State, &c.Sealed, &made, &expires, &purge)
	c.MadeAt, c.ExpiresAt, c.PurgeAt = timeOf(made), timeOf(expires), timeOf(purge)
	return c, missing("read a sign-in code", err, auth.ErrBadSignInCode)
}

// HoldSignInCode moves the end of a code.
func (s *Store) HoldSignInCode(ctx context.Context, hash []byte, until time.Time) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE auth_sign_in_codes SET expires_at = $2 WHERE hash = $1 AND sealed IS NOT NULL`, hash, micros(until))
		return err
	})
	if err != nil {
		return fmt.Errorf("hold a sign-in code: %w", err)
	}
	return nil
}

// SpendSignInCode makes a code good for nothing.
func (s *Store) SpendSignInCode(ctx context.Context, hash []byte) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error { return spendCode(ctx, tx, hash) })
	if err != nil {
		return fmt.Errorf("spend a sign-in code: %w", err)
	}
	return nil
}

// PurgeSignInCodes forgets codes that nobody can bring any more.
func (s *Store) PurgeSignInCodes(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.purge(ctx, `DELETE FROM auth_sign_in_codes WHERE hash IN
		(SELECT hash FROM auth_sign_in_codes WHERE purge_at < $1 LIMIT $2)`, before, limit)
}

// CreateSessionOf stores a session of who comes by an identity.
func (s *Store) CreateSessionOf(
	ctx context.Context, code []byte, identity ids.Identity, n auth.Session, network []byte, limit int, by auth.Proof, acts ...auth.Act,
) ([]ids.Session, error) {
	return s.createSession(ctx, n, network, limit, acts, func(tx *sqldb.Tx) error {
		if err := spendCode(ctx, tx, code); err != nil {
			return err
		}
		used, err := tx.Exec(ctx, `UPDATE auth_identities SET last_used_at = $3 WHERE id = $1 AND user_id = $2`,
			identity, n.User, micros(n.CreatedAt))
		switch {
		case err != nil:
			return err
		case used == 0:
			return auth.ErrNoIdentity
		}
		return proven(ctx, tx, n.User, by)
	})
}

// Identity finds by issuer and subject.
func (s *Store) Identity(ctx context.Context, issuer, subject string) (auth.Identity, error) {
	i, err := scanIdentity(s.db.QueryRow(ctx, `SELECT `+identityColumns+` FROM auth_identities WHERE issuer = $1 AND subject = $2`, issuer, subject))
	return i, missing("find an identity", err, auth.ErrNoIdentity)
}

// UserIdentities returns an account's identities.
func (s *Store) UserIdentities(ctx context.Context, user ids.User) ([]auth.Identity, error) {
	rows, err := s.db.Query(ctx, `SELECT `+identityColumns+` FROM auth_identities WHERE user_id = $1 ORDER BY linked_at, id`, user)
	list, err := sqldb.Collect(rows, err, scanIdentity)
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	return list, nil
}

// LinkIdentity gives an identity to a user.
func (s *Store) LinkIdentity(ctx context.Context, l auth.Linking, acts ...auth.Act) (auth.Identity, error) {
	i := l.Identity
	has := i
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		has = i
		if _, err := openJournal(ctx, tx); err != nil { // for its lock
			return err
		}
		if err := spendCode(ctx, tx, l.Code); err != nil {
			return err
		}
		if err := inUse(ctx, tx, i.User); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE auth_accounts SET email_verified_at = $3 WHERE id = $1 AND email_key = $2 AND email_verified_at = 0`,
			i.User, l.Proved, micros(i.LinkedAt))
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT `+identityColumns+` FROM auth_identities WHERE user_id = $1`, i.User)
		list, err := sqldb.Collect(rows, err, scanIdentity)
		if err != nil {
			return err
		}
		for _, old := range list {
			if old.Issuer == i.Issuer && old.Subject == i.Subject {
				has = old
				return nil
			}
		}
		if len(list) >= l.Limit {
			return auth.ErrTooManyIdentities
		}
		if err := insertIdentity(ctx, tx, i); err != nil {
			return err
		}
		return record(ctx, tx, acts...)
	})
	if err != nil {
		return auth.Identity{}, fmt.Errorf("link an identity: %w", err)
	}
	return has, nil
}

// UnlinkIdentity takes an identity from a user.
func (s *Store) UnlinkIdentity(ctx context.Context, user ids.User, id ids.Identity, acts ...auth.Act) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := openJournal(ctx, tx); err != nil { // for its lock
			return err
		}
		n, err := tx.Exec(ctx, `DELETE FROM auth_identities WHERE id = $1 AND user_id = $2`, id, user)
		switch {
		case err != nil:
			return err
		case n == 0:
			return auth.ErrNoIdentity
		}
		another, err := exists(ctx, tx, `SELECT 1 FROM auth_accounts WHERE id = $1 AND
			(password_hash <> '' OR EXISTS (SELECT 1 FROM auth_identities i WHERE i.user_id = $1))`, user)
		if err == nil && !another {
			err = auth.ErrLastWayIn
		}
		if err != nil {
			return err
		}
		return record(ctx, tx, acts...)
	})
	if err != nil {
		return fmt.Errorf("unlink an identity: %w", err)
	}
	return nil
}

// unlinkAll takes all identities from an account whose address is proved for
// the first time: until then it may have been somebody else's who used it, and
// an identity with that address would have proved it.
func unlinkAll(ctx context.Context, tx *sqldb.Tx, user ids.User) error {
	if _, err := tx.Exec(ctx, `DELETE FROM auth_identities WHERE user_id = $1`, user); err != nil {
		return fmt.Errorf("unlink all identities: %w", err)
	}
	return nil
}
