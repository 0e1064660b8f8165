package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

const things = "CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL)"

var errRefused = errors.New("refused")

func setup(t *testing.T, db *sqldb.DB) *sqldb.Lane {
	t.Helper()
	mustExec(t, db, things)
	return db.Lane("test")
}

func add(tx *sqldb.Tx, id int64) error {
	_, err := tx.Exec(context.Background(), "INSERT INTO things (id, name) VALUES ($1, $2)", id, fmt.Sprint("thing ", id))
	return err
}

func thingsOf(t *testing.T, q sqldb.Querier) []int64 {
	t.Helper()
	rows, err := q.Query(t.Context(), "SELECT id FROM things ORDER BY id")
	all, err := sqldb.Collect(rows, err, func(r sqldb.Row) (id int64, err error) { return id, r.Scan(&id) })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// hold keeps the lane busy until the returned function is called, so that what
// is given to it meanwhile comes together.
func hold(t *testing.T, l *sqldb.Lane) (release func()) {
	t.Helper()
	begun, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- l.Write(context.Background(), func(*sqldb.Tx) error {
			close(begun)
			<-gate
			return nil
		})
	}()
	<-begun
	return func() {
		t.Helper()
		close(gate)
		if err := <-done; err != nil {
			t.Errorf("the job that held the lane: %v", err)
		}
	}
}

// together gives the lane jobs in this order while it is held, and returns
// their errors.
func together(t *testing.T, db *sqldb.DB, l *sqldb.Lane, jobs ...func() error) []error {
	t.Helper()
	release := hold(t, l)
	result := make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, fn := range jobs {
		wg.Go(func() { result[i] = fn() })
		waitFor(func() bool { return db.Stats().Queue == i+1 })
	}
	release()
	wg.Wait()
	return result
}

// waitFor spins until ok: what is waited for is on its way.
func waitFor(ok func() bool) {
	for !ok() {
		yield()
	}
}

func TestJobsThatComeTogetherShareOneCommitInOrder(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		l := setup(t, db)
		before := db.Stats()
		var order []int64
		var jobs []func() error
		for id := range int64(10) {
			jobs = append(jobs, func() error {
				return l.Write(t.Context(), func(tx *sqldb.Tx) error {
					tx.AfterCommit(func() { order = append(order, id) })
					return add(tx, id)
				})
			})
		}
		for i, err := range together(t, db, l, jobs...) {
			if err != nil {
				t.Errorf("job %d: %v", i, err)
			}
		}
		want := []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
		if got := thingsOf(t, db); !slices.Equal(got, want) {
			t.Errorf("stored %v", got)
		}
		if !slices.Equal(order, want) {
			t.Errorf("called back in the order %v", order)
		}
		if n := db.Stats().Commits - before.Commits; n != 2 {
			t.Errorf("%d commits instead of the holding job's and one", n)
		}
	})
}

func TestAFailingJobUndoesOnlyItself(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		fail func(tx *sqldb.Tx) error
		want string
	}{
		{"by its own error", func(*sqldb.Tx) error { return errRefused }, "refused"},
		{"by a panic", func(*sqldb.Tx) error { panic("oh") }, "panic in a database job: oh"},
		{"by a statement", func(tx *sqldb.Tx) error { return add(tx, 1) }, "unique key"},
		{"by a statement whose error it hides", func(tx *sqldb.Tx) error { _ = add(tx, 1); return nil }, "unique key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
				l := setup(t, db)
				var undone, kept int
				job := func(id int64, fail func(*sqldb.Tx) error) func() error {
					return func() error {
						return l.Write(t.Context(), func(tx *sqldb.Tx) error {
							tx.AfterCommit(func() { kept++ })
							tx.OnRollback(func() { undone++ })
							return errors.Join(add(tx, id), fail(tx))
						})
					}
				}
				good := func(*sqldb.Tx) error { return nil }
				errs := together(t, db, l, job(1, good), job(2, tc.fail), job(3, good))
				if errs[0] != nil || errs[2] != nil {
					t.Errorf("the neighbours failed: %v, %v", errs[0], errs[2])
				}
				if errs[1] == nil || !strings.Contains(errs[1].Error(), tc.want) {
					t.Errorf("the failing job got %v", errs[1])
				}
				// And again with nobody beside it.
				if err := job(4, tc.fail)(); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("alone the failing job got %v", err)
				}
				if got := thingsOf(t, db); !slices.Equal(got, []int64{1, 3}) {
					t.Errorf("stored %v", got)
				}
				if kept != 2 || undone != 2 {
					t.Errorf("%d kept, %d undone", kept, undone)
				}
			})
		})
	}
}

