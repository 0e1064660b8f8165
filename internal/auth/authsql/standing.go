package authsql

import (
	"context"
	"fmt"

	"chatd/internal/auth"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
)

// administer does what an administrator asks for, under the journal's lock: of
// two who would take the right from each other, one does.
func (s *Store) administer(ctx context.Context, a auth.Act, do func(*sqldb.Tx, *journal) error) error {
	return s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		j, err := openJournal(ctx, tx)
		if err != nil {
			return err
		}
		if !a.Actor.IsZero() {
			still, err := exists(ctx, tx, `SELECT 1 FROM auth_accounts WHERE id = $1 AND role = $2 AND state = $3`,
				a.Actor, principal.Admin, auth.Active)
			if err == nil && !still {
				err = errs.ErrForbidden
			}
			if err != nil {
				return err
			}
		}
		if err := do(tx, j); err != nil {
			return err
		}
		return j.close(ctx)
	})
}

func accountIn(ctx context.Context, tx *sqldb.Tx, id ids.User) (auth.Account, error) {
	var a auth.Account
	var at int64
	err := tx.QueryRow(ctx, `SELECT `+accountColumns+` FROM auth_accounts a WHERE a.id = $1`, id).Scan(accountFields(&a, &at)...)
	a.CreatedAt = timeOf(at)
	if err == nil && a.State == auth.Deleted {
		err = auth.ErrNoAccount
	}
	return a, missing("find it", err, auth.ErrNoAccount)
}

// spare returns ErrLastAdmin when an account is the only administrator who may
// sign in.
func spare(ctx context.Context, tx *sqldb.Tx, a auth.Account) error {
	if a.Role != principal.Admin || a.State != auth.Active {
		return nil
	}
	other, err := exists(ctx, tx, `SELECT 1 FROM auth_accounts WHERE role = 'ADMIN' AND state = $1 AND id <> $2 LIMIT 1`,
		auth.Active, a.ID)
	if err == nil && !other {
		err = auth.ErrLastAdmin
	}
	return err
}

// ChangeRole gives an account a role.
func (s *Store) ChangeRole(ctx context.Context, role principal.Role, act auth.Act) (auth.Account, bool, error) {
	var a auth.Account
	var changed bool
	err := s.administer(ctx, act, func(tx *sqldb.Tx, j *journal) (err error) {
		changed = false
		if a, err = accountIn(ctx, tx, act.Target); err != nil || a.Role == role {
			return err
		}
		if role == principal.Bot || a.Role == principal.Bot {
			return auth.ErrBotRole
		}
		if err := spare(ctx, tx, a); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE auth_accounts SET role = $2 WHERE id = $1`, a.ID, role); err != nil {
			return err
		}
		was := a.Role
		a.Role, changed = role, true
		act.Detail = string(was) + " " + string(role)
		if err := record(ctx, tx, act); err != nil {
			return err
		}
		return j.add(ctx, auth.RoleChange(act, was, role))
	})
	if err != nil {
		return auth.Account{}, false, fmt.Errorf("change a role: %w", err)
	}
	return a, changed, nil
}

// Suspend takes an account out of use.
func (s *Store) Suspend(ctx context.Context, act auth.Act) (auth.Account, []ids.Session, error) {
	var a auth.Account
	var gone []ids.Session
	err := s.administer(ctx, act, func(tx *sqldb.Tx, j *journal) (err error) {
		gone = nil
		if a, err = accountIn(ctx, tx, act.Target); err != nil || a.State == auth.Suspended {
			return err
		}
		if err := spare(ctx, tx, a); err != nil {
			return err
		}
		if err := setState(ctx, tx, &a, auth.Suspended); err != nil {
			return err
		}
		if err := record(ctx, tx, act); err != nil {
			return err
		}
		if err := j.add(ctx, auth.SuspendedChange(act)); err != nil {
			return err
		}
		gone, err = end(ctx, tx, j, a.ID, auth.Which{Reason: auth.StateLocked, At: act.At},
			`DELETE FROM auth_sessions WHERE user_id = $1 RETURNING id`, a.ID)
		return err
	})
	if err != nil {
		return auth.Account{}, nil, fmt.Errorf("suspend: %w", err)
	}
	return a, gone, nil
}

func setState(ctx context.Context, tx *sqldb.Tx, a *auth.Account, state auth.State) error {
	a.State = state
	_, err := tx.Exec(ctx, `UPDATE auth_accounts SET state = $2 WHERE id = $1`, a.ID, state)
	return err
}

// Reinstate puts an account into use again.
func (s *Store) Reinstate(ctx context.Context, act auth.Act) (auth.Account, error) {
	var a auth.Account
	err := s.administer(ctx, act, func(tx *sqldb.Tx, j *journal) (err error) {
		if a, err = accountIn(ctx, tx, act.Target); err != nil || a.State == auth.Active {
			return err
		}
		if err := setState(ctx, tx, &a, auth.Active); err != nil {
			return err
		}
		if err := record(ctx, tx, act); err != nil {
			return err
		}
		return j.add(ctx, auth.ReinstatedChange(act))
	})
	if err != nil {
		return auth.Account{}, fmt.Errorf("reinstate: %w", err)
	}
	return a, nil
}

// SetPassword puts a password in the place of another and ends the sessions.
func (s *Store) SetPassword(ctx context.Context, hash string, act auth.Act) ([]ids.Session, error) {
	var gone []ids.Session
	err := s.administer(ctx, act, func(tx *sqldb.Tx, j *journal) error {
		a, err := accountIn(ctx, tx, act.Target)
		if err != nil {
			return err
		}
		if a.Role == principal.Bot {
			return auth.ErrBotRole
		}
		if _, err := tx.Exec(ctx, `UPDATE auth_accounts SET password_hash = $2 WHERE id = $1`, a.ID, hash); err != nil {
			return err
		}
		if err := forgetMail(ctx, tx, a.ID); err != nil {
			return err
		}
		if err := record(ctx, tx, act); err != nil {
			return err
		}
		gone, err = end(ctx, tx, j, a.ID, auth.Which{Reason: auth.PasswordReset, At: act.At},
			`DELETE FROM auth_sessions WHERE user_id = $1 RETURNING id`, a.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("set a password: %w", err)
	}
	return gone, nil
}

// AccountPage returns accounts by rising username.
func (s *Store) AccountPage(ctx context.Context, after string, limit int) ([]auth.Account, error) {
	rows, err := s.db.Query(ctx, `SELECT `+accountColumns+` FROM auth_accounts a
		WHERE a.username > $1 AND a.state <> $3 ORDER BY a.username LIMIT $2`, after, limit, auth.Deleted)
	list, err := sqldb.Collect(rows, err, func(r sqldb.Row) (auth.Account, error) {
		var a auth.Account
		var at int64
		err := r.Scan(accountFields(&a, &at)...)
		a.CreatedAt = timeOf(at)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	return list, nil
}
