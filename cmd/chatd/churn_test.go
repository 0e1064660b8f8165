package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

func TestSocketsThatComeAndGoLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	room := p.group(t, ada, bob)
	churn := func(cycles int) {
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for n := range cycles / 8 {
					if err := p.visit(t, bob, room, worker+n); err != nil {
						t.Errorf("visit: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	type state struct{ goroutines, files, heap float64 }
	now := func() state {
		return state{p.metric(t, "go_goroutines"), p.metric(t, "process_open_fds"), p.metric(t, "go_memstats_heap_inuse_bytes")}
	}
	churn(80) // what is made once is there after it
	gone := func() bool { return p.metric(t, "chatd_ws_sockets") == 0 && p.metric(t, "chatd_ws_subscriptions") == 0 }
	await(t, 20*time.Second, "all sockets are gone", gone)
	httpClient.CloseIdleConnections()
	before := now()
	churn(churnCycles)
	await(t, 20*time.Second, "all sockets are gone", gone)
	httpClient.CloseIdleConnections()
	var after state
	within := 20 * time.Second
	if soak {
		within = 2 * time.Minute // renderers live on for one
	}
	await(t, within, "goroutines and files are back", func() bool {
		after = now()
		return after.goroutines <= before.goroutines+5 && after.files <= before.files+5
	})
	t.Logf("%d cycles: goroutines %v, then %v; files %v, then %v; heap in use %.1f MiB, then %.1f MiB", churnCycles,
		before.goroutines, after.goroutines, before.files, after.files, before.heap/(1<<20), after.heap/(1<<20))
}

// visit connects, subscribes in one of several ways, and leaves in one of
// several ways.
func (p *program) visit(t testing.TB, who person, room string, n int) error {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := wsclient.Dial(ctx, p.ws(), vars("authorization", "Bearer "+who.token))
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	defer c.Close()
	ignore := func(wsclient.Event) {}
	docs := []string{addedDoc, followDoc, `subscription($c: ID!) { typing(conversationId: $c) { typing } }`}
	v := []map[string]any{vars("c", room, "a", n%2), vars(), vars("c", room)}
	if err := c.Subscribe("1", docs[n%3], v[n%3], ignore); err != nil {
		return err
	}
	switch n % 4 {
	case 0: // drops the connection while the subscription starts
		return c.NetConn().Close()
	case 1:
		if _, err := c.Query(ctx, `{ __typename }`, nil); err != nil {
			return err
		}
		return c.Complete("1")
	default:
		_, err := c.Query(ctx, `{ __typename }`, nil)
		return err
	}
}
