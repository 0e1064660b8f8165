package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"chatd/internal/platform/datadir"
	"chatd/internal/platform/sqldb"
)

// emptyData is what lies in a data directory whose tables have been made and
// that no server has been started on: no rows, no keys, no epoch. It is made
// once, since making the tables is most of a start under the race detector.
var emptyData = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "chatd-empty-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	d, err := datadir.Open(dir)
	if err != nil {
		return nil, err
	}
	db, err := sqldb.Open(context.Background(), sqldb.Config{Path: d.Database()})
	if err == nil {
		err = migrateSets(context.Background(), db, (&Config{}).sets())
		err = firstOf(err, db.Close())
	}
	if err = firstOf(err, d.Close()); err != nil {
		return nil, err
	}
	made := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if made[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return made, err
})

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// withTables makes a data directory that has its tables, for a program that
// keeps everything in it.
func withTables(t testing.TB, dir string, args []string) {
	t.Helper()
	if slices.ContainsFunc(args, func(a string) bool {
		return strings.HasPrefix(a, "--postgres-url") || strings.HasPrefix(a, "--mongo-url")
	}) {
		return
	}
	made, err := emptyData()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range made {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
