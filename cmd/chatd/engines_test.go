package main

import (
	"slices"
	"testing"

	"chatd/internal/platform/sqldb/sqldbtest"
)

// unlimited lifts the limits of rate, as tests with load need it.
var unlimited = []string{"--rate-limits", "off"}

// onPostgres are the arguments of a program on an empty PostgreSQL schema; the
// test is skipped where there is no PostgreSQL. The server of the tests does
// not sync.
func onPostgres(t testing.TB) []string {
	t.Helper()
	return append(slices.Clone(unlimited), "--durability", "relaxed", "--postgres-url", sqldbtest.PostgresURL(t))
}

// onEachEngine runs fn as a subtest for each store, with the arguments of its
// program.
func onEachEngine(t *testing.T, fn func(t *testing.T, args []string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, unlimited)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, onPostgres(t))
	})
}
