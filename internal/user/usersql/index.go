package usersql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"chatd/internal/platform/alike"
	"chatd/internal/platform/sqldb"
	"chatd/internal/user"
)

// addNames takes somebody into the index; what is there of it stays.
func (s *Store) addNames(ctx context.Context, tx *sqldb.Tx, username, folded string) error {
	words := user.Words(folded)
	if len(words) == 0 {
		return nil
	}
	if s.db.Engine() == sqldb.PostgreSQL {
		return addNamesPostgres(ctx, tx, words, username, folded)
	}
	for _, w := range words {
		_, err := tx.Exec(ctx, `INSERT INTO derived_user_entries (word, username, names) VALUES ($1, $2, $3)
			ON CONFLICT (word, username) DO NOTHING`, w, username, folded)
		if err != nil {
			return fmt.Errorf("insert an entry: %w", err)
		}
		if !user.IsTerm(w) {
			continue
		}
		size := utf8.RuneCountInString(w)
		var id int64
		err = tx.QueryRow(ctx, `INSERT INTO derived_user_words (id, size, word, reversed)
			SELECT ((coalesce((SELECT max(id) FROM derived_user_words), 0) >> 6) + 1) << 6 | min($1, 63), $1, $2, $3
			WHERE true ON CONFLICT (size, word) DO NOTHING RETURNING id`, size, w, alike.Reverse(w)).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err == nil && size >= alike.Gram {
			_, err = tx.Exec(ctx, `INSERT INTO derived_user_trigrams (rowid, spelling) VALUES ($1, $2)`, id, alike.Spell(w))
		}
		if err != nil {
			return fmt.Errorf("insert a word: %w", err)
		}
	}
	return nil
}

// addNamesPostgres holds the words that are there already, so that who takes
// the last entry of one out does not take the word with it.
func addNamesPostgres(ctx context.Context, tx *sqldb.Tx, words []string, username, folded string) error {
	_, err := tx.Exec(ctx, `INSERT INTO derived_user_entries (word, username, names)
		SELECT unnest($1::text[]), $2, $3 ON CONFLICT (word, username) DO NOTHING`, words, username, folded)
	if err != nil {
		return fmt.Errorf("insert entries: %w", err)
	}
	terms := slices.DeleteFunc(words, func(w string) bool { return !user.IsTerm(w) })
	sizes, reversed, spelt := make([]int64, len(terms)), make([]string, len(terms)), make([]string, len(terms))
	for i, w := range terms {
		sizes[i], reversed[i], spelt[i] = int64(utf8.RuneCountInString(w)), alike.Reverse(w), alike.Spell(w)
	}
	_, err = tx.Exec(ctx, `INSERT INTO derived_user_words (size, word, reversed, spelling)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
		ON CONFLICT (size, word) DO UPDATE SET word = excluded.word WHERE false`, sizes, terms, reversed, spelt)
	if err != nil {
		return fmt.Errorf("insert words: %w", err)
	}
	return nil
}

// rename has somebody be found by his new names, and by the old ones no more.
func (s *Store) rename(ctx context.Context, tx *sqldb.Tx, before, p user.Profile) error {
	was, is := user.FoldNames(before.Username, before.DisplayName), user.FoldNames(p.Username, p.DisplayName)
	if was == is && before.Username == p.Username {
		return nil
	}
	words := user.Words(was)
	if err := removeEntries(ctx, tx, before.Username, words); err != nil {
		return err
	}
	if err := s.addNames(ctx, tx, p.Username, is); err != nil {
		return err
	}
	return s.removeWords(ctx, tx, words, user.Words(is))
}

// unname has somebody be found by no name any more.
func (s *Store) unname(ctx context.Context, tx *sqldb.Tx, p user.Profile) error {
	words := user.Words(user.FoldNames(p.Username, p.DisplayName))
	if err := removeEntries(ctx, tx, p.Username, words); err != nil {
		return err
	}
	return s.removeWords(ctx, tx, words, nil)
}

func removeEntries(ctx context.Context, tx *sqldb.Tx, username string, words []string) error {
	for _, w := range words {
		if _, err := tx.Exec(ctx, `DELETE FROM derived_user_entries WHERE word = $1 AND username = $2`, w, username); err != nil {
			return fmt.Errorf("delete an entry: %w", err)
		}
	}
	return nil
}

// removeWords takes out words that have no entry, but for those that stay.
func (s *Store) removeWords(ctx context.Context, tx *sqldb.Tx, words, stays []string) error {
	for _, w := range words {
		if !user.IsTerm(w) || slices.Contains(stays, w) {
			continue
		}
		if err := s.removeWord(ctx, tx, w); err != nil {
			return fmt.Errorf("delete a word: %w", err)
		}
	}
	return nil
}

