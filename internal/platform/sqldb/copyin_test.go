package sqldb_test

import (
	"bytes"
	"database/sql"
	"errors"
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func TestRowsAreCopiedInAllOrNone(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		mustExec(t, db, "CREATE TABLE kinds (id BIGINT PRIMARY KEY, small INTEGER, name TEXT, data BYTEA)")
		columns := []string{"name", "id", "data", "small"}
		copyIn := func(rows ...[]any) error {
			return db.Lane("copy").Write(t.Context(), func(tx *sqldb.Tx) error {
				return tx.CopyIn(t.Context(), "kinds", columns, rows)
			})
		}
		if err := copyIn([]any{"tab\tand \\N", int64(1), []byte{0, 1, 0xff}, int64(7)}, []any{nil, int64(2), nil, nil}); err != nil {
			t.Fatal(err)
		}
		if err := copyIn([]any{"three", int64(3), nil, nil}, []any{"again", int64(1), nil, nil}); !errors.Is(err, sqldb.ErrUnique) {
			t.Errorf("a key that is taken: %v", err)
		}
		var n, small int64
		var name sql.NullString
		var data []byte
		if err := db.QueryRow(t.Context(), "SELECT count(*) FROM kinds").Scan(&n); err != nil || n != 2 {
			t.Errorf("%d rows, %v", n, err)
		}
		err := db.QueryRow(t.Context(), "SELECT name, data, small FROM kinds WHERE id = 1").Scan(&name, &data, &small)
		if err != nil || name.String != "tab\tand \\N" || !bytes.Equal(data, []byte{0, 1, 0xff}) || small != 7 {
			t.Errorf("%q %x %d, %v", name.String, data, small, err)
		}
		err = db.QueryRow(t.Context(), "SELECT name, data FROM kinds WHERE id = 2").Scan(&name, &data)
		if err != nil || name.Valid || data != nil {
			t.Errorf("%v %x, %v", name, data, err)
		}
	})
}
