package wsgql_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/limit"
	"chatd/internal/platform/wsgql"
	"chatd/internal/platform/wsgql/wsclient"
)

func TestATokenEndsItsSocketUnlessRenewed(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	ends, renewed := r.ready(t, "short"), r.ready(t, "short")
	renewed.start("1", "mutation steal")
	if m := renewed.hear(); m.code() != "FORBIDDEN" {
		t.Fatalf("a foreign token gives %s", m)
	}
	renewed.start("1", "mutation renew")
	renewed.wants(`1 next {"data":{"ok":true}}`)
	renewed.wants("1 complete")
	ends.closedWith(4403)
	renewed.start("2", "{ok}")
	renewed.wants(`2 next {"data":{"ok":true}}`)
}

func TestEndSessionsClosesAtOnceAndSendsNothingMore(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	a, b, other := r.ready(t, "good a"), r.ready(t, "good a"), r.ready(t, "good b")
	a.start("1", "sub x")
	a.say(`{"type":"ping"}`)
	a.wants("pong")
	r.server.EndSessions(r.auth.session("good a"))
	r.publish("x", 1, 100)
	if _, err := a.ReadMessage(); err == nil {
		t.Error("got an event after the session ended")
	} else if c := (*wsclient.CloseError)(nil); !errors.As(err, &c) || c.Code != 4403 {
		t.Errorf("ended with %v", err)
	}
	b.closedWith(4403)
	other.start("1", "{ok}")
	other.wants(`1 next {"data":{"ok":true}}`)
}

func TestASessionThatEndsWhileItsTokenIsCheckedIsRefused(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	r.auth.hold = make(chan struct{}, 1)
	r.auth.hold <- struct{}{}
	first := r.open(t, wsclient.Options{})
	first.say(`{"type":"connection_init","payload":{"token":"held"}}`)
	first.hear()
	session := r.auth.session("held")
	late := r.open(t, wsclient.Options{})
	late.say(`{"type":"connection_init","payload":{"token":"held"}}`)
	eventually(t, "checked", func() bool {
		if r.auth.mu.TryLock() {
			r.auth.mu.Unlock()
			return false
		}
		return true
	})
	r.server.EndSessions(session)
	r.auth.hold <- struct{}{}
	late.closedWith(4403)
	first.closedWith(4403)
}

// Whoever has another role is told to come back, by 1012 and nothing else; a
// socket whose token was being checked meanwhile too, for it may have been told
// the older role.
func TestReconnectClosesTheSocketsOfAUser(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	a, b, other := r.ready(t, "good a"), r.ready(t, "good a"), r.ready(t, "good b")
	a.start("1", "sub x")
	a.say(`{"type":"ping"}`)
	a.wants("pong")
	r.server.Reconnect(r.auth.user("good a"))
	r.publish("x", 1, 100)
	if _, err := a.ReadMessage(); err == nil {
		t.Error("got an event after the role changed")
	} else if c := (*wsclient.CloseError)(nil); !errors.As(err, &c) || c.Code != 1012 {
		t.Errorf("ended with %v", err)
	}
	b.closedWith(1012)
	other.start("1", "{ok}")
	other.wants(`1 next {"data":{"ok":true}}`)
	r.ready(t, "good a") // at once, with what it may now
}

func TestARoleThatChangesWhileATokenIsCheckedIsTakenAnew(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	r.auth.hold = make(chan struct{}, 1)
	r.auth.hold <- struct{}{}
	first := r.open(t, wsclient.Options{})
	first.say(`{"type":"connection_init","payload":{"token":"held"}}`)
	first.hear()
	user := r.auth.user("held")
	late := r.open(t, wsclient.Options{})
	late.say(`{"type":"connection_init","payload":{"token":"held"}}`)
	eventually(t, "checked", func() bool {
		if r.auth.mu.TryLock() {
			r.auth.mu.Unlock()
			return false
		}
		return true
	})
	r.server.Reconnect(user)
	r.auth.hold <- struct{}{}
	late.closedWith(1012)
	first.closedWith(1012)
	r.auth.hold <- struct{}{}
	last := r.open(t, wsclient.Options{})
	last.say(`{"type":"connection_init","payload":{"token":"held"}}`)
	last.hear()
}

