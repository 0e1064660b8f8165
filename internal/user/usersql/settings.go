package usersql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/user"
)

const settingsColumns = `share_read_receipts`

func scanSettings(row sqldb.Row, more ...any) (user.Settings, error) {
	var share int64
	err := row.Scan(append(more, &share)...)
	return user.Settings{ShareReadReceipts: share != 0}, err
}

// Settings implements user.Store.
func (s *Store) Settings(ctx context.Context, of []ids.User) (map[ids.User]user.Settings, error) {
	all := make(map[ids.User]user.Settings, len(of))
	for _, u := range of {
		all[u] = user.DefaultSettings()
	}
	_, err := inParts(ctx, s.db, of, func(row sqldb.Row) (struct{}, error) {
		var u ids.User
		found, err := scanSettings(row, &u)
		all[u] = found
		return struct{}{}, err
	}, `SELECT user_id, `+settingsColumns+` FROM user_settings WHERE user_id IN `)
	if err != nil {
		return nil, fmt.Errorf("select settings: %w", err)
	}
	return all, nil
}

// UpdateSettings implements user.Store.
func (s *Store) UpdateSettings(ctx context.Context, id ids.User, change func(*user.Settings)) (user.Settings, error) {
	var now user.Settings
	err := s.updates.Write(ctx, func(tx *sqldb.Tx) error {
		pos, err := nextPosition(ctx, tx)
		if err != nil {
			return err
		}
		now, err = scanSettings(tx.QueryRow(ctx, `SELECT `+settingsColumns+` FROM user_settings WHERE user_id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			now, err = user.DefaultSettings(), nil
		}
		if err != nil {
			return fmt.Errorf("select settings: %w", err)
		}
		change(&now)
		share := 0
		if now.ShareReadReceipts {
			share = 1
		}
		n, err := tx.Exec(ctx, `INSERT INTO user_settings (user_id, share_read_receipts)
			SELECT id, $2 FROM user_profiles WHERE id = $1 AND deleted_at = 0
			ON CONFLICT (user_id) DO UPDATE SET share_read_receipts = excluded.share_read_receipts`, id, share)
		if err != nil {
			return fmt.Errorf("store settings: %w", err)
		}
		if n == 0 {
			return user.ErrNoUser
		}
		return s.log(ctx, tx, pos, user.SettingsChanged(id, time.Now().UTC()))
	})
	if err != nil {
		return user.Settings{}, err
	}
	return now, nil
}

// HidingReads implements user.Store.
func (s *Store) HidingReads(ctx context.Context, after ids.User, limit int) ([]ids.User, error) {
	rows, err := s.db.Query(ctx, `SELECT user_id FROM user_settings
		WHERE share_read_receipts = 0 AND user_id > $1 ORDER BY user_id LIMIT $2`, after.Bytes(), limit)
	all, err := sqldb.Collect(rows, err, func(row sqldb.Row) (u ids.User, err error) {
		err = row.Scan(&u)
		return u, err
	})
	if err != nil {
		return nil, fmt.Errorf("select who hides: %w", err)
	}
	return all, nil
}
