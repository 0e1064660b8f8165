// Package logging owns the log lines of all nodes, and of other programs that
// are given a key: collecting them, processing them, storing them for their
// time (in a store of its own or in Loki), and answering administrators who
// search, count and follow them.
//
// Words. A line is one event of a log with its fields; a source is who wrote
// it. A tail is a search that goes on live. An override is a level that is in
// force for a context until a time, on every node.
//
// It must never slow the program that it listens to: its queue is bounded and
// counts what it drops. It is the last in the order auth, user, chat, notify,
// logging. Writing lines is platform/zlog's trade, not this package's. Lines
// are written but not yet gathered by the server.
package logging
