package usersql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/user"
	"chatd/internal/user/userv1"
)

// Store is a user.Store.
type Store struct {
	db       *sqldb.DB
	updates  *sqldb.Lane
	onCommit func()
}

var _ user.Store = (*Store)(nil)

// New returns a store over a database that has been migrated.
func New(db *sqldb.DB) *Store {
	return &Store{db: db, updates: db.Lane("user"), onCommit: func() {}}
}

// OnCommit has fn called after each commit that wrote to the log. It must not
// block, and must be named before the first write.
func (s *Store) OnCommit(fn func()) { s.onCommit = fn }

const columns = `p.id, p.username, p.display_name, p.bio, p.status_text, p.status_emoji,
	p.status_expires_at, p.time_zone, p.locale, p.created_at, p.updated_at, p.bot, p.avatar, p.deleted_at`

func scan(row sqldb.Row) (user.Profile, error) {
	var p user.Profile
	var created, updated, bot, deleted int64
	var expires sql.NullInt64
	err := row.Scan(&p.ID, &p.Username, &p.DisplayName, &p.Bio, &p.Status.Text, &p.Status.Emoji,
		&expires, &p.TimeZone, &p.Locale, &created, &updated, &bot, &p.Avatar, &deleted)
	p.Bot = bot != 0
	if deleted != 0 {
		p.DeletedAt = time.UnixMicro(deleted).UTC()
	}
	p.CreatedAt, p.UpdatedAt = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	if expires.Valid {
		p.Status.ExpiresAt = time.UnixMicro(expires.Int64).UTC()
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = user.ErrNoUser
	}
	return p, err
}

func flag(set bool) int64 {
	if set {
		return 1
	}
	return 0
}

// Create implements user.Store.
func (s *Store) Create(ctx context.Context, p user.Profile) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO user_profiles
			(id, username, display_name, created_at, updated_at, bot) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT DO NOTHING`,
			p.ID, p.Username, p.DisplayName, p.CreatedAt.UnixMicro(), p.UpdatedAt.UnixMicro(), flag(p.Bot))
		if err != nil {
			return fmt.Errorf("insert the profile: %w", err)
		}
		if n == 0 {
			var one int
			err := tx.QueryRow(ctx, `SELECT 1 FROM user_profiles WHERE id = $1`, p.ID).Scan(&one)
			if errors.Is(err, sql.ErrNoRows) {
				return user.ErrUsernameTaken
			}
			return err
		}
		return s.addNames(ctx, tx, p.Username, user.FoldNames(p.Username, p.DisplayName))
	})
}

// Profiles implements user.Store.
func (s *Store) Profiles(ctx context.Context, of []ids.User) ([]user.Profile, error) {
	found, err := inParts(ctx, s.db, of, scan, `SELECT `+columns+` FROM user_profiles p WHERE p.id IN `)
	if err != nil {
		return nil, fmt.Errorf("select profiles: %w", err)
	}
	return found, nil
}

// inParts runs a query that ends in a list of users, or of their names, some of
// them at a time; first are the arguments before the list.
func inParts[K, T any](
	ctx context.Context, db *sqldb.DB, of []K, scan func(sqldb.Row) (T, error), text string, first ...any,
) ([]T, error) {
	const most = 128
	var all []T
	for len(of) > 0 {
		part := of[:min(len(of), most)]
		of = of[len(part):]
		n := padded(len(part))
		args := make([]any, 0, len(first)+n)
		args = append(args, first...)
		for i := range n {
			args = append(args, part[min(i, len(part)-1)])
		}
		rows, err := db.Query(ctx, text+`(`+parameters(len(first), n)+`)`, args...)
		found, err := sqldb.Collect(rows, err, scan)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// padded rounds n up to a power of two, so that there are few statements to
// keep prepared. What is too much repeats the last argument.
func padded(n int) int {
	size := 1
	for size < n {
		size *= 2
	}
	return size
}

// parameters names n arguments, after some others.
func parameters(after, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(after + i + 1))
	}
	return b.String()
}

// Named implements user.Store.
func (s *Store) Named(ctx context.Context, usernames []string) (map[string]ids.User, error) {
	type named struct {
		user ids.User
		name string
	}
	found, err := inParts(ctx, s.db, usernames, func(r sqldb.Row) (n named, err error) {
		err = r.Scan(&n.user, &n.name)
		return n, err
	}, `SELECT p.id, p.username FROM user_profiles p WHERE p.deleted_at = 0 AND p.username IN `)
	if err != nil {
		return nil, fmt.Errorf("select users by name: %w", err)
	}
	all := make(map[string]ids.User, len(found))
	for _, n := range found {
		all[n.name] = n.user
	}
	return all, nil
}

// ByUsername implements user.Store.
func (s *Store) ByUsername(ctx context.Context, username string) (user.Profile, error) {
	p, err := scan(s.db.QueryRow(ctx, `SELECT `+columns+` FROM user_profiles p WHERE p.username = $1 AND p.deleted_at = 0`, username))
	if err != nil {
		return user.Profile{}, fmt.Errorf("select a profile by name: %w", err)
	}
	return p, nil
}

// Update implements user.Store.
func (s *Store) Update(ctx context.Context, id ids.User, change func(*user.Profile) error) (user.Profile, error) {
	var p user.Profile
	err := s.updates.Write(ctx, func(tx *sqldb.Tx) error {
		pos, err := nextPosition(ctx, tx)
		if err != nil {
			return err
		}
		p, err = scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM user_profiles p WHERE p.id = $1`, id))
		if err != nil {
			return fmt.Errorf("select the profile: %w", err)
		}
		if !p.DeletedAt.IsZero() {
			return user.ErrNoUser
		}
		before := p
		if err := change(&p); err != nil {
			return err
		}
		return s.replace(ctx, tx, pos, before, p)
	})
	if err != nil {
		return user.Profile{}, err
	}
	return p, nil
}

