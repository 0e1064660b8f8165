package sqldbtest_test

import (
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func TestEveryTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	for range 3 {
		sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				_, err := tx.Exec(t.Context(), "CREATE TABLE t (n BIGINT PRIMARY KEY)")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
