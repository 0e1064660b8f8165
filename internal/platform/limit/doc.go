// Package limit says how often somebody may do something: a Rate is a budget
// that refills evenly, and a Limiter keeps one per key. Keys are the caller's
// ("login/203.0.113.7"); the limiter knows no users and no requests.
//
// Start at limit.go. Local counts in this process, redislimit for all nodes
// together; Off lets everything pass, for benchmarks. limittest holds both to
// the same promises.
package limit
