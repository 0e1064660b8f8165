package sqlmove_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/internal/platform/sqlmove"
	"chatd/internal/platform/testenv"
	"chatd/migrations"
)

// schema has every kind of column, keys of several columns and of text, and
// a table that refers to one whose name comes later.
var schema = []string{
	`CREATE TABLE x_zoo (id BYTEA NOT NULL PRIMARY KEY, name TEXT, born BIGINT, legs INTEGER NOT NULL, data BYTEA)`,
	`CREATE TABLE x_animal (zoo BYTEA NOT NULL REFERENCES x_zoo (id), name TEXT NOT NULL, n BIGINT NOT NULL, note TEXT,
		PRIMARY KEY (name, zoo, n))`,
	`CREATE TABLE other_table (id BIGINT PRIMARY KEY)`,
	`CREATE TABLE x_migrations (id BIGINT PRIMARY KEY)`,
}

var sets = []string{"x"}

func do(t testing.TB, db *sqldb.DB, text string, args ...any) {
	t.Helper()
	err := db.Write(context.WithoutCancel(t.Context()), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), text, args...)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func makeTables(t testing.TB, db *sqldb.DB) {
	t.Helper()
	for _, text := range schema {
		do(t, db, text)
	}
	if db.Engine() == sqldb.SQLite {
		return
	}
	// A collation that puts a before Z, as most databases have one.
	var has bool
	err := db.QueryRow(t.Context(), `SELECT count(*) > 0 FROM pg_collation WHERE collname = 'und-x-icu'`).Scan(&has)
	if err != nil {
		t.Fatal(err)
	}
	if !has {
		testenv.Missing(t, "postgres", "the server was built without ICU")
	}
	do(t, db, `ALTER TABLE x_animal ALTER COLUMN name TYPE TEXT COLLATE "und-x-icu"`)
}

// animals is more than a page.
const animals = 4500

// source is a database with rows that are hard to copy.
func source(t testing.TB) (*sqldb.DB, []sqlmove.Table) {
	t.Helper()
	db := sqldbtest.SQLite(t)
	makeTables(t, db)
	zoo := []byte{0, 0xff, 1}
	do(t, db, `INSERT INTO x_zoo VALUES ($1, 'b', $2, 4, NULL)`, zoo, int64(math.MinInt64))
	do(t, db, `INSERT INTO x_zoo VALUES ($1, '', NULL, 0, $2)`, []byte{}, []byte{})
	do(t, db, `INSERT INTO x_zoo VALUES ($1, NULL, $2, -1, $3)`, []byte{0xff}, int64(math.MaxInt64), []byte("\x00\n\\."))
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for n := range int64(animals) {
			name := []string{"Zebra", "ant", "Ärger", "a b", "ab", "a-b", "\t\\N"}[n%7]
			if _, err := tx.Exec(t.Context(), `INSERT INTO x_animal VALUES ($1, $2, $3, 'note')`, zoo, name, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tables, err := sqlmove.Tables(t.Context(), db, sets)
	if err != nil {
		t.Fatal(err)
	}
	return db, tables
}

func copyAll(t testing.TB, from, to *sqldb.DB, tables []sqlmove.Table) (rows int) {
	t.Helper()
	if err := sqlmove.Put(t.Context(), to, migrations.FS(sqlmove.Set), sqlmove.Claim{Copy: "copy"}); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if err := sqlmove.Copy(t.Context(), from, to, table, func(n int) { rows += n }); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

func TestACopyIsTheSameOnEveryEngine(t *testing.T) {
	t.Parallel()
	from, tables := source(t)
	if len(tables) != 2 || tables[0].Name != "x_zoo" || tables[1].Name != "x_animal" {
		t.Fatalf("%+v", tables)
	}
	sqldbtest.Each(t, func(t *testing.T, to *sqldb.DB) {
		makeTables(t, to)
		theirs, err := sqlmove.Tables(t.Context(), to, sets)
		if err != nil {
			t.Fatal(err)
		}
		if err := sqlmove.Alike(tables, theirs); err != nil {
			t.Fatal(err)
		}
		if n := copyAll(t, from, to, tables); n != animals+3 {
			t.Errorf("%d rows were copied", n)
		}
		if n := copyAll(t, from, to, tables); n != 0 {
			t.Errorf("%d rows were copied again", n)
		}
		for _, table := range tables {
			compared := 0
			sum, err := sqlmove.Compare(t.Context(), from, to, table, func(n int) { compared += n })
			if err != nil || len(sum.SHA256) != 64 || int64(compared) != sum.Rows {
				t.Errorf("%s: %+v, %d compared, %v", table.Name, sum, compared, err)
			}
		}
	})
}

func TestACopyThatWasCutOffGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	from, tables := source(t)
	sqldbtest.Each(t, func(t *testing.T, to *sqldb.DB) {
		makeTables(t, to)
		copyAll(t, from, to, tables[:1])
		for n, first := 1, 0; ; n++ {
			ctx, cut := context.WithCancel(t.Context())
			told := 0
			err := sqlmove.Copy(ctx, from, to, tables[1], func(rows int) {
				told += rows
				cut()
			})
			if there, _ := sqlmove.Rows(t.Context(), to, tables[1]); there < int64(first+told) {
				t.Fatalf("%d rows after %d and %d were told", there, first, told)
			} else if first = int(there); there == animals {
				break
			}
			if !errors.Is(err, context.Canceled) || n > 5 {
				t.Fatalf("round %d: %v", n, err)
			}
		}
		if _, err := sqlmove.Compare(t.Context(), from, to, tables[1], func(int) {}); err != nil {
			t.Error(err)
		}
	})
}

// The server goes on for a moment with what a killed client has sent.
func TestACopyWaitsForWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	from, tables := source(t)
	url := sqldbtest.PostgresURL(t)
	killed, to := sqldbtest.Open(t, sqldb.Config{URL: url}), sqldbtest.Open(t, sqldb.Config{URL: url})
	makeTables(t, to)
	copyAll(t, from, to, tables[:1])
	held, end, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- killed.Lane("move").Write(t.Context(), func(tx *sqldb.Tx) error {
			var id int
			if err := tx.QueryRow(t.Context(), "SELECT id FROM move_state WHERE id = 1 FOR UPDATE").Scan(&id); err != nil {
				return err
			}
			close(held)
			<-end
			_, err := tx.Exec(t.Context(), `INSERT INTO x_animal VALUES ($1, '	\N', 6, 'note')`, []byte{0, 0xff, 1})
			return err
		})
	}()
	<-held
	time.AfterFunc(100*time.Millisecond, func() { close(end) })
	if err := sqlmove.Copy(t.Context(), from, to, tables[1], func(int) {}); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := sqlmove.Compare(t.Context(), from, to, tables[1], func(int) {}); err != nil {
		t.Error(err)
	}
}

func TestEveryDifferenceIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	from, tables := source(t)
	sqldbtest.Each(t, func(t *testing.T, to *sqldb.DB) {
		makeTables(t, to)
		copyAll(t, from, to, tables)
		for _, c := range []struct{ do, undo, want string }{
			{`UPDATE x_animal SET note = 'Note' WHERE n = 3123`, `UPDATE x_animal SET note = 'note'`, "n 3123"},
			{`UPDATE x_animal SET note = NULL WHERE n = 0`, `UPDATE x_animal SET note = 'note'`, "name Zebra"},
			{`UPDATE x_animal SET note = '' WHERE n = 4499`, `UPDATE x_animal SET note = 'note'`, "n 4499"},
			{`INSERT INTO x_animal SELECT zoo, 'zz', 1, 'note' FROM x_animal WHERE n = 1`, `DELETE FROM x_animal WHERE name = 'zz'`, "only in the second"},
			{`INSERT INTO x_animal SELECT zoo, '', 1, 'note' FROM x_animal WHERE n = 1`, `DELETE FROM x_animal WHERE name = ''`, "only in the second"},
			{`DELETE FROM x_animal WHERE n = 4200`, `INSERT INTO x_animal SELECT zoo, 'Zebra', 4200, 'note' FROM x_animal WHERE n = 1`, "n 4200 is only in the first"},
		} {
			do(t, to, c.do)
			_, err := sqlmove.Compare(t.Context(), from, to, tables[1], func(int) {})
			if !errors.Is(err, sqlmove.ErrDiffers) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.do, err, c.want)
			}
			do(t, to, c.undo)
			if _, err := sqlmove.Compare(t.Context(), from, to, tables[1], func(int) {}); err != nil {
				t.Errorf("after %s: %v", c.undo, err)
			}
		}
	})
}

func TestWhatCannotBeReadIsNoDifference(t *testing.T) {
	t.Parallel()
	from, tables := source(t)
	empty := sqldbtest.SQLite(t)
	_, err := sqlmove.Compare(t.Context(), from, empty, tables[1], func(int) {})
	if err == nil || errors.Is(err, sqlmove.ErrDiffers) || !strings.Contains(err.Error(), "no such table") {
		t.Error(err)
	}
}