func takeUsername(ctx context.Context, tx *sqldb.Tx, p user.Profile) error {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM user_profiles WHERE username = $1`, p.Username).Scan(&one)
	if err == nil {
		return user.ErrUsernameTaken
	}
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.Exec(ctx, `UPDATE user_profiles SET username = $2 WHERE id = $1`, p.ID, p.Username)
	}
	if errors.Is(err, sqldb.ErrUnique) {
		return user.ErrUsernameTaken
	}
	if err != nil {
		return fmt.Errorf("rename the profile: %w", err)
	}
	return nil
}

func (s *Store) replace(ctx context.Context, tx *sqldb.Tx, pos int64, before, p user.Profile) error {
	expires := sql.NullInt64{Int64: p.Status.ExpiresAt.UnixMicro(), Valid: !p.Status.ExpiresAt.IsZero()}
	if p.Username != before.Username {
		if err := takeUsername(ctx, tx, p); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `UPDATE user_profiles SET display_name = $2, bio = $3, status_text = $4,
		status_emoji = $5, status_expires_at = $6, time_zone = $7, locale = $8, updated_at = $9, avatar = $10 WHERE id = $1`,
		p.ID, p.DisplayName, p.Bio, p.Status.Text, p.Status.Emoji, expires, p.TimeZone, p.Locale, p.UpdatedAt.UnixMicro(), p.Avatar)
	if err != nil {
		return fmt.Errorf("update the profile: %w", err)
	}
	if p.DisplayName != before.DisplayName || p.Username != before.Username {
		if err := s.rename(ctx, tx, before, p); err != nil {
			return err
		}
	}
	return s.log(ctx, tx, pos, user.Updated(p))
}

// nextPosition takes the next position of the log, which orders the writers.
func nextPosition(ctx context.Context, tx *sqldb.Tx) (pos int64, err error) {
	err = tx.QueryRow(ctx, `UPDATE user_position SET pos = pos + 1 WHERE one = 1 RETURNING pos`).Scan(&pos)
	if err != nil {
		return 0, fmt.Errorf("take a position: %w", err)
	}
	return pos, nil
}

// log writes an event at a position.
func (s *Store) log(ctx context.Context, tx *sqldb.Tx, pos int64, e bus.Envelope) error {
	_, err := tx.Exec(ctx, `INSERT INTO user_changes (pos, name, key, at, payload) VALUES ($1, $2, $3, $4, $5)`,
		pos, e.Name, e.Key, e.Time.UnixMicro(), e.Payload)
	if err != nil {
		return fmt.Errorf("insert the event: %w", err)
	}
	tx.AfterCommit(s.onCommit)
	return nil
}

// LastChange implements user.Store.
func (s *Store) LastChange(ctx context.Context) (int64, error) {
	var pos int64
	if err := s.db.QueryRow(ctx, `SELECT pos FROM user_position WHERE one = 1`).Scan(&pos); err != nil {
		return 0, fmt.Errorf("select the last position: %w", err)
	}
	return pos, nil
}

// Read implements user.Store.
func (s *Store) Read(ctx context.Context, after int64, limit int) ([]bus.Envelope, int64, error) {
	rows, err := s.db.Query(ctx, `SELECT pos, name, key, at, payload FROM user_changes
		WHERE pos > $1 ORDER BY pos LIMIT $2`, after, limit)
	events, err := sqldb.Collect(rows, err, scanEvent)
	if err != nil {
		return nil, after, fmt.Errorf("select events: %w", err)
	}
	if n := len(events); n > 0 {
		after = events[n-1].Pos
	}
	return events, after, nil
}

func scanEvent(row sqldb.Row) (bus.Envelope, error) {
	e := bus.Envelope{Topic: userv1.Topic}
	var pos, at int64
	err := row.Scan(&pos, &e.Name, &e.Key, &at, &e.Payload)
	e.Time = time.UnixMicro(at).UTC()
	return user.At(pos, e), err
}
