package authsql

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
)

const (
	tokenColumns = `t.id, t.user_id, t.made_by, t.name, t.scopes, t.hash, t.created_at, t.expires_at, t.last_used_at` //nolint:gosec // No credential.
	notExpired   = `(t.expires_at = 0 OR t.expires_at > $2)`
)

func scanToken(r sqldb.Row, more ...any) (auth.PersonalToken, error) {
	var t auth.PersonalToken
	var created, expires, used int64
	err := r.Scan(append([]any{&t.ID, &t.User, &t.MadeBy, &t.Name, &t.Scopes, &t.Hash, &created, &expires, &used}, more...)...)
	t.CreatedAt, t.ExpiresAt, t.LastUsedAt = timeOf(created), timeOf(expires), timeOf(used)
	return t, err
}

// CreateToken stores a token.
func (s *Store) CreateToken(ctx context.Context, t auth.PersonalToken, limit int, acts ...auth.Act) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := openJournal(ctx, tx); err != nil { // for its lock
			return err
		}
		for _, id := range []ids.User{t.User, t.MadeBy} {
			active, err := exists(ctx, tx, `SELECT 1 FROM auth_accounts WHERE id = $1 AND state = $2`, id, auth.Active)
			if err == nil && !active {
				err = auth.ErrNoAccount
			}
			if err != nil {
				return err
			}
		}
		var n int
		err := tx.QueryRow(ctx, `SELECT count(*) FROM auth_tokens t WHERE t.user_id = $1 AND `+notExpired,
			t.User, micros(t.CreatedAt)).Scan(&n)
		if err == nil && n >= limit {
			err = auth.ErrTooManyTokens
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO auth_tokens
			(id, user_id, made_by, name, scopes, hash, created_at, expires_at, last_used_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			t.ID, t.User, t.MadeBy, t.Name, int64(t.Scopes), t.Hash, micros(t.CreatedAt), micros(t.ExpiresAt), micros(t.LastUsedAt))
		if err != nil {
			return err
		}
		return record(ctx, tx, acts...)
	})
	if err != nil {
		return fmt.Errorf("create token: %w", err)
	}
	return nil
}

// Token returns a token that is still good.
func (s *Store) Token(ctx context.Context, id ids.PersonalToken, now time.Time) (auth.PersonalToken, auth.Access, error) {
	var a auth.Access
	t, err := scanToken(s.db.QueryRow(ctx, `SELECT `+tokenColumns+`, a.role, a.state FROM auth_tokens t
		JOIN auth_accounts a ON a.id = t.user_id WHERE t.id = $1 AND `+notExpired, id, micros(now)), &a.Role, &a.State)
	a.User = t.User
	return t, a, missing("read token", err, auth.ErrNoToken)
}

// UserTokens returns a user's tokens, the newest first.
func (s *Store) UserTokens(ctx context.Context, user ids.User, now time.Time) ([]auth.PersonalToken, error) {
	rows, err := s.db.Query(ctx, `SELECT `+tokenColumns+` FROM auth_tokens t
		WHERE t.user_id = $1 AND `+notExpired+` ORDER BY t.created_at DESC, t.id DESC`, user, micros(now))
	list, err := sqldb.Collect(rows, err, func(r sqldb.Row) (auth.PersonalToken, error) { return scanToken(r) })
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return list, nil
}

// EndTokens ends one token of a user, or all that have to do with him.
func (s *Store) EndTokens(ctx context.Context, user ids.User, w auth.WhichTokens, acts ...auth.Act) ([]ids.PersonalToken, error) {
	var gone []ids.PersonalToken
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		j, err := openJournal(ctx, tx)
		if err != nil {
			return err
		}
		if gone, err = endTokens(ctx, tx, j, user, w); err != nil {
			return err
		}
		if len(gone) > 0 {
			if err := record(ctx, tx, acts...); err != nil {
				return err
			}
		}
		return j.close(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("end tokens: %w", err)
	}
	return gone, nil
}

