// Package chatmongo keeps chat's conversations, members and messages in
// MongoDB, without transactions and without need of a replica set.
//
// Words. The log (chat_log) is what has happened: a commit is one inserted
// document, whose _id is its first position and which carries its changes with
// their new state. An added message is its own commit, so chat_log holds the
// messages, too, each in its newest state. Conversations (chat_conversations)
// and members (chat_members) are brought up to the log after it: each update
// states the position that it brings a document to and leaves a newer one
// alone, so it may run twice, late, or beside another. A node is one Store; it
// is at the position up to which it knows that all is brought up. A head is a
// conversation's counters as of there.
//
// Order. Whoever inserts the document after a position knows all before it,
// since a second document with the same _id is refused: then the node reads
// what came between, checks again and tries again. And nobody inserts before
// what lies before is brought up: by who committed it or, if that one has died
// or is slow, by who comes next. So only the newest group of commits can be
// behind, and whoever is told a position finds everything up to it.
//
// Where to start reading: turn.go for how callers form groups, commit.go for
// how a group gets its positions, apply.go for what is brought up.
//
// It decides nothing: who may do what is settled by chat.Service, against the
// MemberVersion that each write carries. Rights are read after what they
// guard, so that whoever is put out meanwhile sees nothing later.
package chatmongo
