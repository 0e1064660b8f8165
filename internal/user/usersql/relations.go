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

// errUnchanged undoes a commit that would change nothing.
var errUnchanged = errors.New("unchanged")

// Relate implements user.Store. Taking the position first makes one pair's
// changes follow each other, on all nodes.
func (s *Store) Relate(
	ctx context.Context, actor, other ids.User, at time.Time, change func(user.Pair) (user.Pair, error),
) (before, after user.Pair, err error) {
	err = s.updates.Write(ctx, func(tx *sqldb.Tx) error {
		pos, err := nextPosition(ctx, tx)
		if err != nil {
			return err
		}
		if before, err = pairOf(ctx, tx, actor, other); err != nil {
			return err
		}
		if after, err = change(before); err != nil {
			return err
		}
		if after == before {
			return errUnchanged
		}
		if after.Mine != before.Mine {
			err = setRelationship(ctx, tx, actor, other, after.Mine, at)
		}
		if err == nil && after.Theirs != before.Theirs {
			err = setRelationship(ctx, tx, other, actor, after.Theirs, at)
		}
		if err != nil {
			return err
		}
		for i, e := range user.AllRelated(actor, other, before, after, at) {
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
		err = nil
	}
	return before, after, err
}

// pairOf reads what two users are to each other.
func pairOf(ctx context.Context, tx *sqldb.Tx, actor, other ids.User) (user.Pair, error) {
	var there int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM user_profiles WHERE id IN ($1, $2) AND deleted_at = 0`, actor, other).Scan(&there)
	if err != nil {
		return user.Pair{}, fmt.Errorf("select two profiles: %w", err)
	}
	if there < 2 {
		return user.Pair{}, user.ErrNoUser
	}
	p := user.Pair{Mine: user.Strangers, Theirs: user.Strangers}
	rows, err := tx.Query(ctx, `SELECT user_id, state FROM user_relationships
		WHERE (user_id = $1 AND other_id = $2) OR (user_id = $2 AND other_id = $1)`, actor, other)
	_, err = sqldb.Collect(rows, err, func(row sqldb.Row) (struct{}, error) {
		var of ids.User
		var is user.Relationship
		err := row.Scan(&of, &is)
		if of == actor {
			p.Mine = is
		} else {
			p.Theirs = is
		}
		return struct{}{}, err
	})
	if err != nil {
		return user.Pair{}, fmt.Errorf("select what two are to each other: %w", err)
	}
	return p, nil
}

func setRelationship(ctx context.Context, tx *sqldb.Tx, of, other ids.User, is user.Relationship, at time.Time) error {
	var err error
	if is == user.Strangers {
		_, err = tx.Exec(ctx, `DELETE FROM user_relationships WHERE user_id = $1 AND other_id = $2`, of, other)
	} else {
		_, err = tx.Exec(ctx, `INSERT INTO user_relationships (user_id, other_id, state, since) VALUES ($1, $2, $3, $4)
			ON CONFLICT (user_id, other_id) DO UPDATE SET state = excluded.state, since = excluded.since`,
			of, other, string(is), at.UnixMicro())
	}
	if err != nil {
		return fmt.Errorf("store what one is to another: %w", err)
	}
	return nil
}

// Relationships implements user.Store.
func (s *Store) Relationships(ctx context.Context, viewer ids.User, of []ids.User) (map[ids.User]user.Relationship, error) {
	all := make(map[ids.User]user.Relationship)
	_, err := inParts(ctx, s.db, of, func(row sqldb.Row) (struct{}, error) {
		var u ids.User
		var is user.Relationship
		err := row.Scan(&u, &is)
		all[u] = is
		return struct{}{}, err
	}, `SELECT other_id, state FROM user_relationships WHERE user_id = $1 AND other_id IN `, viewer)
	if err != nil {
		return nil, fmt.Errorf("select relationships: %w", err)
	}
	return all, nil
}

// Contacts implements user.Store.
func (s *Store) Contacts(ctx context.Context, q user.ContactQuery) ([]user.Contact, error) {
	args := []any{q.Viewer, string(q.Is), q.Limit}
	after := ""
	if !q.Before.User.IsZero() {
		after = ` AND (r.since, r.other_id) < ($4, $5)`
		args = append(args, q.Before.Since.UnixMicro(), q.Before.User)
	}
	rows, err := s.db.Query(ctx, `SELECT r.other_id, r.since FROM user_relationships r
		WHERE r.user_id = $1 AND r.state = $2`+after+` AND NOT EXISTS (SELECT 1 FROM user_relationships b
			WHERE b.user_id = r.other_id AND b.other_id = r.user_id AND b.state = 'BLOCKED')
		ORDER BY r.since DESC, r.other_id DESC LIMIT $3`, args...)
	found, err := sqldb.Collect(rows, err, func(row sqldb.Row) (user.Contact, error) {
		var c user.Contact
		var since int64
		err := row.Scan(&c.User, &since)
		c.Since = time.UnixMicro(since).UTC()
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("select contacts: %w", err)
	}
	return found, nil
}

// CountContacts implements user.Store.
func (s *Store) CountContacts(ctx context.Context, of ids.User, is user.Relationship, most int) (int, error) {
	var n int
	err := s.db.QueryRow(ctx, `SELECT count(*) FROM (
		SELECT 1 FROM user_relationships WHERE user_id = $1 AND state = $2 LIMIT $3
	) counted`, of, string(is), most).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count contacts: %w", err)
	}
	return n, nil
}

// Blocks implements user.Store.
func (s *Store) Blocks(ctx context.Context, after user.Block, limit int) ([]user.Block, error) {
	rows, err := s.db.Query(ctx, `SELECT user_id, other_id FROM user_relationships
		WHERE state = 'BLOCKED' AND (user_id, other_id) > ($1, $2) ORDER BY user_id, other_id LIMIT $3`,
		after.By.Bytes(), after.Of.Bytes(), limit)
	found, err := sqldb.Collect(rows, err, func(row sqldb.Row) (b user.Block, err error) {
		err = row.Scan(&b.By, &b.Of)
		return b, err
	})
	if err != nil {
		return nil, fmt.Errorf("select blocks: %w", err)
	}
	return found, nil
}

// Related implements user.Store.
func (s *Store) Related(ctx context.Context, viewer ids.User, after, upTo int64, limit int) ([]bus.Envelope, error) {
	rows, err := s.db.Query(ctx, `SELECT pos, name, key, at, payload FROM user_changes
		WHERE name = '`+userv1.RelationshipChangedName+`' AND key = $1 AND pos > $2 AND pos <= $3 ORDER BY pos LIMIT $4`,
		viewer.String(), after, upTo, limit)
	events, err := sqldb.Collect(rows, err, scanEvent)
	if err != nil {
		return nil, fmt.Errorf("select events of relationships: %w", err)
	}
	return events, nil
}
