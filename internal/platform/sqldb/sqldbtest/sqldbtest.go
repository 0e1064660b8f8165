package sqldbtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/sqldb"
)

// Each runs fn as a subtest for each engine, at once, each with an empty
// database that is closed after it.
func Each(t *testing.T, fn func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, SQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, Postgres(t))
	})
}

// SQLite returns an empty SQLite database in a temporary directory. It does
// not wait for the disk (synchronous=NORMAL): tests are not about power cuts.
func SQLite(t testing.TB) *sqldb.DB {
	t.Helper()
	return Open(t, sqldb.Config{Path: filepath.Join(t.TempDir(), "test.db"), Relaxed: true})
}

// patience is longer than a busy machine's PostgreSQL takes for an answer: half
// of it is all that a write may wait for its turn.
const patience = 30 * time.Second

// Postgres returns an empty PostgreSQL database, or skips the test.
func Postgres(t testing.TB) *sqldb.DB {
	t.Helper()
	return Open(t, sqldb.Config{URL: PostgresURL(t), MaxConns: 8, Timeout: patience})
}

// Open opens a database and closes it when the test ends.
func Open(t testing.TB, cfg sqldb.Config) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return db
}

// PostgresURL returns the address of an empty schema of PostgreSQL, which is
// gone when the test ends, or skips the test.
func PostgresURL(t testing.TB) string {
	t.Helper()
	base := server(t)
	schema := "test_" + strings.ToLower(rand.Text())
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("the address of PostgreSQL: %v", err)
	}
	q := u.Query()
	q.Set("search_path", schema+",public")
	u.RawQuery = q.Encode()
	administer(t, base, "CREATE SCHEMA "+schema)
	if os.Getenv(urlVariable) != "" { // else the server goes with the tests
		t.Cleanup(func() { administer(t, base, "DROP SCHEMA "+schema+" CASCADE") })
	}
	return u.String()
}

func administer(t testing.TB, base, text string) {
	t.Helper()
	ctx := context.Background() // the test's has ended in its cleanup
	db, err := sqldb.Open(ctx, sqldb.Config{URL: base, MaxConns: 1, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, text)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}