func TestAfterAFailedStatementNothingMoreRuns(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		setup(t, db)
		mustExec(t, db, "INSERT INTO things (id, name) VALUES (1, 'one')")
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			if err := add(tx, 1); !errors.Is(err, sqldb.ErrUnique) {
				t.Errorf("the second insert: %v", err)
			}
			if err := add(tx, 2); err == nil {
				t.Error("a statement ran after a failed one")
			}
			return nil
		})
		if !errors.Is(err, sqldb.ErrUnique) {
			t.Errorf("the job: %v", err)
		}
		if got := thingsOf(t, db); !slices.Equal(got, []int64{1}) {
			t.Errorf("stored %v", got)
		}
	})
}

func TestACallerWhoGivesUpBeforeHisTurnIsSkipped(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		l := setup(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		errs := together(t, db, l,
			func() error { return l.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, 1) }) },
			func() error {
				go func() { // once it waits
					waitFor(func() bool { return db.Stats().Queue == 2 })
					cancel()
				}()
				return l.Write(ctx, func(tx *sqldb.Tx) error { return add(tx, 2) })
			},
			func() error {
				<-ctx.Done()
				return l.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, 3) })
			})
		if errs[0] != nil || !errors.Is(errs[1], context.Canceled) || errs[2] != nil {
			t.Errorf("got %v", errs)
		}
		if err := l.Write(ctx, func(tx *sqldb.Tx) error { return add(tx, 4) }); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that had ended: %v", err)
		}
		if got := thingsOf(t, db); !slices.Equal(got, []int64{1, 3}) {
			t.Errorf("stored %v", got)
		}
	})
}

func TestACallerWhoseJobHasBegunLearnsItsEnd(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		l := setup(t, db)
		for id, write := range []func(context.Context, func(*sqldb.Tx) error) error{l.Write, db.Write} {
			ctx, cancel := context.WithCancel(t.Context())
			err := write(ctx, func(tx *sqldb.Tx) error {
				cancel()
				return add(tx, int64(id))
			})
			if err != nil {
				t.Errorf("write %d: %v", id, err)
			}
		}
		if got := thingsOf(t, db); !slices.Equal(got, []int64{0, 1}) {
			t.Errorf("stored %v", got)
		}
	})
}

func TestAFullQueueMakesCallersWaitAsLongAsTheyLike(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, sqldb.Config{Path: t.TempDir() + "/x.db", Queue: 2})
	l := setup(t, db)
	release := hold(t, l)
	var wg sync.WaitGroup
	for id := range int64(2) {
		wg.Go(func() {
			if err := l.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, id) }); err != nil {
				t.Error(err)
			}
		})
	}
	waitFor(func() bool { return db.Stats().Queue == 2 })
	late := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { late <- l.Write(ctx, func(tx *sqldb.Tx) error { return add(tx, 2) }) }()
	cancel()
	if err := <-late; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up outside the queue got %v", err)
	}
	wg.Go(func() {
		if err := l.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, 3) }); err != nil {
			t.Error(err)
		}
	})
	release()
	wg.Wait()
	if got := thingsOf(t, db); !slices.Equal(got, []int64{0, 1, 3}) {
		t.Errorf("stored %v", got)
	}
}

func TestCloseCommitsWhatWaits(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/x.db"
	db := sqldbtest.Open(t, sqldb.Config{Path: path})
	l := setup(t, db)
	release := hold(t, l)
	errs := make(chan error, 3)
	for id := range int64(3) {
		go func() { errs <- l.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, id) }) }()
	}
	waitFor(func() bool { return db.Stats().Queue == 3 })
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	release()
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := l.Write(t.Context(), func(*sqldb.Tx) error { return nil }); !errors.Is(err, sqldb.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if got := thingsOf(t, sqldbtest.Open(t, sqldb.Config{Path: path})); len(got) != 3 {
		t.Errorf("stored %v", got)
	}
}

func TestReadsThenWritesOfOneJobAreNotInterleaved(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		setup(t, db)
		mustExec(t, db, "INSERT INTO things (id, name) VALUES (1, '')")
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
					var name string
					if err := tx.QueryRow(t.Context(), "SELECT name FROM things WHERE id = 1").Scan(&name); err != nil {
						return err
					}
					_, err := tx.Exec(t.Context(), "UPDATE things SET name = $1 WHERE id = 1", name+"x")
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var name string
		if err := db.QueryRow(t.Context(), "SELECT name FROM things WHERE id = 1").Scan(&name); err != nil || len(name) != 40 {
			t.Errorf("%d of 40 changes, %v", len(name), err)
		}
	})
}

func TestAPanicInACallbackDoesNotEndTheLane(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		l := setup(t, db)
		for id := range int64(2) {
			err := l.Write(t.Context(), func(tx *sqldb.Tx) error {
				tx.AfterCommit(func() { panic("oh") })
				return add(tx, id)
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}
