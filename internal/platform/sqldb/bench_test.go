package sqldb_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

// The benchmarks stand for durable sends: one row of some 200 bytes each, with
// synchronous=FULL (PostgreSQL: as sqldbtest starts it, without fsync).

const benchTable = "CREATE TABLE bench (id BIGINT PRIMARY KEY, room BIGINT NOT NULL, text TEXT NOT NULL)"

var benchText = strings.Repeat("x", 180)

func benchDB(b *testing.B, cfg sqldb.Config) *sqldb.DB {
	b.Helper()
	if cfg.URL == "" {
		cfg.Path = filepath.Join(b.TempDir(), "bench.db")
	}
	db := sqldbtest.Open(b, cfg)
	mustExec(b, db, benchTable)
	return db
}

// insert writes all items with one statement.
func insert(tx *sqldb.Tx, items []*sqldb.Item[int64]) error {
	args := make([]any, 0, 3*len(items))
	for _, it := range items {
		args = append(args, it.Value, it.Value%400, benchText)
	}
	_, err := tx.Exec(context.Background(), insertText(len(items)), args...)
	return err
}

var insertTexts sync.Map

func insertText(rows int) string {
	if t, ok := insertTexts.Load(rows); ok {
		return t.(string)
	}
	var s strings.Builder
	s.WriteString("INSERT INTO bench (id, room, text) VALUES ")
	for i := range rows {
		if i > 0 {
			s.WriteString(", ")
		}
		for j := range 3 {
			s.WriteString([]string{"($", ", $", ", $"}[j] + strconv.Itoa(3*i+j+1))
		}
		s.WriteString(")")
	}
	insertTexts.Store(rows, s.String())
	return s.String()
}

func insertOne(tx *sqldb.Tx, items []*sqldb.Item[int64]) error {
	for _, it := range items {
		if _, err := tx.Exec(context.Background(), insertText(1), it.Value, it.Value%400, benchText); err != nil {
			return err
		}
	}
	return nil
}

// callers calls do from so many goroutines and reports what the commits held.
func callers(b *testing.B, db *sqldb.DB, n int, do func(id int64) error) {
	b.Helper()
	ids := make(chan int64, n)
	before := db.Stats()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for id := range ids {
				if err := do(id); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for id := range int64(b.N) {
		ids <- id
	}
	close(ids)
	wg.Wait()
	b.StopTimer()
	after := db.Stats()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
	if commits := after.Commits - before.Commits; commits > 0 {
		b.ReportMetric(float64(after.Jobs-before.Jobs)/float64(commits), "rows/commit")
	}
}

func batcher(db *sqldb.DB, apply func(*sqldb.Tx, []*sqldb.Item[int64]) error) func(int64) error {
	batch := sqldb.NewBatcher(db.Lane("bench"), 64, apply)
	return func(id int64) error {
		_, err := batch.Do(context.Background(), id)
		return err
	}
}

func BenchmarkBatcher64(b *testing.B) {
	b.Run("one statement", func(b *testing.B) {
		db := benchDB(b, sqldb.Config{})
		callers(b, db, 64, batcher(db, insert))
	})
	b.Run("a statement each", func(b *testing.B) {
		db := benchDB(b, sqldb.Config{})
		callers(b, db, 64, batcher(db, insertOne))
	})
	b.Run("postgres", func(b *testing.B) {
		db := benchDB(b, sqldb.Config{URL: sqldbtest.PostgresURL(b)})
		callers(b, db, 64, batcher(db, insert))
	})
}

func BenchmarkBatcherFewCallers(b *testing.B) {
	for _, n := range []int{1, 2, 4, 16} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			db := benchDB(b, sqldb.Config{})
			callers(b, db, n, batcher(db, insert))
		})
	}
}

func write(db *sqldb.DB) func(int64) error {
	return func(id int64) error {
		return db.Write(context.Background(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(context.Background(), insertText(1), id, id%400, benchText)
			return err
		})
	}
}

func BenchmarkWriteAlone(b *testing.B) {
	db := benchDB(b, sqldb.Config{})
	callers(b, db, 1, write(db))
}

func BenchmarkWrite64(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		db := benchDB(b, sqldb.Config{})
		callers(b, db, 64, write(db))
	})
	b.Run("postgres", func(b *testing.B) {
		db := benchDB(b, sqldb.Config{URL: sqldbtest.PostgresURL(b)})
		callers(b, db, 64, write(db))
	})
}

// BenchmarkPlainCommit is what BenchmarkWriteAlone is measured against: the
// driver alone, one synced commit after the other.
func BenchmarkPlainCommit(b *testing.B) {
	db := benchDB(b, sqldb.Config{})
	pool, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "plain.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	if _, err := pool.ExecContext(b.Context(), benchTable); err != nil {
		b.Fatal(err)
	}
	stmt, err := pool.PrepareContext(b.Context(), insertText(1)) //nolint:sqlclosecheck // It is, below.
	if err != nil {
		b.Fatal(err)
	}
	defer stmt.Close()
	callers(b, db, 1, func(id int64) error {
		_, err := stmt.ExecContext(context.Background(), id, id%400, benchText)
		return err
	})
}

func BenchmarkQueryRow(b *testing.B) {
	db := benchDB(b, sqldb.Config{})
	if err := write(db)(1); err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	callers(b, db, 4, func(int64) error {
		var text string
		return db.QueryRow(ctx, "SELECT text FROM bench WHERE id = $1", int64(1)).Scan(&text)
	})
}

// BenchmarkOpen is opening and migrating: an empty place, and one that is up
// to date.
func BenchmarkOpen(b *testing.B) {
	sets := []string{"auth", "users", "chat", "notify", "logging", "relay"}
	start := func(b *testing.B, path string) {
		b.Helper()
		db, err := sqldb.Open(b.Context(), sqldb.Config{Path: path})
		if err != nil {
			b.Fatal(err)
		}
		for _, set := range sets {
			if err := db.Migrate(b.Context(), set, oneStep(set)); err != nil {
				b.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("empty", func(b *testing.B) {
		dir := b.TempDir()
		for i := range b.N {
			start(b, filepath.Join(dir, strconv.Itoa(i)+".db"))
		}
	})
	b.Run("up to date", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "x.db")
		start(b, path)
		for b.Loop() {
			start(b, path)
		}
	})
}