// endTokens ends tokens and logs the end of each.
func endTokens(ctx context.Context, tx *sqldb.Tx, j *journal, user ids.User, w auth.WhichTokens) ([]ids.PersonalToken, error) {
	text, args := `DELETE FROM auth_tokens WHERE user_id = $1 OR made_by = $1 RETURNING id, user_id`, []any{user}
	if !w.Token.IsZero() {
		text, args = `DELETE FROM auth_tokens WHERE user_id = $1 AND id = $2 RETURNING id, user_id`, []any{user, w.Token}
	}
	var gone []ids.PersonalToken
	rows, err := tx.Query(ctx, text, args...)
	of, err := sqldb.Collect(rows, err, func(r sqldb.Row) (ids.User, error) {
		var id ids.PersonalToken
		var of ids.User
		err := r.Scan(&id, &of)
		gone = append(gone, id)
		return of, err
	})
	if err != nil {
		return nil, err
	}
	for i, id := range gone {
		if err := j.add(ctx, auth.TokenEndedChange(id, of[i], w.Reason, w.At)); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// TokensUsed stores when tokens were last used, always in the same order, so
// that two nodes do not wait for each other.
func (s *Store) TokensUsed(ctx context.Context, at map[ids.PersonalToken]time.Time) error {
	order := slices.SortedFunc(maps.Keys(at), func(a, b ids.PersonalToken) int { return bytes.Compare(a.Bytes(), b.Bytes()) })
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		for _, id := range order {
			_, err := tx.Exec(ctx, `UPDATE auth_tokens SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2`, id, micros(at[id]))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note the use of tokens: %w", err)
	}
	return nil
}

// PurgeTokens forgets what has expired.
func (s *Store) PurgeTokens(ctx context.Context, now time.Time, limit int) (int, error) {
	var n int64
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) (err error) {
		n, err = tx.Exec(ctx, `DELETE FROM auth_tokens WHERE id IN
			(SELECT id FROM auth_tokens WHERE expires_at > 0 AND expires_at <= $1 LIMIT $2)`, micros(now), limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("purge tokens: %w", err)
	}
	return int(n), nil
}

// CreateBot makes an account without a password, and its event. What it has
// for an address is none: no address is without an @.
func (s *Store) CreateBot(ctx context.Context, b auth.NewBot, acts ...auth.Act) (auth.Account, error) {
	made := auth.Account{ID: b.ID, Username: b.Username, Role: principal.Bot, State: auth.Active, CreatedAt: b.CreatedAt}
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		j, err := openJournal(ctx, tx)
		if err != nil {
			return err
		}
		key := "bot " + b.ID.String()
		if err := free(ctx, tx, auth.NewAccount{Username: b.Username, EmailKey: key, NameKey: b.NameKey}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO auth_accounts
			(id, email, email_key, username, role, state, password_hash, created_at)
			VALUES ($1, '', $2, $3, $4, $5, '', $6)`,
			b.ID, key, b.Username, principal.Bot, auth.Active, micros(b.CreatedAt))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO auth_bots (user_id, owner_id) VALUES ($1, $2)`, b.ID, b.Owner); err != nil {
			return err
		}
		if err := j.add(ctx, auth.RegisteredChange(made, b.DisplayName)); err != nil {
			return err
		}
		if err := record(ctx, tx, acts...); err != nil {
			return err
		}
		return j.close(ctx)
	})
	if err != nil {
		return auth.Account{}, fmt.Errorf("create bot: %w", err)
	}
	return made, nil
}

// BotOwner returns whose bot it is.
func (s *Store) BotOwner(ctx context.Context, bot ids.User) (ids.User, error) {
	var owner ids.User
	err := s.db.QueryRow(ctx, `SELECT owner_id FROM auth_bots WHERE user_id = $1`, bot).Scan(&owner)
	return owner, missing("read whose bot it is", err, auth.ErrNoBot)
}
