package usersql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"chatd/internal/platform/alike"
	"chatd/internal/platform/sqldb"
	"chatd/internal/user"
)

// Extension is what PostgreSQL must have, or let us make: it finds what stands
// within words.
const Extension = "pg_trgm"

const entryColumns = `e.word, e.username, e.names`

func scanEntry(row sqldb.Row) (e user.Entry, err error) {
	err = row.Scan(&e.Word, &e.Username, &e.Names)
	return e, err
}

func scanWord(row sqldb.Row) (w string, err error) {
	err = row.Scan(&w)
	return w, err
}

// Range implements user.Store. That a part is there is compared as it stands,
// so no character of it has a meaning.
func (s *Store) Range(ctx context.Context, q user.NameRange) ([]user.Entry, error) {
	args := []any{q.After.Word, q.After.Username, q.To, q.Limit}
	from := `(e.word, e.username) > ($1, $2)`
	if q.After.Word == "" {
		from, args = `e.word >= $1 AND $2 = ''`, []any{q.From, "", q.To, q.Limit}
	}
	var b strings.Builder
	b.WriteString(`SELECT ` + entryColumns + ` FROM derived_user_entries e WHERE ` + from + ` AND e.word < $3`)
	within := `instr(e.names, %s) > 0`
	if s.db.Engine() == sqldb.PostgreSQL {
		within = `position(%s in e.names) > 0`
	}
	for i := range padded(len(q.With)) {
		if len(q.With) == 0 {
			break
		}
		args = append(args, q.With[min(i, len(q.With)-1)])
		fmt.Fprintf(&b, ` AND `+within, parameters(len(args)-1, 1))
	}
	b.WriteString(` ORDER BY e.word, e.username LIMIT $4`)
	rows, err := s.db.Query(ctx, b.String(), args...)
	found, err := sqldb.Collect(rows, err, scanEntry)
	if err != nil {
		return nil, fmt.Errorf("select entries: %w", err)
	}
	return found, nil
}

// CountRange implements user.Store.
func (s *Store) CountRange(ctx context.Context, from, to string, most int) (int, error) {
	var n int
	err := s.db.QueryRow(ctx, `SELECT count(*) FROM (
		SELECT 1 FROM derived_user_entries WHERE word >= $1 AND word < $2 LIMIT $3
	) counted`, from, to, most).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count entries: %w", err)
	}
	return n, nil
}

// WordEntries implements user.Store. PostgreSQL is asked once, SQLite word by
// word, since it cannot be told to stop within a join.
func (s *Store) WordEntries(ctx context.Context, words []string, after string, limit int) (all []user.Entry, err error) {
	if s.db.Engine() == sqldb.PostgreSQL {
		rows, err := s.db.Query(ctx, `SELECT e.word, e.username, e.names FROM unnest($1::text[]) WITH ORDINALITY w (word, i)
			CROSS JOIN LATERAL (SELECT `+entryColumns+` FROM derived_user_entries e
				WHERE e.word = w.word AND e.username > CASE WHEN w.i = 1 THEN $2::text ELSE '' END
				ORDER BY e.username LIMIT $3) e
			ORDER BY w.i, e.username LIMIT $3`, words, after, limit)
		if all, err = sqldb.Collect(rows, err, scanEntry); err != nil {
			return nil, fmt.Errorf("select entries of words: %w", err)
		}
		return all, nil
	}
	for _, w := range words {
		if len(all) == limit {
			break
		}
		rows, err := s.db.Query(ctx, `SELECT `+entryColumns+` FROM derived_user_entries e
			WHERE e.word = $1 AND e.username > $2 ORDER BY e.username LIMIT $3`, w, after, limit-len(all))
		some, err := sqldb.Collect(rows, err, scanEntry)
		if err != nil {
			return nil, fmt.Errorf("select entries of a word: %w", err)
		}
		all, after = append(all, some...), ""
	}
	return all, nil
}

// ByUsernames implements user.Store.
func (s *Store) ByUsernames(ctx context.Context, usernames []string) ([]user.Profile, error) {
	found, err := inParts(ctx, s.db, usernames, scan, `SELECT `+columns+` FROM user_profiles p WHERE p.username IN `)
	if err != nil {
		return nil, fmt.Errorf("select profiles by name: %w", err)
	}
	return found, nil
}

// piece is words that begin, or end, with something and have so many letters.
type piece struct {
	size     int
	from, to string
}

// ends are the pieces of both ends of a word: backwards those of its end.
func ends(p alike.Pieces) (forwards, backwards []piece) {
	end := alike.Reverse(p.End)
	for size := p.Shortest; size <= p.LongestBegun; size++ {
		forwards = append(forwards, piece{size, p.Begin, user.TermEnd(p.Begin)})
		if size <= p.Longest {
			backwards = append(backwards, piece{size, end, user.TermEnd(end)})
		}
	}
	if p.Exact != "" {
		forwards = append(forwards, piece{len([]rune(p.Exact)), p.Exact, p.Exact + "\x01"})
	}
	return forwards, backwards
}

