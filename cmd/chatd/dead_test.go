//go:build soak

package main

import (
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

func TestClientsThatAreDeadAreGoneWithinTheirTime(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	const n = 20
	goroutines, files := p.metric(t, "go_goroutines"), p.metric(t, "process_open_fds")
	for range n {
		c, err := wsclient.DialWith(t.Context(), p.ws(), vars("authorization", "Bearer "+ada.token), wsclient.Options{IgnorePings: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		listen(t, c, "1", room, nil)
	}
	alive := p.dial(t, ada)
	begin := time.Now()
	await(t, 45*time.Second, "the dead are gone", func() bool { return p.metric(t, "chatd_ws_sockets") == 1 })
	t.Logf("%d dead clients were gone after %v", n, time.Since(begin))
	barrier(t, alive)
	await(t, time.Minute+20*time.Second, "goroutines and files are back", func() bool {
		return p.metric(t, "go_goroutines") <= goroutines+5 && p.metric(t, "process_open_fds") <= files+5
	})
}