// removeWord takes a word out that has no entry.
func (s *Store) removeWord(ctx context.Context, tx *sqldb.Tx, w string) error {
	size := utf8.RuneCountInString(w)
	if s.db.Engine() == sqldb.PostgreSQL {
		// Who adds an entry holds the word: it is waited for, and then seen.
		var one int
		err := tx.QueryRow(ctx, `SELECT 1 FROM derived_user_words WHERE size = $1 AND word = $2 FOR UPDATE`, size, w).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			_, err = tx.Exec(ctx, `DELETE FROM derived_user_words WHERE size = $1 AND word = $2
				AND NOT EXISTS (SELECT 1 FROM derived_user_entries WHERE word = $2)`, size, w)
		}
		return err
	}
	var id int64
	err := tx.QueryRow(ctx, `DELETE FROM derived_user_words WHERE size = $1 AND word = $2
		AND NOT EXISTS (SELECT 1 FROM derived_user_entries WHERE word = $2) RETURNING id`, size, w).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil && size >= alike.Gram {
		_, err = tx.Exec(ctx, `INSERT INTO derived_user_trigrams (derived_user_trigrams, rowid, spelling)
			VALUES ('delete', $1, $2)`, id, alike.Spell(w))
	}
	return err
}

// IndexNames implements user.Store.
func (s *Store) IndexNames(ctx context.Context, limit int) (done bool, err error) {
	take := ""
	if s.db.Engine() == sqldb.PostgreSQL {
		take = " FOR UPDATE SKIP LOCKED"
	}
	// What need not be done is not begun: most starts find all done.
	var edition string
	var is int64
	err = s.db.QueryRow(ctx, `SELECT edition, done FROM derived_user_indexed WHERE id = 1`).Scan(&edition, &is)
	if err != nil || is == 1 && edition == user.NamesEdition {
		return err == nil, err
	}
	err = s.db.Lane("search").Write(ctx, func(tx *sqldb.Tx) error {
		done = false
		var last []byte
		err := tx.QueryRow(ctx, `SELECT last, edition, done FROM derived_user_indexed WHERE id = 1`+take).Scan(&last, &edition, &is)
		if errors.Is(err, sql.ErrNoRows) {
			return errElsewhere
		}
		if err != nil {
			return err
		}
		if edition != user.NamesEdition {
			if emptied, err := s.empty(ctx, tx, 20*limit); err != nil || !emptied {
				return err
			}
			last = nil
		}
		some, err := unindexed(ctx, tx, last, limit, s.db.Engine() == sqldb.PostgreSQL)
		if err != nil {
			return err
		}
		for _, p := range some {
			last = p.ID.Bytes()
			if err := s.addNames(ctx, tx, p.Username, user.FoldNames(p.Username, p.DisplayName)); err != nil {
				return err
			}
		}
		is = 0
		if done = len(some) < limit; done {
			is = 1
		}
		if last == nil {
			last = []byte{}
		}
		_, err = tx.Exec(ctx, `UPDATE derived_user_indexed SET last = $1, edition = $2, done = $3 WHERE id = 1`, last, user.NamesEdition, is)
		return err
	})
	if errors.Is(err, errElsewhere) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("index names: %w", err)
	}
	return done, nil
}

// unindexed are the next profiles, which nobody changes until the commit.
func unindexed(ctx context.Context, tx *sqldb.Tx, after []byte, limit int, lock bool) ([]user.Profile, error) {
	text := `SELECT p.id, p.username, p.display_name FROM user_profiles p WHERE p.id > $1 AND p.deleted_at = 0 ORDER BY p.id LIMIT $2`
	if lock {
		text += ` FOR SHARE`
	}
	if after == nil {
		after = []byte{}
	}
	rows, err := tx.Query(ctx, text, after, limit)
	return sqldb.Collect(rows, err, func(row sqldb.Row) (p user.Profile, err error) {
		err = row.Scan(&p.ID, &p.Username, &p.DisplayName)
		return p, err
	})
}

// empty takes the index away, or so much of it, and says whether none is left.
func (s *Store) empty(ctx context.Context, tx *sqldb.Tx, most int) (bool, error) {
	texts := []string{
		`DELETE FROM derived_user_entries WHERE (word, username) IN (SELECT word, username FROM derived_user_entries LIMIT $1)`,
		`DELETE FROM derived_user_words WHERE (size, word) IN (SELECT size, word FROM derived_user_words LIMIT $1)`,
	}
	for _, text := range texts {
		n, err := tx.Exec(ctx, text, most)
		if err != nil || n == int64(most) {
			return false, err
		}
	}
	if s.db.Engine() == sqldb.SQLite {
		_, err := tx.Exec(ctx, `INSERT INTO derived_user_trigrams (derived_user_trigrams) VALUES ('delete-all')`)
		return err == nil, err
	}
	return true, nil
}
