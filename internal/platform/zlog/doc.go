// Package zlog sets up zerolog: one line of JSON, or of text for a person at a
// terminal, to an event; times in UTC with milliseconds; the logger of a
// request in its context.
//
// What strangers send may end up in a line, so characters that move a
// terminal's cursor, end a line or turn the direction of writing are escaped
// in both formats (escape.go). What must never end up in a line is a Secret
// (secret.go), which redacts itself whatever prints it.
//
// Start reading at New. Gathering and keeping lines is internal/logging's.
package zlog
