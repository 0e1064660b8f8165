// Package errs is the vocabulary of failure: every error that a client may
// learn of has a kind, a stable code and a public sentence. Contexts declare
// their sentinels with it, adapters translate driver errors into it, and the
// one table in table.go says which GraphQL code, HTTP status and WebSocket
// close code each kind has. What is not an *Error is internal: logged with a
// request id, never shown.
package errs
