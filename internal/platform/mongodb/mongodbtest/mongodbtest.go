package mongodbtest

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/mongodb"
)

// Patience is the time limit that tests give commands: FerretDB reads whole
// collections, on machines that have other things to do.
const Patience = time.Minute

// New returns an empty database that is gone when the test ends, or skips the
// test.
func New(t testing.TB) *mongodb.DB {
	t.Helper()
	db := Open(t, Config(t))
	t.Cleanup(func() {
		if err := db.Drop(context.Background()); err != nil { // the test's context has ended
			t.Error(err)
		}
	})
	return db
}

// Config leads to an empty database, for tests that open it several times or
// in their own way; it is theirs to drop.
func Config(t testing.TB) mongodb.Config {
	t.Helper()
	return mongodb.Config{
		URL: server(t), Name: "test_" + strings.ToLower(rand.Text()), MaxConns: 8, Timeout: Patience,
	}
}

// Open opens a database and closes it when the test ends.
func Open(t testing.TB, cfg mongodb.Config) *mongodb.DB {
	t.Helper()
	db, err := mongodb.Open(context.Background(), cfg)
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

// Scans says whether no index serves the server's queries.
func Scans() bool { return os.Getenv(urlVariable) == "" }
