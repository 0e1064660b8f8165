package usersql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/user"
)

// Sightings implements user.Store.
func (s *Store) Sightings(ctx context.Context, of []ids.User) ([]user.Sighting, error) {
	found, err := inParts(ctx, s.db, of, func(row sqldb.Row) (user.Sighting, error) {
		var seen user.Sighting
		var at int64
		err := row.Scan(&seen.User, &seen.Choice, &at)
		seen.LastActiveAt = time.UnixMicro(at).UTC()
		return seen, err
	}, `SELECT user_id, choice, last_active_at FROM user_presence WHERE user_id IN `)
	if err != nil {
		return nil, fmt.Errorf("select sightings: %w", err)
	}
	return found, nil
}

// Choose implements user.Store.
func (s *Store) Choose(ctx context.Context, c user.Sighting) error {
	return s.updates.Write(ctx, func(tx *sqldb.Tx) error {
		pos, err := nextPosition(ctx, tx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO user_presence (user_id, choice, last_active_at)
			SELECT id, $2, $3 FROM user_profiles WHERE id = $1 AND deleted_at = 0
			ON CONFLICT (user_id) DO UPDATE SET choice = excluded.choice, last_active_at = excluded.last_active_at`,
			c.User, string(c.Choice), c.LastActiveAt.UnixMicro())
		if err != nil {
			return fmt.Errorf("store a choice: %w", err)
		}
		if n == 0 {
			return user.ErrNoUser
		}
		return s.log(ctx, tx, pos, user.Chosen(c.User, c.LastActiveAt))
	})
}

// Saw implements user.Store.
func (s *Store) Saw(ctx context.Context, seen map[ids.User]time.Time) error {
	if len(seen) == 0 {
		return nil
	}
	// It can wait. A full disk may have room for a few rows and for nothing else:
	// they must not say that it takes writes again.
	if err := s.db.Ping(ctx); err != nil {
		return fmt.Errorf("store sightings: %w", err)
	}
	return s.updates.Write(ctx, func(tx *sqldb.Tx) error {
		// What writes here takes the position's row first, so that nodes cannot
		// wait for each other in a circle; nothing is logged.
		if _, err := tx.Exec(ctx, `UPDATE user_position SET pos = pos WHERE one = 1`); err != nil {
			return fmt.Errorf("take a turn: %w", err)
		}
		for _, who := range sorted(seen) {
			_, err := tx.Exec(ctx, `INSERT INTO user_presence (user_id, choice, last_active_at)
				SELECT id, 'ONLINE', $2 FROM user_profiles WHERE id = $1 AND deleted_at = 0
				ON CONFLICT (user_id) DO UPDATE SET last_active_at = excluded.last_active_at
				WHERE user_presence.choice <> 'OFFLINE' AND user_presence.last_active_at < excluded.last_active_at`,
				who, seen[who].UnixMicro())
			if err != nil {
				return fmt.Errorf("store a sighting: %w", err)
			}
		}
		return nil
	})
}

func sorted(of map[ids.User]time.Time) []ids.User {
	return slices.SortedFunc(maps.Keys(of), ids.User.Compare)
}
