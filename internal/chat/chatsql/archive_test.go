package chatsql_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/chat/chatsql"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func nobody(string, int) {}

func TestAnArchiveIsTheSameAsItself(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		chattest.Populate(t, setup(t, db), 1, 150)
		archive := chatsql.NewArchive(db)
		n := map[string]int{}
		sums, err := chat.CompareArchives(t.Context(), archive, archive, func(part string, more int) { n[part] += more })
		if err != nil || len(sums) != 6 {
			t.Fatal(sums, err)
		}
		sizes, err := archive.Sizes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, sum := range sums {
			if want := sizes[sum.Part]; sum.Count != want || int64(n[sum.Part]) != want || want == 0 {
				t.Errorf("%+v: %d were told, the tables have %d", sum, n[sum.Part], want)
			}
		}
	})
}

// Columns that archives need not tell: what is in them is in others.
var untold = map[string]string{
	"chat_position.id": "the only row's",

	// What channels are found by follows from their names.
	"chat_channel.place": "name", "chat_channel.conversation": "id",
	"chat_channel_term.term": "name", "chat_channel_term.conversation": "id",
}

// A column that a migration adds must get into the archive, else a store that
// is filled from it would lack it: no value may change without notice.
func TestAChangedValueInAnyColumnIsNoticed(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t)
	chattest.Populate(t, setup(t, db), 2, 120)
	original := filepath.Join(t.TempDir(), "original")
	copyOf(t, db, original)
	for _, column := range columnsOf(t, db) {
		if untold[column] != "" {
			continue
		}
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			left, right := reopen(t, original, ""), reopen(t, original, column)
			_, err := chat.CompareArchives(t.Context(), chatsql.NewArchive(left), chatsql.NewArchive(right), nobody)
			if err == nil {
				t.Error("nobody would notice")
			}
		})
	}
}

func columnsOf(t testing.TB, db *sqldb.DB) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT t.name || '.' || c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name LIKE 'chat%' AND t.name <> 'chat_migrations'`)
	all, err := sqldb.Collect(rows, err, func(r sqldb.Row) (s string, err error) {
		err = r.Scan(&s)
		return s, err
	})
	if err != nil || len(all) < 50 {
		t.Fatal(all, err)
	}
	return all
}

func copyOf(t testing.TB, db *sqldb.DB, to string) {
	t.Helper()
	var from string
	if err := db.QueryRow(t.Context(), `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&from); err != nil {
		t.Fatal(err)
	}
	if err := sqldb.Copy(t.Context(), sqldb.CopyConfig{From: from, To: to, Relaxed: true}); err != nil {
		t.Fatal(err)
	}
}

// reopen opens a copy of a file, with one value of a column changed where one
// is named.
func reopen(t testing.TB, path, column string) *sqldb.DB {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := sqldb.Copy(t.Context(), sqldb.CopyConfig{From: path, To: to}); err != nil {
		t.Fatal(err)
	}
	if column != "" {
		spoil(t, to, column)
	}
	return sqldbtest.Open(t, sqldb.Config{Path: to, Relaxed: true})
}

// spoil changes one value of a column, as a bug or a bad disk would.
func spoil(t testing.TB, path, column string) {
	t.Helper()
	db, err := sql.Open("sqlite", path) // which does not check references
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	table, name, _ := strings.Cut(column, ".")
	var kind string
	err = db.QueryRowContext(t.Context(), fmt.Sprintf(`SELECT typeof(%s) FROM %s WHERE %s IS NOT NULL`, name, table, name)).Scan(&kind)
	if err != nil {
		t.Fatalf("there is nothing to change: %v", err)
	}
	value := map[string]string{"integer": name + " + 1000003", "text": name + " || 'x'", "blob": "randomblob(16)"}[kind]
	res, err := db.ExecContext(t.Context(), fmt.Sprintf(
		`UPDATE %[1]s SET %[2]s = %[3]s WHERE rowid = (SELECT max(rowid) FROM %[1]s WHERE %[2]s IS NOT NULL)`, table, name, value))
	if err != nil {
		t.Fatalf("change %s: %v", column, err)
	}
	if n, err := res.RowsAffected(); n != 1 {
		t.Fatalf("%d rows were changed, %v", n, err)
	}
}
