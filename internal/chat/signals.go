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
	if walled, err := s.walled(ctx, viewer, id, st.kind); err != nil {
		return err
	} else if walled {
		return ErrNoConversation
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

// tellEvery is how often at most somebody's typing is told.
const tellEvery = time.Second

// typists remembers who is typing, so that it ends by itself, does not repeat
// itself, and is told once in tellEvery at most, whatever is said of it: the
// last thing that was said is told when that is over.
type typists struct {
	lasts time.Duration
	tell  func(standingKey, bool)

	mu      sync.Mutex
	active  map[standingKey]*typist
	stopped bool
}

type typist struct {
	types bool // as he said last
	ends  time.Time
	said  bool // what was told last, and when
	told  time.Time
	next  *time.Timer // when there is something to do about him
}

func newTypists(lasts time.Duration, tell func(standingKey, bool)) *typists {
	return &typists{lasts: lasts, tell: tell, active: map[standingKey]*typist{}}
}

func (t *typists) set(k standingKey, typing bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.active[k]
	if t.stopped || a == nil && (!typing || len(t.active) >= maxTypists) {
		return
	}
	now := time.Now()
	if a == nil {
		a = &typist{}
		a.next = time.AfterFunc(t.lasts, func() { t.wake(k, a) })
		t.active[k] = a
	}
	if a.types = typing; typing {
		a.ends = now.Add(t.lasts)
		if a.said && now.Sub(a.told) >= tellEvery { // he still does
			t.say(k, a, now)
		}
	}
	t.settle(k, a, now)
}

func (t *typists) say(k standingKey, a *typist, now time.Time) {
	a.said, a.told = a.types, now
	t.tell(k, a.types)
}

// settle tells what is due, and sees to it that what is due later is.
func (t *typists) settle(k standingKey, a *typist, now time.Time) {
	if a.types && !now.Before(a.ends) {
		a.types = false
	}
	quiet := a.told.Add(tellEvery)
	if a.types != a.said && !now.Before(quiet) {
		t.say(k, a, now)
		quiet = now.Add(tellEvery)
	}
	switch {
	case a.types && a.said:
		a.next.Reset(a.ends.Sub(now))
	case a.types != a.said || now.Before(quiet): // to be told, or remembered that it was
		a.next.Reset(quiet.Sub(now))
	default:
		a.next.Stop()
		delete(t.active, k)
	}
}

func (t *typists) wake(k standingKey, a *typist) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active[k] == a && !t.stopped {
		t.settle(k, a, time.Now())
	}
}

func (t *typists) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	for k, a := range t.active {
		a.next.Stop()
		delete(t.active, k)
	}
}
