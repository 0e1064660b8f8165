// Package authredis tells the other nodes of sessions that have ended, by
// Redis, so that they need not wait until they read it in the store.
//
// It may lose what it is told, and says it again to nobody: a full queue, a
// Redis that is away and a connection that is being made anew all leave it to
// the store, which every node reads twice a second anyway. What is heard is
// believed as far as auth.Service.Hear goes, so whoever may write to this
// Redis can close sockets, but let nobody in and keep nobody out.
//
// Messages hold identifiers of sessions, no tokens. Start at ended.go.
package authredis
