package chatsql

import (
	"context"
	"strings"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/terms"
)

// fts5 is the index of words on SQLite. It keeps no text: to take a row out it
// must be told what is in it, which is what terms made of the text before.
type fts5 struct{}

// from has FTS5 walk its rows from the newest on, and CROSS JOIN keeps SQLite
// to that order, so that no more is looked at than the page needs.
func (fts5) from() (text, pos string) {
	return `derived_chat_search CROSS JOIN chat_message m ON m.pos = derived_chat_search.rowid
		WHERE derived_chat_search MATCH $2 AND derived_chat_search.rowid < $3`, `derived_chat_search.rowid`
}

// ask writes an expression of FTS5. Terms have no quotes in them.
func (fts5) ask(needs []terms.Need, rooms []ids.Conversation) string {
	var b strings.Builder
	for i, n := range needs {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString(`"` + n.Text + `"`)
		if n.Prefix {
			b.WriteString("*")
		}
	}
	for i, id := range rooms {
		b.WriteString([...]string{` AND ("`, ` OR "`}[min(i, 1)] + roomTerm(id) + `"`)
	}
	if len(rooms) > 0 {
		b.WriteString(")")
	}
	return b.String()
}

func (fts5) take() string { return "" }

func (fts5) empty(ctx context.Context, tx *sqldb.Tx, _ int) (bool, error) {
	_, err := tx.Exec(ctx, `INSERT INTO derived_chat_search (derived_chat_search) VALUES ('delete-all')`)
	return true, err
}

func (fts5) add(ctx context.Context, tx *sqldb.Tx, of []indexed) error {
	for _, d := range of {
		if len(d.words) == 0 {
			continue
		}
		_, err := tx.Exec(ctx, `INSERT INTO derived_chat_search (rowid, words) VALUES ($1, $2)`, d.pos, strings.Join(d.terms(), " "))
		if err != nil {
			return err
		}
	}
	return nil
}

func (f fts5) replace(ctx context.Context, tx *sqldb.Tx, before, now indexed, there bool) error {
	if !there {
		return nil // It is taken in as it is when its turn comes.
	}
	if len(before.words) > 0 {
		_, err := tx.Exec(ctx, `INSERT INTO derived_chat_search (derived_chat_search, rowid, words) VALUES ('delete', $1, $2)`,
			before.pos, strings.Join(before.terms(), " "))
		if err != nil {
			return err
		}
	}
	return f.add(ctx, tx, []indexed{now})
}

// tsvector is the index of words on PostgreSQL. A message that is revised gets
// its row at once, and whoever indexes the text of before then leaves it alone:
// so neither has to wait for the other.
type tsvector struct{}

func (tsvector) from() (text, pos string) {
	return `derived_chat_search s JOIN chat_message m ON m.pos = s.pos WHERE s.words @@ $2::tsquery AND s.pos < $3`, `s.pos`
}

// ask writes a tsquery. Terms have neither quotes nor backslashes in them.
func (tsvector) ask(needs []terms.Need, rooms []ids.Conversation) string {
	var b strings.Builder
	for i, n := range needs {
		if i > 0 {
			b.WriteString(" & ")
		}
		b.WriteString(`'` + n.Text + `'`)
		if n.Prefix {
			b.WriteString(":*")
		}
	}
	for i, id := range rooms {
		b.WriteString([...]string{` & ('`, ` | '`}[min(i, 1)] + roomTerm(id) + `'`)
	}
	if len(rooms) > 0 {
		b.WriteString(")")
	}
	return b.String()
}

func (tsvector) take() string { return " FOR UPDATE SKIP LOCKED" }

// empty does not TRUNCATE, which takes a right of its own.
func (tsvector) empty(ctx context.Context, tx *sqldb.Tx, most int) (bool, error) {
	n, err := tx.Exec(ctx, `DELETE FROM derived_chat_search WHERE pos IN (SELECT pos FROM derived_chat_search LIMIT $1)`, most)
	return n < int64(most), err
}

// Terms have no spaces, so they go as one text each.
const insertWords = `INSERT INTO derived_chat_search (pos, words)
	SELECT n.pos, array_to_tsvector(string_to_array(n.words, ' ')) FROM unnest($1::bigint[], $2::text[]) AS n (pos, words)
	ON CONFLICT (pos) DO `

func (tsvector) add(ctx context.Context, tx *sqldb.Tx, of []indexed) error {
	if len(of) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, insertWords+`NOTHING`, column(of, func(d indexed) int64 { return d.pos }),
		column(of, func(d indexed) string { return strings.Join(d.terms(), " ") }))
	return err
}

func (tsvector) replace(ctx context.Context, tx *sqldb.Tx, _, now indexed, _ bool) error {
	_, err := tx.Exec(ctx, insertWords+`UPDATE SET words = excluded.words`,
		[]int64{now.pos}, []string{strings.Join(now.terms(), " ")})
	return err
}
