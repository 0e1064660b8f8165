// Package chatsql keeps chat's conversations, members and messages in SQLite
// or PostgreSQL, behind one SQL text.
//
// Words. The position row counts the changes; who writes holds it (the lane's
// goroutine on SQLite, a row lock on PostgreSQL), so positions become visible
// in their order and a group that is rolled back gives its numbers back. A
// head is a conversation's counters in the hand of the writer. A commit is one
// job's work on heads and journal between begin and finish. The journal has no
// table of its own: an added message is its own entry, a receipt is its
// member's row, and chat_change holds all else. A reaction is its entry there,
// too, while it stands; its message's row has only the counts.
//
// Where to start reading: commit.go for how numbers are given, append.go for
// the hottest path, journal.go for how they are read again.
//
// A database belongs to one Store of one process on SQLite, since the counters
// are in its memory; on PostgreSQL to any number. It decides nothing: who may
// do what is settled by chat.Service, against the MemberVersion that each
// write carries.
package chatsql
