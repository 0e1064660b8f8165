package wsgql

import (
	"math/rand/v2"
	"sync"
	"time"
)

// wheel wakes sockets at their times: one goroutine for all of them. A socket
// is in at most one slot, that of its next time; times beyond the horizon are
// looked at again there.
type wheel struct {
	tick time.Duration

	mu    sync.Mutex
	zero  time.Time
	now   int64 // ticks since zero that have been dealt with
	slots [wheelSlots]*socket
}

const wheelSlots = 512

// wheelSlot is a socket's place in the wheel.
type wheelSlot struct {
	linked     bool
	at         int
	prev, next *socket
}

func (w *wheel) init(tick time.Duration) {
	w.tick = min(max(tick, 5*time.Millisecond), 250*time.Millisecond)
	w.zero = time.Now()
}

// run ticks until stop is closed; each is called after every tick.
func (w *wheel) run(stop <-chan struct{}, each func()) {
	t := time.NewTicker(w.tick)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-t.C:
			for _, s := range w.due(now) {
				s.onTime(now)
			}
			each()
		}
	}
}

// due takes the sockets out whose slot has come.
func (w *wheel) due(now time.Time) []*socket {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*socket
	to := int64(now.Sub(w.zero) / w.tick)
	for n := 0; w.now < to && n < wheelSlots; n++ {
		w.now++
		for s := w.slots[w.now%wheelSlots]; s != nil; s = w.slots[w.now%wheelSlots] {
			w.unlink(s)
			out = append(out, s)
		}
	}
	w.now = max(w.now, to)
	return out
}

// schedule puts s into the slot of t, or of the horizon.
func (w *wheel) schedule(s *socket, t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
	ticks := int64((t.Sub(w.zero) + w.tick - 1) / w.tick)
	ticks = min(max(ticks, w.now+1), w.now+wheelSlots-1)
	at := int(ticks % wheelSlots)
	s.slot = wheelSlot{linked: true, at: at, next: w.slots[at]}
	if s.slot.next != nil {
		s.slot.next.slot.prev = s
	}
	w.slots[at] = s
}

func (w *wheel) remove(s *socket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
}

func (w *wheel) unlink(s *socket) {
	l := s.slot
	if !l.linked {
		return
	}
	if l.prev != nil {
		l.prev.slot.next = l.next
	} else {
		w.slots[l.at] = l.next
	}
	if l.next != nil {
		l.next.slot.prev = l.prev
	}
	s.slot = wheelSlot{}
}

// times are a socket's appointments; zero is none. socket.mu guards them.
type times struct {
	init    time.Time // connection_init must have come
	expires time.Time // the access token ends
	ping    time.Time // the next ping
	pong    time.Time // a sign of life must have come
}

func (t times) next() time.Time {
	first := t.ping
	for _, x := range [...]time.Time{t.init, t.expires, t.pong} {
		if !x.IsZero() && x.Before(first) {
			first = x
		}
	}
	return first
}

// startTimes begins a socket's appointments. Its first ping is at a random
// time, so that sockets that came together do not ping together.
func (s *socket) startTimes(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times.init = now.Add(s.srv.cfg.InitTimeout)
	s.times.ping = now.Add(rand.N(s.srv.cfg.PingEvery)) //nolint:gosec // no secret
	s.reschedule()
}

// reschedule tells the wheel of the next appointment. s.mu is held.
func (s *socket) reschedule() {
	if !s.gone {
		s.srv.wheel.schedule(s, s.times.next())
	}
}

// onTime keeps the appointments that have come. Only the wheel calls it.
func (s *socket) onTime(now time.Time) {
	come := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	s.mu.Lock()
	t := &s.times
	init, expired := come(t.init), come(t.expires)
	dead, ping := false, come(t.ping)
	if come(t.pong) {
		dead = !s.alive.Load()
		t.pong = time.Time{}
	}
	if init {
		t.init = time.Time{}
	}
	if expired {
		t.expires = time.Time{}
	}
	if ping {
		s.alive.Store(false)
		t.ping = now.Add(s.srv.cfg.PingEvery)
		t.pong = now.Add(s.srv.cfg.PongWait)
	}
	s.reschedule()
	s.mu.Unlock()
	switch {
	case dead:
		s.kill()
	case init:
		s.shut(codeInitTimeout, "Connection initialisation timeout", false)
	case expired:
		s.shut(codeForbidden, "The access token has expired.", true)
	case ping:
		s.send(nil, pingFrame)
	}
}
