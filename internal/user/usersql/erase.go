package usersql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/user"
	"chatd/internal/user/userv1"
)

// Erase implements user.Store.
func (s *Store) Erase(ctx context.Context, id ids.User, at time.Time) (p user.Profile, news bool, err error) {
	err = s.updates.Write(ctx, func(tx *sqldb.Tx) error {
		pos, err := nextPosition(ctx, tx)
		if err != nil {
			return err
		}
		p, err = scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM user_profiles p WHERE p.id = $1`, id))
		switch {
		case errors.Is(err, user.ErrNoUser):
			p = user.Profile{ID: id}
		case err != nil:
			return fmt.Errorf("select the profile: %w", err)
		case !p.DeletedAt.IsZero():
			return errUnchanged
		}
		before := p
		p = p.Gone(at)
		events, err := parted(ctx, tx, id, at)
		if err == nil {
			err = blank(ctx, tx, p) // and waits for who indexes the profile as it was
		}
		if err == nil && before.Username != "" {
			err = s.unname(ctx, tx, before)
		}
		if err != nil {
			return err
		}
		events = append(events, user.SettingsChanged(id, at), user.Chosen(id, at), user.Updated(p))
		for i, e := range events {
			if i > 0 {
				if pos, err = nextPosition(ctx, tx); err != nil {
					return err
				}
			}
			if err := s.log(ctx, tx, pos, e); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return p, false, nil
	}
	if err != nil {
		return user.Profile{}, false, fmt.Errorf("erase a profile: %w", err)
	}
	return p, true, nil
}

// parted ends what somebody is to others and they to him, and returns the
// events of it.
func parted(ctx context.Context, tx *sqldb.Tx, id ids.User, at time.Time) ([]bus.Envelope, error) {
	var others []ids.User
	pairs := map[ids.User]user.Pair{}
	rows, err := tx.Query(ctx, `SELECT user_id, other_id, state FROM user_relationships WHERE user_id = $1 OR other_id = $1
		ORDER BY user_id, other_id`, id)
	_, err = sqldb.Collect(rows, err, func(row sqldb.Row) (struct{}, error) {
		var of, other ids.User
		var is user.Relationship
		err := row.Scan(&of, &other, &is)
		with := other
		if of != id {
			with = of
		}
		p, known := pairs[with]
		if !known {
			p = user.Pair{Mine: user.Strangers, Theirs: user.Strangers}
			others = append(others, with)
		}
		if of == id {
			p.Mine = is
		} else {
			p.Theirs = is
		}
		pairs[with] = p
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("select what others are to him: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM user_relationships WHERE user_id = $1 OR other_id = $1`, id); err != nil {
		return nil, fmt.Errorf("delete what others are to him: %w", err)
	}
	var events []bus.Envelope
	for _, other := range others {
		events = append(events, user.AllRelated(id, other, pairs[other], user.Pair{Mine: user.Strangers, Theirs: user.Strangers}, at)...)
	}
	return events, nil
}

// blank has the tables and the log say of a profile what p says.
func blank(ctx context.Context, tx *sqldb.Tx, p user.Profile) error {
	at := p.DeletedAt.UnixMicro()
	_, err := tx.Exec(ctx, `INSERT INTO user_profiles (id, username, display_name, created_at, updated_at, bot, deleted_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO UPDATE SET username = excluded.username, display_name = excluded.display_name, bio = '', status_text = '',
			status_emoji = '', status_expires_at = NULL, avatar = NULL, time_zone = '', locale = '', updated_at = excluded.updated_at, deleted_at = excluded.deleted_at`,
		p.ID, p.Username, p.DisplayName, p.CreatedAt.UnixMicro(), p.UpdatedAt.UnixMicro(), flag(p.Bot), at)
	if err != nil {
		return fmt.Errorf("blank the profile: %w", err)
	}
	for _, text := range []string{
		`DELETE FROM user_presence WHERE user_id = $1`,
		`DELETE FROM user_settings WHERE user_id = $1`,
		// What he had read, and did not want to be known, is known to nobody later.
		`INSERT INTO user_settings (user_id, share_read_receipts) VALUES ($1, 0)`,
	} {
		if _, err := tx.Exec(ctx, text, p.ID); err != nil {
			return fmt.Errorf("take away what else there is: %w", err)
		}
	}
	_, err = tx.Exec(ctx, `UPDATE user_changes SET payload = $2 WHERE key = $1 AND name = '`+userv1.ProfileUpdatedName+`'`,
		p.ID.String(), user.Updated(p).Payload)
	if err != nil {
		return fmt.Errorf("blank the log: %w", err)
	}
	return nil
}
