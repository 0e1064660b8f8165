// Package relay brings a store's log to a receiver of the bus: it reads the
// log in the order of its commits, offers each event until it is safe, and
// remembers its position, so that what was committed is heard of at least once,
// whatever ends in between.
//
// Words. A relay is one log on its way to one receiver, and has a name. Of all
// nodes one holds the relay's lease; the others stand by. A holder's term is
// the number of its lease: what it saves counts only as long as its term is
// the last (it is fenced). A beat says that it is still there. The position is
// where the log is safe up to, never further.
//
// Start reading at Relay.Run. Positions says what must be stored; package
// relaysql does it. It knows no event by its content and drops no repeats:
// that is for the groups.
package relay
