package authsql

import (
	"context"
	"fmt"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// ChangePassword replaces a password and ends the other sessions.
func (s *Store) ChangePassword(ctx context.Context, c auth.PasswordChange, acts ...auth.Act) ([]ids.Session, error) {
	var gone []ids.Session
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		gone = nil
		j, err := openJournal(ctx, tx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE auth_accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2`,
			c.User, c.Old, c.Next)
		if err != nil {
			return err
		}
		if n == 0 {
			return auth.ErrWrongPassword
		}
		gone, err = end(ctx, tx, j, c.User, auth.Which{Reason: auth.PasswordChanged, At: c.At},
			`DELETE FROM auth_sessions WHERE user_id = $1 AND id <> $2 RETURNING id`, c.User, c.Keep)
		if err == nil {
			err = forgetMail(ctx, tx, c.User)
		}
		if err == nil {
			err = promise(ctx, tx, c.Mail)
		}
		if err == nil {
			err = record(ctx, tx, acts...)
		}
		if err != nil {
			return err
		}
		return j.close(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("change a password: %w", err)
	}
	return gone, nil
}
