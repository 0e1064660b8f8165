// Package usertest has what tests of user and of those who use it need: the
// suite that every user.Store must pass (RunStore) and a Store in memory that
// passes it (NewFake). It is imported by tests only.
package usertest
