// Package loadgen puts load on a chatd by its public API and judges what
// comes back. It is the engine of `chatd bench`.
//
// Words. A room is one conversation of the run. A stream is one sender's
// messages into a room, numbered 0, 1, 2 … and sent one after the other. A
// receiver is a subscription on a socket of its own; it checks every message
// of its room: each text carries a marker that says which run, stream, number
// and time it is of. The judgement (judge.go) is always made: an
// acknowledged message that a receiver does not get is lost; one that comes
// twice is doubled; one that comes after a later one is reordered.
//
// Run (loadgen.go) is where to start. The scenarios (scenarios.go) only say
// how many rooms, streams and receivers there are and how they are paced;
// play.go sets them up and lets them run. measure.go has latencies and what a
// local server used, as /proc tells it.
//
// It is no client library: setup.go knows the handful of operations that it
// needs, and nothing is retried, since a retry would hide what is looked for.
package loadgen
