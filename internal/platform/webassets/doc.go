// Package webassets holds the pages that chatd serves by itself: the plain
// page at / and GraphiQL, with everything they need embedded, so that they
// work on a machine that reaches no other.
//
// GraphiQL is built from graphiql/ (main.jsx is where to start) into
// graphiql/dist by `npm ci && npm run build`, and the result is committed, so
// that building chatd needs Go alone. Files are kept gzipped.
//
// Both pages are strict about where their parts come from: see the policies in
// webassets.go. The package knows nothing of GraphQL and of who is calling.
package webassets
