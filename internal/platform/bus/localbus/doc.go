// Package localbus is the bus of one process: groups with bounded queues in
// memory. What it holds at a crash is lost to it and comes again from the
// relays, whose positions move only over what is safe.
//
// Start reading at Bus. A group (group.go) has a lane for each key that has
// events waiting; a lane is in the hand of one worker at a time, which is what
// keeps the order and what lets a failing key wait alone.
package localbus
