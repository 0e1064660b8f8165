// Package gqlx runs the composed GraphQL schema: it puts the contexts' SDL
// together, refuses what is too large, too deep, too dear or malformed before
// anything runs, executes by graph-gophers/graphql-go, and is the one place
// that speaks of errors to clients.
//
// Words: a document is the text of a request as analysed and cached; a live
// operation is an opened subscription; a rendering is the JSON of one event
// for all subscribers whose documents ask the same, with splices where
// subscribers differ.
//
// Start reading at engine.go (New, Prepare, Exec, Subscribe), then analyse.go
// (what is known of a document before it runs), render.go (once per event, not
// per subscriber), present.go (errors) and http.go (GraphQL over HTTP).
//
// It does not authenticate, does not know any context, and keeps nothing that
// is not bounded: documents are cached up to Limits.CachedDocuments and
// Limits.CachedBytes, renderings up to 64 events a group.
package gqlx
