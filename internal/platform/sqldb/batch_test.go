package sqldb_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func TestItemsOfManyCallersAreAppliedByOneCall(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		l := setup(t, db)
		var calls []int
		b := sqldb.NewBatcher(l, 4, func(tx *sqldb.Tx, items []*sqldb.Item[int64]) error {
			calls = append(calls, len(items))
			for _, it := range items {
				if it.Value == 3 {
					it.Err = errRefused
					continue
				}
				if err := add(tx, it.Value); err != nil {
					return err
				}
				it.Value *= 100
			}
			return nil
		})
		var jobs []func() error
		for id := range int64(6) {
			jobs = append(jobs, func() error {
				got, err := b.Do(t.Context(), id)
				if err == nil && got != id*100 {
					return fmt.Errorf("got %d back for %d", got, id)
				}
				return err
			})
		}
		for id, err := range together(t, db, l, jobs...) {
			if (id == 3) != errors.Is(err, errRefused) {
				t.Errorf("item %d: %v", id, err)
			}
		}
		if !slices.Equal(calls, []int{4, 2}) {
			t.Errorf("apply was called with %v items", calls)
		}
		if got := thingsOf(t, db); !slices.Equal(got, []int64{0, 1, 2, 4, 5}) {
			t.Errorf("stored %v", got)
		}
	})
}

func TestAnItemThatSpoilsItsBatchFailsAlone(t *testing.T) {
	t.Parallel()
	for _, neighbour := range []bool{false, true} {
		t.Run(fmt.Sprint("beside a job: ", neighbour), func(t *testing.T) {
			t.Parallel()
			sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
				l := setup(t, db)
				mustExec(t, db, "INSERT INTO things (id, name) VALUES (2, 'there')")
				var undone int
				b := sqldb.NewBatcher(l, 10, func(tx *sqldb.Tx, items []*sqldb.Item[int64]) error {
					tx.OnRollback(func() { undone++ })
					for _, it := range items {
						if it.Value == 4 {
							panic("four")
						}
						if err := add(tx, it.Value); err != nil {
							return err
						}
						it.Value++ // it must come from the caller's again
					}
					return nil
				})
				jobs := make([]func() error, 0, 6)
				for id := range int64(5) {
					jobs = append(jobs, func() error {
						got, err := b.Do(t.Context(), id)
						if err == nil && got != id+1 {
							return fmt.Errorf("got %d back for %d", got, id)
						}
						return err
					})
				}
				if neighbour {
					jobs = append(jobs, func() error {
						return l.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, 10) })
					})
				}
				errs := together(t, db, l, jobs...)
				for id, err := range errs {
					if (err != nil) != (id == 2 || id == 4) {
						t.Errorf("item %d: %v", id, err)
					}
				}
				if !errors.Is(errs[2], sqldb.ErrUnique) {
					t.Errorf("the double one got %v", errs[2])
				}
				want := []int64{0, 1, 2, 3}
				if neighbour {
					want = append(want, 10)
				}
				if got := thingsOf(t, db); !slices.Equal(got, want) {
					t.Errorf("stored %v", got)
				}
				if undone != 3 {
					t.Errorf("%d parts undone instead of the batch and two items", undone)
				}
			})
		})
	}
}
