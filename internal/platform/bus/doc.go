// Package bus is how contexts hear of each other: what has happened is put in
// an Envelope and handed to groups of receivers, each of which gets a copy.
//
// Words. A topic is the context that publishes ("auth"). A key is what the
// order is kept for: events of one topic and key reach a group one after the
// other. A group is one receiver, however many nodes it runs on. An event is
// safe with a group when it has been handled or put aside, and with a broker,
// which stands for all groups, when the broker keeps it. Broadcast is the other,
// lossy way: to every node, with no promise at all.
//
// The contract, for every implementation (bustest holds each to it): order per
// key within a group; at least once; an error of a handler means again, later,
// and holds back that key only; an event that keeps failing is put aside,
// visibly, unless what it fails with is errs.ErrUnavailable, which is nobody's
// fault and tried without end; groups never wait for each other; nothing but
// bytes passes; stop finishes the event in hand; every queue is bounded.
//
// Start reading at Bus. Package localbus is the implementation for one
// process, kafkabus the one for several. This package stores nothing: what must
// survive a crash is in a context's log, from which platform/relay offers it
// again until it is safe.
package bus
