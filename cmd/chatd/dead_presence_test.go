//go:build soak

package main

import (
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

func TestWhoIsDeadIsOfflineInTime(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	p.group(t, ada, bob)
	hears := hearPresence(t, p.dial(t, bob), nil)
	receive(t, hears)
	dead, err := wsclient.DialWith(t.Context(), p.ws(), vars("authorization", "Bearer "+ada.token), wsclient.Options{IgnorePings: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dead.Close() })
	wantChange(t, hears, ada, "ONLINE")
	begin := time.Now()
	select {
	case e := <-hears:
		if e.User.ID != ada.id || e.Status != "OFFLINE" {
			t.Errorf("%s", e)
		}
		t.Logf("OFFLINE after %v without an answer to pings", time.Since(begin))
	case <-time.After(45 * time.Second):
		t.Error("not within 45 s")
	}
}
