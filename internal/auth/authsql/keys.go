package authsql

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// SigningKeys returns the signing keys, oldest first.
func (s *Store) SigningKeys(ctx context.Context) ([]auth.SigningKey, error) {
	rows, err := s.db.Query(ctx, `SELECT id, public, sealed, used_from FROM auth_keys ORDER BY used_from, id`)
	list, err := sqldb.Collect(rows, err, func(r sqldb.Row) (auth.SigningKey, error) {
		var k auth.SigningKey
		var from int64
		err := r.Scan(&k.ID, &k.Public, &k.Sealed, &from)
		k.UsedFrom = timeOf(from)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	return list, nil
}

// AddSigningKey stores a key unless there is a newer one.
func (s *Store) AddSigningKey(ctx context.Context, k auth.SigningKey, unlessAfter time.Time) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := openJournal(ctx, tx); err != nil { // for its lock
			return err
		}
		newer, err := exists(ctx, tx, `SELECT 1 FROM auth_keys WHERE used_from > $1 LIMIT 1`, micros(unlessAfter))
		if err != nil || newer {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO auth_keys (id, public, sealed, used_from) VALUES ($1, $2, $3, $4)`,
			k.ID, k.Public, k.Sealed, micros(k.UsedFrom))
		return err
	})
	if err != nil {
		return fmt.Errorf("add a signing key: %w", err)
	}
	return nil
}

// DropSigningKeys forgets keys.
func (s *Store) DropSigningKeys(ctx context.Context, keys []ids.Key) error {
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		for _, id := range keys {
			if _, err := tx.Exec(ctx, `DELETE FROM auth_keys WHERE id = $1`, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop signing keys: %w", err)
	}
	return nil
}
