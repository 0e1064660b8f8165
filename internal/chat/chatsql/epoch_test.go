package chatsql_test

import (
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func TestARenewedEpochIsAnotherAndStays(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := setup(t, db)
		if err := s.RenewEpoch(t.Context()); err != nil { // of data without a position
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for range 3 {
			epoch, pos, err := s.Position(t.Context())
			if err != nil || epoch == "" || seen[epoch] {
				t.Errorf("epoch %q, position %d, %v", epoch, pos, err)
			}
			again, same, err := setup(t, db).Position(t.Context())
			if err != nil || again != epoch || same != pos {
				t.Errorf("another store has epoch %q, position %d, %v", again, same, err)
			}
			seen[epoch] = true
			if err := s.RenewEpoch(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
