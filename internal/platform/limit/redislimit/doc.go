// Package redislimit counts for all nodes together, on Redis, and for this
// process alone while Redis is away.
//
// What passes has passed twice: the process's own limiter first, at the same
// rate, then the shared one. So when Redis is away, slow, emptied or started
// again without its data, this node gives no more than it would alone, knowing
// all that it has given before; only what other nodes have given is forgotten.
// The limits never open.
//
// Start at limiter.go. The times are the Redis server's.
package redislimit
