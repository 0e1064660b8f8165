package wsgql_test

import (
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/wsgql"
	"chatd/internal/platform/wsgql/wsclient"
)

// hall notes who attends.
type hall struct {
	mu     sync.Mutex
	there  map[ids.User]int
	active map[ids.User]int
	late   bool // something was told of a socket after its end
}

type seat struct {
	h    *hall
	user ids.User
	over bool
}

func newHall() *hall { return &hall{there: map[ids.User]int{}, active: map[ids.User]int{}} }

func (h *hall) attend(p principal.Principal) wsgql.Attendance {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.there[p.User]++
	return &seat{h: h, user: p.User}
}

func (s *seat) Active() {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.h.late = s.h.late || s.over
	s.h.active[s.user]++
}

func (s *seat) End() {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.h.late = s.h.late || s.over
	s.over = true
	s.h.there[s.user]--
}

// of returns how many sockets of a user attend, and what they did.
func (h *hall) of(user ids.User) (sockets, operations int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.there[user], h.active[user]
}

func TestWhoAttendsIsToldFromSignInToTheEndOfTheConnection(t *testing.T) {
	t.Parallel()
	h := newHall()
	r := setup(t, wsgql.Config{Attend: h.attend, PingEvery: 4 * time.Second, PongWait: 2 * time.Second})
	anonymous := r.open(t, wsclient.Options{})
	anonymous.say(initMessage)
	refused := r.open(t, wsclient.Options{})
	refused.say(`{"type":"connection_init","payload":{"token":"bad"}}`)
	refused.closedWith(4403)

	one, two := r.ready(t, "good"), r.ready(t, "good")
	good := r.auth.of("good")
	user := good.User
	if n, did := h.of(user); n != 2 || did != 0 {
		t.Fatalf("%d sockets attend that did %d operations", n, did)
	}
	one.say(`{"type":"ping"}`)
	one.wants("pong")
	one.start("1", "sub a")
	two.start("1", "sub a")
	one.say(`{"type":"ping"}`)
	one.wants("pong")
	if n, did := h.of(user); n != 2 || did < 1 || did > 2 {
		t.Fatalf("%d sockets attend that did %d operations", n, did)
	}
	_ = one.Close()
	eventually(t, "one has gone", func() bool { n, _ := h.of(user); return n == 1 })
	// Nobody answers the pings of the other: it is gone without a word.
	eventually(t, "the dead one has gone", func() bool { n, _ := h.of(user); return n == 0 })

	r.ready(t, "good")
	r.server.EndSessions(good.Session)
	eventually(t, "it has gone with its session", func() bool { n, _ := h.of(user); return n == 0 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.late || len(h.there) != 1 {
		t.Errorf("told after the end: %v; of %d users", h.late, len(h.there))
	}
}
