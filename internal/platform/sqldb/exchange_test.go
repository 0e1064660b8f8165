package sqldb_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

// later adds a thing with a statement that nobody waits for.
func later(t *testing.T, tx *sqldb.Tx, id int64) error {
	t.Helper()
	return tx.Later(t.Context(), "INSERT INTO things (id, name) VALUES ($1, $2)", id, fmt.Sprint("thing ", id))
}

func TestStatementsThatNobodyWaitsForRunInOrder(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		l := setup(t, db)
		for range 3 { // the first one's connection is new, the others' is proven
			err := l.Write(t.Context(), func(tx *sqldb.Tx) error {
				if err := tx.Later(t.Context(), "DELETE FROM things"); err != nil {
					return err
				}
				for id := range int64(3) {
					if err := later(t, tx, id); err != nil {
						return err
					}
				}
				var names []string
				var n int
				if err := tx.Answers(t.Context(), sqldb.Question{
					Text: "SELECT name FROM things WHERE id > $1 ORDER BY id", Args: []any{0},
					Each: func(r sqldb.Row) error {
						var name string
						err := r.Scan(&name)
						names = append(names, name)
						return err
					},
				}, sqldb.Question{
					Text: "SELECT count(*) FROM things",
					Each: func(r sqldb.Row) error { return r.Scan(&n) },
				}); err != nil {
					return err
				}
				if !slices.Equal(names, []string{"thing 1", "thing 2"}) || n != 3 {
					t.Errorf("%v, %d things", names, n)
				}
				if changed, err := tx.Exec(t.Context(), "DELETE FROM things WHERE id > 0"); err != nil || changed != 2 {
					t.Errorf("%d deleted, %v", changed, err)
				}
				return later(t, tx, 7)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := thingsOf(t, db); !slices.Equal(got, []int64{0, 7}) {
				t.Errorf("stored %v", got)
			}
		}
	})
}

func TestAStatementThatNobodyWaitedForFailsItsJobAlone(t *testing.T) {
	t.Parallel()
	for name, jobs := range map[string]int{"alone": 0, "beside others": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
				l := setup(t, db)
				mustExec(t, db, "INSERT INTO things (id, name) VALUES (1, 'there')")
				var undone, done int
				all := []func() error{func() error {
					return l.Write(t.Context(), func(tx *sqldb.Tx) error {
						tx.OnRollback(func() { undone++ })
						tx.AfterCommit(func() { done++ })
						return errors.Join(later(t, tx, 5), later(t, tx, 1), later(t, tx, 6))
					})
				}}
				for id := range int64(jobs) {
					all = append(all, func() error {
						return l.Write(t.Context(), func(tx *sqldb.Tx) error { return later(t, tx, 10+id) })
					})
				}
				want := []int64{1}
				for i, err := range together(t, db, l, all...) {
					if i == 0 {
						if !errors.Is(err, sqldb.ErrUnique) {
							t.Errorf("the bad job: %v", err)
						}
						continue
					}
					if err != nil {
						t.Errorf("job %d: %v", i, err)
					}
					want = append(want, int64(9+i))
				}
				if got := thingsOf(t, db); !slices.Equal(got, want) {
					t.Errorf("stored %v", got)
				}
				if undone == 0 || done != 0 {
					t.Errorf("undone %d times, done %d times", undone, done)
				}
				if err := l.Write(t.Context(), func(tx *sqldb.Tx) error { return later(t, tx, 99) }); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

func TestAnItemWhoseStatementFailsLaterFailsAlone(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		l := setup(t, db)
		mustExec(t, db, "INSERT INTO things (id, name) VALUES (2, 'there')")
		b := sqldb.NewBatcher(l, 10, func(tx *sqldb.Tx, items []*sqldb.Item[int64]) error {
			for _, it := range items {
				if err := later(t, tx, it.Value); err != nil {
					return err
				}
			}
			return nil
		})
		var jobs []func() error
		for id := range int64(5) {
			jobs = append(jobs, func() error {
				_, err := b.Do(t.Context(), id)
				return err
			})
		}
		for id, err := range together(t, db, l, jobs...) {
			if (id == 2) != errors.Is(err, sqldb.ErrUnique) || id != 2 && err != nil {
				t.Errorf("item %d: %v", id, err)
			}
		}
		if got := thingsOf(t, db); !slices.Equal(got, []int64{0, 1, 2, 3, 4}) {
			t.Errorf("stored %v", got)
		}
	})
}

// What items are told by answers that come with the commit is theirs, an error
// too, and is there before whoever is told of the commit.
func TestAnswersThatComeWithTheCommitReachTheirItems(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		l := setup(t, db)
		told := 0
		b := sqldb.NewBatcher(l, 10, func(tx *sqldb.Tx, items []*sqldb.Item[int64]) error {
			all := slices.Clone(items)
			sum := int64(0)
			tx.AfterCommit(func() {
				for _, it := range all {
					if it.Err == nil {
						sum += it.Value
					}
				}
				told += int(sum)
			})
			for _, it := range all {
				if err := later(t, tx, it.Value); err != nil {
					return err
				}
				err := tx.AnswersLater(t.Context(), sqldb.Question{
					Text: "SELECT 100 + id FROM things WHERE id = $1", Args: []any{it.Value},
					Each: func(r sqldb.Row) error {
						if it.Value == 2 {
							it.Err = errRefused
						}
						return r.Scan(&it.Value)
					},
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		got := make([]int64, 5)
		var jobs []func() error
		for id := range int64(5) {
			jobs = append(jobs, func() (err error) {
				got[id], err = b.Do(t.Context(), id)
				return err
			})
		}
		for id, err := range together(t, db, l, jobs...) {
			if (id == 2) != errors.Is(err, errRefused) || id != 2 && err != nil {
				t.Errorf("item %d: %v", id, err)
			}
		}
		if !slices.Equal(got, []int64{100, 101, 102, 103, 104}) || told != 100+101+103+104 {
			t.Errorf("got %v, told of %d", got, told)
		}
	})
}

func TestAJobThatDoesNothingIsCommitted(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		l := setup(t, db)
		for range 3 {
			done := false
			err := l.Write(t.Context(), func(tx *sqldb.Tx) error {
				tx.AfterCommit(func() { done = true })
				return nil
			})
			if err != nil || !done {
				t.Errorf("done: %v, %v", done, err)
			}
			if err := l.Write(t.Context(), func(*sqldb.Tx) error { return errRefused }); !errors.Is(err, errRefused) {
				t.Error(err)
			}
		}
	})
}
