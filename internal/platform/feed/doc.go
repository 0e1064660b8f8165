// Package feed is the seam between what was and what is: a Stream gives a
// subscriber everything after a position out of a store, then goes on live,
// in order, with no gap and no double where the two meet.
//
// Words. An Item is one event on its way to one subscriber; what is the same
// for all subscribers is behind Item.Event and never copied. A Sink is a
// subscriber's end: it never blocks who offers. A Source (source.go) is a
// context's log of numbered events; Open (open.go) merges several sources
// into the one stream of a viewer, with StreamStarted, CaughtUp, Reset and a
// sealed cursor (cursor.go). Signals are told live without a position: a
// snapshot of them follows CaughtUp (early.go). Seam (seam.go) is the state machine that both
// this and the single-conversation streams use.
//
// It knows no context, no GraphQL and no socket.
package feed
