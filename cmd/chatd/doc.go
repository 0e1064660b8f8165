// Command chatd is the server, and the only package that knows every context.
//
// Start reading at main.go: the command line and its exit codes. The grammar
// of the settings is config.go; sources.go reads them from flags, environment
// and file; check.go says which are good. From app.go on stands the
// composition: what is built, in which order it starts and stops, and who is
// handed to whom.
//
// It has no rules of chat in it: those live in internal/.
package main