// WordsWith implements user.Store.
func (s *Store) WordsWith(ctx context.Context, p alike.Pieces, most int) ([]string, error) {
	find := s.wordsWithSQLite
	if s.db.Engine() == sqldb.PostgreSQL {
		find = s.wordsWithPostgres
	}
	found, err := find(ctx, p, most)
	if err != nil {
		return nil, fmt.Errorf("select words: %w", err)
	}
	return found, nil
}

func (s *Store) wordsWithSQLite(ctx context.Context, p alike.Pieces, most int) (all []string, err error) {
	forwards, backwards := ends(p)
	for _, f := range forwards {
		rows, err := s.db.Query(ctx, `SELECT word FROM derived_user_words
			WHERE size = $1 AND word >= $2 AND word < $3 ORDER BY word LIMIT $4`, f.size, f.from, f.to, most)
		some, err := sqldb.Collect(rows, err, scanWord)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	for _, b := range backwards {
		rows, err := s.db.Query(ctx, `SELECT reversed FROM derived_user_words
			WHERE size = $1 AND reversed >= $2 AND reversed < $3 ORDER BY reversed LIMIT $4`, b.size, b.from, b.to, most)
		some, err := sqldb.Collect(rows, err, func(row sqldb.Row) (string, error) {
			w, err := scanWord(row)
			return alike.Reverse(w), err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	const longest = 63
	within := func(part string, shortest, most63 int) error {
		expression := `"` + strings.Join(alike.Grams(alike.Spell(part)), `" AND "`) + `"`
		rows, err := s.db.Query(ctx, `SELECT w.word FROM derived_user_trigrams CROSS JOIN derived_user_words w ON w.id = derived_user_trigrams.rowid
			WHERE derived_user_trigrams MATCH $1 AND (derived_user_trigrams.rowid & 63) BETWEEN $2 AND $3 LIMIT $4`, expression, min(shortest, longest), most63, most)
		some, err := sqldb.Collect(rows, err, scanWord)
		all = append(all, some...)
		return err
	}
	err = within(p.Whole, len([]rune(p.Whole)), longest)
	if err == nil && p.Middle != "" {
		err = within(p.Middle, p.Shortest, min(p.Longest, longest))
	}
	return all, err
}

// wordsWithPostgres asks once. A spelling has no character that means something
// to LIKE. What is MATERIALIZED is planned without its LIMIT, which would have
// PostgreSQL read the table through in the hope of an early end; and a size plus
// nothing is not looked for in the index that begins with it.
func (s *Store) wordsWithPostgres(ctx context.Context, p alike.Pieces, most int) ([]string, error) {
	forwards, backwards := ends(p)
	arrays := func(of []piece) (sizes []int64, from, to []string) {
		for _, one := range of {
			sizes, from, to = append(sizes, int64(one.size)), append(from, one.from), append(to, one.to)
		}
		return sizes, from, to
	}
	fs, ff, ft := arrays(forwards)
	bs, bf, bt := arrays(backwards)
	text := `SELECT f.word FROM unnest($1::bigint[], $2::text[], $3::text[]) p (size, a, z) CROSS JOIN LATERAL (
			SELECT w.word FROM derived_user_words w WHERE w.size = p.size AND w.word >= p.a AND w.word < p.z ORDER BY w.word LIMIT $7) f
		UNION ALL
		SELECT b.word FROM unnest($4::bigint[], $5::text[], $6::text[]) p (size, a, z) CROSS JOIN LATERAL (
			SELECT w.word FROM derived_user_words w WHERE w.size = p.size AND w.reversed >= p.a AND w.reversed < p.z ORDER BY w.reversed LIMIT $7) b
		UNION ALL
		(WITH found AS MATERIALIZED (SELECT w.word FROM derived_user_words w WHERE w.spelling LIKE $8) SELECT word FROM found LIMIT $7)`
	args := []any{fs, ff, ft, bs, bf, bt, most, `%` + alike.Spell(p.Whole) + `%`}
	if p.Middle != "" {
		text += ` UNION ALL
		(WITH found AS MATERIALIZED (SELECT w.word FROM derived_user_words w WHERE w.spelling LIKE $9 AND w.size + 0 BETWEEN $10 AND $11)
			SELECT word FROM found LIMIT $7)`
		args = append(args, `%`+alike.Spell(p.Middle)+`%`, p.Shortest, p.Longest)
	}
	rows, err := s.db.Query(ctx, text, args...)
	return sqldb.Collect(rows, err, scanWord)
}

var errElsewhere = errors.New("usersql: another node indexes")
