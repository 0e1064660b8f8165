// Package kafkabus is the bus of several processes, on Kafka. It is the only
// package that knows franz-go.
//
// Words. A context's topic is one Kafka topic ("chatd.auth"), keyed by the
// event's key; what is told to all nodes goes to a second one
// ("chatd.auth.live"); what a group could not handle goes to the dead letters
// ("chatd.dead-letters"). A group of the bus is a consumer group. A place is a
// partition of a topic.
//
// Publishing. The brokers are one receiver for all groups: an event is safe
// when all replicas in sync have it. While no broker answers, events wait in a
// bounded queue and are tried without end, in order; then Offer waits.
//
// Handling. A reader takes records into lanes, one for each key of a place, and
// workers take lanes in hand; so a failing key waits alone, and its place is
// not read further when a window of unhandled records is full. What is
// committed is the offset before which all is handled or written to the dead
// letters: after a crash the rest is seen again. Before a place goes to
// another node its events in hand are finished and committed.
//
// Live. Every node reads the live topics without a group, from the end that
// they had at its start, and hears its own news without the way round.
//
// Before anything is made at the start, the brokers are looked at: Probe does
// that alone. Healthy says later whether they are there.
//
// Start reading at Bus; then publish.go, group.go with lanes.go, live.go.
// topics.go has what is asked of the brokers at the start. The package changes
// no topic that is there.
package kafkabus
