// Package redisdb opens Redis for what several nodes share and may lose:
// counts and nudges, never the only copy of anything.
//
// # Words
//
//   - Redis is away when it is not reachable, does not answer within
//     Config.Timeout, or cannot do its work (loading, a read-only replica, out
//     of memory). Then every call is ErrAway at once, without being tried, and
//     the caller does what it does without Redis.
//   - A probe is a small script that writes, run all the time by Run. It finds
//     out that Redis is away when nobody calls, and that it is back.
//
// No call takes longer than Config.Timeout, whatever Redis, the network or the
// driver do: it runs on a goroutine of its own, of which there are
// Config.MaxInFlight at most, and is left behind when its time is over. What
// was left behind may still happen on the server.
//
// Start at db.go, then call.go for when Redis is away, conn.go for connections
// and commands.go for what can be asked. It knows one server (or what stands
// for one, as a managed fail-over address does), no cluster and no sentinels,
// and holds no lock and no cache.
package redisdb
