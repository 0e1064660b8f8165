package main

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"chatd/internal/platform/mongodb/mongodbtest"
	"chatd/internal/platform/redisdb/redisdbtest"
)

// Three nodes on PostgreSQL, MongoDB, Redis and Kafka at once. Clients hop
// between them while one is killed; a session that ends on one is over on all.
func TestThreeNodesOnAllBackendsAreOneServer(t *testing.T) {
	t.Parallel()
	cfg := mongodbtest.Config(t)
	db := mongodbtest.Open(t, cfg)
	t.Cleanup(func() { _ = db.Drop(context.WithoutCancel(t.Context())) })
	nodes := startNodes(t, 3, "--mongo-url", in(t, cfg), "--redis-url", redisdbtest.URL(t))
	c := assemble(t, nodes[0], 1, 3, 6)
	gone := nodes[1].login(t, c.people[1])
	socket := nodes[2].dial(t, gone)
	for _, w := range c.writers {
		w.pause = 30 * time.Millisecond // FerretDB reads all there is for each
	}
	c.start(t, func() time.Duration { return rand.N(time.Second) })
	pause(t.Context(), 500*time.Millisecond)
	nodes[1].kill()
	if err := nodes[0].gql(t.Context(), gone.token, `mutation { logout { ok } }`, nil, nil); err != nil {
		t.Error(err)
	}
	nodes[2].mustBeOver(t, gone, socket)
	nodes[1].start(t)
	pause(t.Context(), 500*time.Millisecond)
	c.settle(t)
}
