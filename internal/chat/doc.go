// Package chat owns conversations, their members, messages, read positions
// and typing, and the order of all of it.
//
// Words. A conversation is DIRECT (a pair), a GROUP or a CHANNEL. Its messages
// are numbered by seq (1, 2, 3 …, without a hole), its changes by rev; a new
// message takes the next of both. The ordinal (Ord) of a message is the number
// of non-system messages up to it: unread counts are differences of ordinals.
// A position (Pos) numbers every change of this context's store in the order
// in which they become visible; it is internal and never shown but sealed in
// cursors. An Event is one change, or one signal that is never stored, on its
// way to those who listen; it is shared by all of them and immutable.
//
// Where to start reading: send.go for the walk of one message down to the
// store, store.go for what the store promises, tail.go and stream.go for its
// way out again.
//
// It does not know who may sign in (auth), what people are called (user), nor
// how anything is encoded: chatgraph speaks GraphQL, chatsql SQL.
package chat