func TestATableThatIsNotKnownIsRefused(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		for name, text := range map[string]string{
			"a type":        `CREATE TABLE x_bad (id BIGINT PRIMARY KEY, weight REAL)`,
			"without a key": `CREATE TABLE x_bad (id BIGINT)`,
		} {
			do(t, db, text)
			if _, err := sqlmove.Tables(t.Context(), db, sets); !errors.Is(err, sqlmove.ErrSchema) {
				t.Errorf("%s: %v", name, err)
			}
			do(t, db, `DROP TABLE x_bad`)
		}
	})
	_, tables := source(t)
	for i, change := range []func([]sqlmove.Table) []sqlmove.Table{
		func(all []sqlmove.Table) []sqlmove.Table { return all[:1] },
		func(all []sqlmove.Table) []sqlmove.Table { all[0].Columns = all[0].Columns[1:]; return all },
		func(all []sqlmove.Table) []sqlmove.Table { all[1].Key = []int{0}; return all },
	} {
		other := append([]sqlmove.Table(nil), tables...)
		if err := sqlmove.Alike(tables, change(other)); !errors.Is(err, sqlmove.ErrSchema) {
			t.Errorf("change %d: %v", i, err)
		}
	}
}

func TestATargetIsClaimedOnceAndWhileItIsEmpty(t *testing.T) {
	t.Parallel()
	_, tables := source(t)
	fresh := sqldbtest.SQLite(t)
	makeTables(t, fresh)
	seed := `INSERT INTO x_zoo (id, name, legs) VALUES ($1, 'seed', 0)`
	do(t, fresh, seed, []byte{1})
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		if c, err := sqlmove.Claimed(ctx, db); c != nil || err != nil {
			t.Fatal(c, err)
		}
		makeTables(t, db)
		do(t, db, seed, []byte{1})
		if err := sqlmove.Empty(ctx, db, fresh, sets); err != nil {
			t.Errorf("with what migrations put there: %v", err)
		}
		do(t, db, `UPDATE x_zoo SET name = 'used'`)
		if err := sqlmove.Empty(ctx, db, fresh, sets); !errors.Is(err, sqlmove.ErrNotEmpty) || !strings.Contains(err.Error(), "x_zoo") {
			t.Errorf("with another row: %v", err)
		}
		do(t, db, `UPDATE x_zoo SET name = 'seed'`)

		want := sqlmove.Claim{Copy: "c2", Target: "t2", Parts: "all", State: sqlmove.Begun}
		for _, c := range []sqlmove.Claim{{Copy: "c1", Target: "t1", Parts: "some"}, want} {
			if err := sqlmove.Put(ctx, db, migrations.FS(sqlmove.Set), c); err != nil {
				t.Fatal(err)
			}
		}
		if c, err := sqlmove.Claimed(ctx, db); err != nil || *c != want {
			t.Errorf("%+v, %v", c, err)
		}
		do(t, db, `INSERT INTO x_zoo (id, legs) VALUES ($1, 1)`, []byte{9})
		if err := sqlmove.Clear(ctx, db, fresh, tables); !errors.Is(err, sqlmove.ErrNotEmpty) {
			t.Errorf("clearing more than was seeded: %v", err)
		}
		if n, _ := sqlmove.Rows(ctx, db, tables[0]); n != 2 {
			t.Errorf("%d rows are left", n)
		}
		do(t, db, `DELETE FROM x_zoo WHERE legs = 1`)
		if err := sqlmove.Clear(ctx, db, fresh, tables); err != nil {
			t.Fatal(err)
		}
		if n, _ := sqlmove.Rows(ctx, db, tables[0]); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		if err := sqlmove.Put(ctx, db, migrations.FS(sqlmove.Set), want); !errors.Is(err, sqlmove.ErrNotEmpty) {
			t.Errorf("a second claim: %v", err)
		}
		if err := sqlmove.Clear(ctx, db, fresh, tables); err == nil {
			t.Error("cleared twice")
		}
		if err := sqlmove.Finish(ctx, db, tables); err != nil {
			t.Fatal(err)
		}
		want.State = sqlmove.Done
		if c, err := sqlmove.Claimed(ctx, db); err != nil || *c != want {
			t.Errorf("%+v, %v", c, err)
		}
	})
}
