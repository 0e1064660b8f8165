// Package datadir keeps the directory that a chatd has its data in: one
// process at a time, whole or not at all, backed up while it is in use.
//
// Words. The marker is the file that says that a directory is chatd's and what
// it holds: names that must be there ever after. A backup is a directory with
// the same files, the database in one state, and a marker that has their sums;
// it is not opened as it is. A restore makes a data directory of it. Files are
// what a database names and does not hold.
//
// Start reading at Open; backup.go copies a directory that is in use, restore.go
// makes one of the copy. It deliberately does not know what the files hold: what
// must be renewed in a restored database is its caller's to say.
package datadir
