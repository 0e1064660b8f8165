// Package sqldb opens a SQL database, SQLite or PostgreSQL, and gives both one
// face, so that a store is one SQL text: $n parameters, RETURNING, ON CONFLICT,
// times as BIGINT microseconds UTC, identifiers as 16 bytes.
//
// # Words
//
//   - A reader is what DB.Query, DB.QueryRow and DB.Snapshot use: several at
//     once, never waiting for a writer.
//   - A job is a function that writes, given to Write. It has a Tx, is undone
//     as a whole when it fails, and is answered after its commit.
//   - A lane takes jobs one after the other and commits those that have come
//     together as one group. Its order is the order of commits.
//   - A batch is the items of many callers that one call applies in a group.
//
// # The two engines
//
// SQLite has one writer: every lane, and DB.Write, is the same committing
// goroutine on the one writing connection, and group commit is what makes
// durable writes (synchronous=FULL) fast. Nobody waits on a timer as long as
// he writes alone; when the last commit ended less than a millisecond ago the
// committer waits, for a millisecond at most, until as many rows are there as
// that commit left behind or brought, 16 at most.
//
// PostgreSQL has a goroutine and a connection per lane (READ COMMITTED, so
// that a job that first takes a row's lock sees what its last holder
// committed), and any number of DB.Write at once, each a SERIALIZABLE
// transaction of its own that is tried again on a conflict. What a lane's job
// does not wait for (Later) goes out with what it does, BEGIN and COMMIT too,
// so that it holds its locks for few round trips (exchange.go). A job may read
// and then decide on both engines alike, and may be called more than once.
//
// # Errors
//
// Driver errors end here: ErrUnique, ErrCorrupt, ErrNewerSchema, and
// errs.ErrUnavailable for whatever may be better in a moment (disk full, I/O,
// connection lost, time limit, lock not had). sql.ErrNoRows stays what it is.
//
// Start reading in db.go, then lane.go. It deliberately has no query builder,
// no mapping of rows to structs and no knowledge of any table but its own
// version tables.
package sqldb
