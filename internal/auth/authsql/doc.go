// Package authsql keeps auth's accounts, sessions, second factors, personal
// tokens, invitations, signing keys, audit log and change log in SQLite or PostgreSQL, behind one SQL
// text. Store is all of auth's storage interfaces, and the log that relays read
// (Read).
//
// Start at store.go; journal.go is how entries of the change log get their
// positions. It holds no rules: what may change and when is auth's.
package authsql
