package chat

import (
	"context"
	"sync"
	"time"

	"chatd/internal/platform/ids"
)

// SetTyping tells the other members that the viewer writes, or has ceased to.
// It ends by itself; more than one signal a second is swallowed.
func (s *Service) SetTyping(ctx context.Context, viewer ids.User, id ids.Conversation, typing bool) error {
	st, err := s.standingOf(ctx, id, viewer)
	if err != nil {
		return err
	}
	if !may(st.kind, st.role, maySend) {
		return ErrForbidden
	}
	s.typists.set(standingKey{id, viewer}, typing)
	return nil
}

// signal hands a typing signal of this node to all listeners.
func (s *Service) signal(k standingKey, typing bool) {
	s.live.tell(s.dispatchSignal(k, typing))
}

// dispatchSignal hands a typing signal to this node's listeners.
func (s *Service) dispatchSignal(k standingKey, typing bool) *Event {
	e := &Event{Kind: TypingChanged, Conversation: k.conversation, Typing: &Typing{User: k.user, Typing: typing}}
	s.hub.Publish(k.conversation, e)
	return e
}

// maxTypists bounds who is remembered as typing on a node; beyond it nobody
// new is.
const maxTypists = 10_000

// typists remembers who is typing, so that it ends by itself and does not
// repeat itself.
type typists struct {
	lasts time.Duration
	tell  func(standingKey, bool)

	mu      sync.Mutex
	active  map[standingKey]*typist
	stopped bool
}

type typist struct {
	told time.Time
	ends *time.Timer
}

func newTypists(lasts time.Duration, tell func(standingKey, bool)) *typists {
	return &typists{lasts: lasts, tell: tell, active: map[standingKey]*typist{}}
}

func (t *typists) set(k standingKey, typing bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.active[k]
	switch {
	case t.stopped, !typing && a == nil, typing && a == nil && len(t.active) >= maxTypists:
	case !typing:
		a.ends.Stop()
		delete(t.active, k)
		t.tell(k, false)
	case a == nil:
		a = &typist{told: time.Now()}
		a.ends = time.AfterFunc(t.lasts, func() { t.expire(k, a) })
		t.active[k] = a
		t.tell(k, true)
	default:
		a.ends.Reset(t.lasts)
		if now := time.Now(); now.Sub(a.told) >= time.Second {
			a.told = now
			t.tell(k, true)
		}
	}
}

func (t *typists) expire(k standingKey, a *typist) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active[k] == a && !t.stopped {
		delete(t.active, k)
		t.tell(k, false)
	}
}

func (t *typists) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	for k, a := range t.active {
		a.ends.Stop()
		delete(t.active, k)
	}
}
