package authsql

import (
	"context"
	"fmt"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// BeginTotp stores a secret that waits to be confirmed.
func (s *Store) BeginTotp(ctx context.Context, t auth.Totp) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		if err := accountThere(ctx, tx, t.User); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO auth_totp (user_id, sealed, begun_at, confirmed_at, step) VALUES ($1, $2, $3, 0, 0)
			ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, begun_at = excluded.begun_at
			WHERE auth_totp.confirmed_at = 0`, t.User, t.Sealed, micros(t.BegunAt))
		if err == nil && n == 0 {
			err = auth.ErrTotpOn
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("begin a second factor: %w", err)
	}
	return nil
}

func accountThere(ctx context.Context, tx *sqldb.Tx, id ids.User) error {
	there, err := exists(ctx, tx, `SELECT 1 FROM auth_accounts WHERE id = $1 AND state <> $2`, id, auth.Deleted)
	if err == nil && !there {
		err = auth.ErrNoAccount
	}
	return err
}

// Totp returns a second factor.
func (s *Store) Totp(ctx context.Context, user ids.User) (auth.Totp, error) {
	t := auth.Totp{User: user}
	var begun, confirmed int64
	err := s.db.QueryRow(ctx, `SELECT sealed, begun_at, confirmed_at, step FROM auth_totp WHERE user_id = $1`, user).
		Scan(&t.Sealed, &begun, &confirmed, &t.Step)
	t.BegunAt, t.ConfirmedAt = timeOf(begun), timeOf(confirmed)
	return t, missing("read a second factor", err, auth.ErrTotpOff)
}

// turn turns a second factor on or off: what change does, the event, and the
// end of all sessions but one.
func (s *Store) turn(ctx context.Context, t auth.TotpTurn, on bool, change func(*sqldb.Tx) error, acts []auth.Act) ([]ids.Session, error) {
	var gone []ids.Session
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		j, err := openJournal(ctx, tx)
		if err != nil {
			return err
		}
		if err := change(tx); err != nil {
			return err
		}
		if err := j.add(ctx, auth.TotpChange(t.User, on, t.At)); err != nil {
			return err
		}
		gone, err = end(ctx, tx, j, t.User, auth.Which{Reason: auth.FactorMoved, At: t.At},
			`DELETE FROM auth_sessions WHERE user_id = $1 AND id <> $2 RETURNING id`, t.User, t.Keep.Bytes()) // of the zero ID too
		if err == nil {
			err = record(ctx, tx, acts...)
		}
		if err != nil {
			return err
		}
		return j.close(ctx)
	})
	return gone, err
}

// ConfirmTotp puts the secret that waits in force.
func (s *Store) ConfirmTotp(
	ctx context.Context, t auth.TotpTurn, sealed []byte, step int64, recovery [][]byte, acts ...auth.Act,
) ([]ids.Session, error) {
	gone, err := s.turn(ctx, t, true, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE auth_totp SET confirmed_at = $3, step = $4
			WHERE user_id = $1 AND sealed = $2 AND confirmed_at = 0`, t.User, sealed, micros(t.At), step)
		if err == nil && n == 0 {
			err = auth.ErrTotpOff
			if on, e := exists(ctx, tx, onText, t.User); e != nil || on {
				err = auth.ErrTotpOn
			}
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM auth_recovery_codes WHERE user_id = $1`, t.User); err != nil {
			return err
		}
		for _, hash := range recovery {
			_, err := tx.Exec(ctx, `INSERT INTO auth_recovery_codes (user_id, hash) VALUES ($1, $2)`, t.User, hash)
			if err != nil {
				return err
			}
		}
		return nil
	}, acts)
	if err != nil {
		return nil, fmt.Errorf("confirm a second factor: %w", err)
	}
	return gone, nil
}

const onText = `SELECT 1 FROM auth_totp WHERE user_id = $1 AND confirmed_at > 0`

// DisableTotp forgets a second factor.
func (s *Store) DisableTotp(ctx context.Context, t auth.TotpTurn, by auth.Proof, acts ...auth.Act) ([]ids.Session, error) {
	gone, err := s.turn(ctx, t, false, func(tx *sqldb.Tx) error {
		if err := giveUp(ctx, tx, t.User, by); err != nil {
			return err
		}
		for _, text := range []string{
			`DELETE FROM auth_recovery_codes WHERE user_id = $1`, `DELETE FROM auth_totp WHERE user_id = $1`,
		} {
			if _, err := tx.Exec(ctx, text, t.User); err != nil {
				return err
			}
		}
		return nil
	}, acts)
	if err != nil {
		return nil, fmt.Errorf("disable a second factor: %w", err)
	}
	return gone, nil
}

// giveUp is spend, and for one who has lost it all nothing but the look at
// whether there is something to lose.
func giveUp(ctx context.Context, tx *sqldb.Tx, user ids.User, by auth.Proof) error {
	if !by.Lost {
		return spend(ctx, tx, user, by)
	}
	on, err := exists(ctx, tx, onText, user)
	if err == nil && !on {
		err = auth.ErrTotpOff
	}
	return err
}

// spend spends a proof under the journal's lock.
func spend(ctx context.Context, tx *sqldb.Tx, user ids.User, by auth.Proof) error {
	text, what := `UPDATE auth_totp SET step = $2 WHERE user_id = $1 AND confirmed_at > 0 AND step < $2`, any(by.Step)
	if by.Recovery != nil {
		text, what = `DELETE FROM auth_recovery_codes WHERE user_id = $1 AND hash = $2`, any(by.Recovery)
	}
	n, err := tx.Exec(ctx, text, user, what)
	if err == nil && n == 0 {
		err = auth.ErrBadTotp
	}
	return err
}

// RecoveryCodes says how many are left.
func (s *Store) RecoveryCodes(ctx context.Context, user ids.User) (int, error) {
	var n int
	err := s.db.QueryRow(ctx, `SELECT count(*) FROM auth_recovery_codes WHERE user_id = $1`, user).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count recovery codes: %w", err)
	}
	return n, nil
}

// CreateSessionBy stores a session of who has shown the password.
func (s *Store) CreateSessionBy(
	ctx context.Context, n auth.Session, network []byte, limit int, by auth.Proof, acts ...auth.Act,
) ([]ids.Session, error) {
	return s.createSession(ctx, n, network, limit, acts, func(tx *sqldb.Tx) error { return proven(ctx, tx, n.User, by) })
}

// proven spends a proof; without one there must be no second factor.
func proven(ctx context.Context, tx *sqldb.Tx, user ids.User, by auth.Proof) error {
	if by.Step != 0 || by.Recovery != nil {
		return spend(ctx, tx, user, by)
	}
	on, err := exists(ctx, tx, onText, user)
	if err == nil && on {
		err = auth.ErrTotpRequired
	}
	return err
}
