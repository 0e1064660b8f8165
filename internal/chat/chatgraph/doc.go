// Package chatgraph is chat's face in GraphQL: arguments in, nodes out, no
// rules.
//
// Words. A node wraps one object of chat; nodes that come from one list share
// their neighbours, which are loaded for all of the list at once when the
// first is asked for, so that a list costs a constant number of reads however
// long it is; only lists within a list (members, edits) are a read each. A
// subscription's node is made of a shared *chat.Event.
//
// Where to start reading: schema/ for what clients see, a file for each topic,
// graph.go for how it is put together, then query.go, groups.go, messages.go, receipts.go
// and subscription.go for one family of operations each, conversation.go,
// message.go and event.go for the nodes.
//
// It does not authorise: it names the caller to chat.Service, which does. It
// keeps nothing between two answers.
package chatgraph
