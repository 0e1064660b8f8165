// Package chattest holds every implementation of chat.Store to what store.go
// promises: RunStore is the suite, Fixture makes the conversations that other
// packages' tests need in a line each. There is no fake: SQLite in a temporary
// directory is as quick, and is what runs.
//
// All tests of the suite share one store and run at once, each on
// conversations of its own; when they are done the journal must tell all that
// they did, in order and without a hole. RunStoreApart gives each test a store
// of its own instead.
//
// Where to start reading: suite.go. Only tests import it.
package chattest
