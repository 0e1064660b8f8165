package authsql

import (
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/relay"
	"chatd/internal/platform/sqldb"
)

// Store is auth's storage in a SQL database that has been migrated to the set
// "auth".
type Store struct {
	db *sqldb.DB
	// lane takes every write: on PostgreSQL it reads what the last holder of
	// a row's lock committed, which the refresh of one token by many needs.
	lane *sqldb.Lane
}

var (
	_ auth.Accounts  = (*Store)(nil)
	_ auth.Sessions  = (*Store)(nil)
	_ auth.Standings = (*Store)(nil)
	_ auth.Invites   = (*Store)(nil)
	_ auth.Audit     = (*Store)(nil)
	_ auth.Keys      = (*Store)(nil)
	_ auth.Changes   = (*Store)(nil)
	_ auth.Factors   = (*Store)(nil)
	_ auth.Tokens    = (*Store)(nil)
	_ auth.Deletions = (*Store)(nil)
	_ auth.Exports   = (*Store)(nil)

	_ auth.Identities = (*Store)(nil)
	_ auth.Outbox     = (*Store)(nil)
	_ auth.Links      = (*Store)(nil)
	_ relay.Log       = (*Store)(nil)
)

// New makes a Store of an open database.
func New(db *sqldb.DB) *Store { return &Store{db: db, lane: db.Lane("auth")} }

// micros is how times are stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
