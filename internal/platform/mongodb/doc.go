// Package mongodb opens a MongoDB for the adapters that keep their data there:
// a bounded pool, a time limit on every command, writes that a majority has on
// disk, reads from the primary.
//
// Words. A deployment is what the address leads to: a lone server, a replica
// set, a sharded cluster. Nothing here needs transactions, so a lone server
// will do.
//
// Where to start reading: Open in db.go; errors.go for what callers can tell
// apart.
//
// It knows no collection: each adapter makes its own, with its indexes, at its
// start, and uses the driver's queries directly. The driver belongs to this
// package and to those adapters.
package mongodb
