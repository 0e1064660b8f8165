// Package passwords says which passwords are good ones, makes what is stored of
// them and checks them against it, a bounded number at a time, so that sign-ins
// cannot use up the memory.
//
// Start at hasher.go. It keeps nothing and counts no tries: limits are the
// caller's.
package passwords
