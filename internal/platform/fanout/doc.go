// Package fanout hands one event to many receivers without ever waiting for
// one of them.
//
// Words. A Hub keeps topics and who subscribes to them; Publish offers an
// event to each subscriber of a topic. A Mailbox is a receiver's bounded
// queue: whoever offers never blocks, and the one reader takes all that is
// waiting at once, so that a backlog becomes one large step instead of many
// small ones.
//
// Start at hub.go and mailbox.go; they do not depend on each other. The
// package knows no sockets, no encoding and no goroutines of its own: the
// publisher's goroutine fills the mailboxes, and who empties them is told by
// the mailbox's wake-up callback.
package fanout