func TestADeadPeerIsFound(t *testing.T) {
	t.Parallel()
	// Longer than a busy machine takes for a pong.
	r := setup(t, wsgql.Config{PingEvery: 4 * time.Second, PongWait: 3 * time.Second})
	alive := r.ready(t, "good")
	dead := r.open(t, wsclient.Options{IgnorePings: true})
	dead.say(initMessage)
	dead.hear()
	dead.start("1", "sub a")
	answered := make(chan error, 1)
	go func() {
		_, err := alive.ReadMessage() // answers pings
		answered <- err
	}()
	if _, err := dead.ReadMessage(); err == nil {
		t.Error("a dead peer was sent a message")
	}
	eventually(t, "closed", func() bool { return r.streams.Load() == 0 })
	select {
	case err := <-answered:
		t.Errorf("the one that answers was closed: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	_ = alive.Close()
	<-answered
}

func TestLimits(t *testing.T) {
	t.Parallel()
	t.Run("subscriptions", func(t *testing.T) {
		t.Parallel()
		r := setup(t, wsgql.Config{Subscriptions: 3})
		p := r.ready(t, "good")
		for i := range 4 {
			p.start(fmt.Sprint(i), "sub a")
		}
		if m := p.hear(); m.ID != "3" || m.code() != "FAILED_PRECONDITION" {
			t.Errorf("the fourth gives %s", m)
		}
		p.say(`{"id":"0","type":"complete"}`)
		p.start("4", "sub a")
		p.say(`{"type":"ping"}`)
		p.wants("pong")
	})
	t.Run("sockets of a user", func(t *testing.T) {
		t.Parallel()
		r := setup(t, wsgql.Config{SocketsPerUser: 2})
		first := r.ready(t, "good")
		r.ready(t, "good")
		r.ready(t, "good other")
		third := r.open(t, wsclient.Options{})
		third.say(`{"type":"connection_init","payload":{"token":"good"}}`)
		third.closedWith(1013)
		_ = first.Close()
		eventually(t, "let in again", func() bool {
			c, err := wsclient.Dial(t.Context(), r.url, map[string]string{"token": "good"})
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		})
	})
	t.Run("sockets of a network that nobody signed in on", func(t *testing.T) {
		t.Parallel()
		r := setup(t, wsgql.Config{SocketsPerNetwork: 2})
		r.ready(t, "good")
		r.open(t, wsclient.Options{})
		silent := r.open(t, wsclient.Options{})
		refused(t, r, http.StatusTooManyRequests)
		_ = silent.Close()
		eventually(t, "let in again", func() bool {
			s, err := wsclient.Open(t.Context(), r.url, wsclient.Options{})
			if err == nil {
				_ = s.Close()
			}
			return err == nil
		})
	})
	t.Run("new sockets of a network", func(t *testing.T) {
		t.Parallel()
		r := setup(t, wsgql.Config{ConnectRate: limit.Rate{Burst: 2, Per: time.Hour}})
		r.open(t, wsclient.Options{})
		r.open(t, wsclient.Options{})
		refused(t, r, http.StatusTooManyRequests)
	})
	t.Run("messages", func(t *testing.T) {
		t.Parallel()
		r := setup(t, wsgql.Config{MessageRate: limit.Rate{Burst: 3, Per: time.Hour}})
		p := r.ready(t, "good")
		p.start("1", "sub a")
		p.start("2", "sub a")
		p.start("3", "sub a")
		if m := p.hear(); m.ID != "3" || m.code() != "RATE_LIMITED" {
			t.Errorf("the fourth message gives %s", m)
		}
		p.say(`{"type":"ping"}`)
		p.closedWith(1013)
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		r := setup(t, wsgql.Config{
			Unlimited: true, Subscriptions: 1, SocketsPerUser: 1, SocketsPerNetwork: 1,
			ConnectRate: limit.Rate{Burst: 1, Per: time.Hour}, MessageRate: limit.Rate{Burst: 1, Per: time.Hour},
		})
		for range 3 {
			r.open(t, wsclient.Options{})
			p := r.ready(t, "good")
			p.start("1", "sub a")
			p.start("2", "sub a")
			p.say(`{"type":"ping"}`)
			p.wants("pong")
		}
	})
}

func refused(t *testing.T, r *rig, status int) {
	t.Helper()
	_, err := wsclient.Open(t.Context(), r.url, wsclient.Options{})
	var h *wsclient.HandshakeError
	if !errors.As(err, &h) || h.Status != status {
		t.Errorf("upgrade gives %v, want status %d", err, status)
	}
}

func TestDrainLetsRunningOperationsFinish(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	idle, busy, silent := r.ready(t, "good"), r.ready(t, "good"), r.open(t, wsclient.Options{})
	idle.start("1", "sub a")
	idle.say(`{"type":"ping"}`)
	idle.wants("pong")
	busy.start("1", "mutation wait")
	<-r.running
	drained := make(chan error, 1)
	go func() { drained <- r.server.Drain(t.Context()) }()
	idle.closedWith(1012)
	silent.closedWith(1012)
	refused(t, r, http.StatusServiceUnavailable)
	busy.start("2", "{ok}") // not begun any more
	r.release <- struct{}{}
	busy.wants(`1 next {"data":{"waited":true}}`)
	busy.wants("1 complete")
	if _, err := busy.ReadMessage(); !strings.Contains(fmt.Sprint(err), "1012") {
		t.Errorf("then came %v", err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestDrainDoesNotWaitLongerThanItsGrace(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{DrainGrace: 30 * time.Millisecond, Linger: 50 * time.Millisecond})
	stuck := r.ready(t, "good")
	stuck.start("1", "{wait}")
	<-r.running
	if err := r.server.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	stuck.closedWith(1012)
}

func TestDrainCutsOffWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	stuck := r.ready(t, "good")
	stuck.start("1", "{wait}")
	<-r.running
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.server.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drain gives %v", err)
	}
	if _, err := stuck.ReadMessage(); err == nil {
		t.Error("the socket is still open")
	}
}

func TestSocketsThatComeDuringADrainAreClosedToo(t *testing.T) {
	t.Parallel()
	for range 20 {
		r := setup(t, wsgql.Config{Unlimited: true})
		ended := make(chan error, 10)
		for range cap(ended) {
			go func() {
				s, err := wsclient.Open(t.Context(), r.url, wsclient.Options{})
				if err == nil {
					_ = s.NetConn().SetDeadline(time.Now().Add(10 * time.Second))
					_, err = s.ReadMessage()
					_ = s.Close()
				}
				ended <- err
			}()
		}
		if err := r.server.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range cap(ended) {
			err := <-ended
			var closed *wsclient.CloseError
			var refused *wsclient.HandshakeError
			if !(errors.As(err, &closed) && closed.Code == 1012) && !(errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable) {
				t.Errorf("ended with %v", err)
			}
		}
	}
}
