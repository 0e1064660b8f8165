package user

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
)

// audience is who on this node hears of changes: viewers by their streams of
// everything, and watches of users by name.
type audience struct {
	mu        *sync.Mutex // held while somebody is told
	listeners map[ids.User]map[*listener]struct{}
	watches   map[ids.User]map[*watch]struct{}
}

type listener struct{ to func(feed.Signal) }

func newAudience() audience {
	return audience{
		mu:        new(sync.Mutex),
		listeners: map[ids.User]map[*listener]struct{}{}, watches: map[ids.User]map[*watch]struct{}{},
	}
}

// join and leave keep sets by user without empty ones.
func join[T comparable](m map[ids.User]map[T]struct{}, u ids.User, x T) {
	if m[u] == nil {
		m[u] = map[T]struct{}{}
	}
	m[u][x] = struct{}{}
}

func leave[T comparable](m map[ids.User]map[T]struct{}, u ids.User, x T) {
	delete(m[u], x)
	if len(m[u]) == 0 {
		delete(m, u)
	}
}

// Follow implements feed.Signals: the viewer hears of himself and of his
// companions.
func (s *PresenceService) Follow(viewer ids.User, to func(feed.Signal)) func() {
	l := &listener{to}
	s.audience.mu.Lock()
	defer s.audience.mu.Unlock()
	join(s.audience.listeners, viewer, l)
	return func() {
		s.audience.mu.Lock()
		defer s.audience.mu.Unlock()
		leave(s.audience.listeners, viewer, l)
	}
}

// Snapshot implements feed.Signals: all whom the viewer hears of and who are
// not Offline, sorted by id.
func (s *PresenceService) Snapshot(ctx context.Context, viewer ids.User) (feed.Signal, error) {
	of, err := s.deps.Circle.Companions(ctx, viewer)
	if err != nil {
		return feed.Signal{}, fmt.Errorf("presence snapshot: %w", err)
	}
	of = append(slices.Clip(of), viewer)
	slices.SortFunc(of, ids.User.Compare)
	e := &PresenceSnapshot{}
	s.mu.Lock()
	for _, u := range slices.Compact(of) {
		if p := s.presence(u); p.Status != Offline {
			e.Presences = append(e.Presences, p)
		}
	}
	s.mu.Unlock()
	return feed.Signal{Event: e, Size: e.Size()}, nil
}

// watch is a subscription to users by name.
type watch struct {
	s      *PresenceService
	viewer ids.User
	of     []ids.User
	sink   feed.Sink
	closed bool // under audience.mu
}

// Watch opens the changes of some users, live only: whenever one of them is
// somebody whom the viewer may see, when it happens. Its items carry
// *PresenceChanged. ErrTooMany.
func (s *PresenceService) Watch(viewer ids.User, of []ids.User) (feed.Stream, error) {
	if len(of) > MaxIDs {
		return nil, ErrTooMany
	}
	return &watch{s: s, viewer: viewer, of: of}, nil
}

// Start implements feed.Stream.
func (w *watch) Start(sink feed.Sink) bool {
	a := &w.s.audience
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.closed {
		return false
	}
	w.sink = sink
	for _, u := range w.of {
		join(a.watches, u, w)
	}
	return false
}

// CatchUp implements feed.Stream: nothing is missed.
func (*watch) CatchUp(context.Context, func([]feed.Item) error) error { return nil }

// Close implements feed.Stream.
func (w *watch) Close() {
	a := &w.s.audience
	a.mu.Lock()
	defer a.mu.Unlock()
	w.closed = true
	for _, u := range w.of {
		leave(a.watches, u, w)
	}
}

// change is a change of one user that is to be told.
type change struct {
	p    *person
	now  Presence
	self bool // he is told himself: it is not only that he has come
}

// publish tells listeners here and the other nodes what is dirty, some at a
// time.
func (s *PresenceService) publish(ctx context.Context) error {
	changes, reported := s.changed()
	s.report(ctx, reported)
	for i, c := range changes {
		if err := s.tell(ctx, c); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, c := range changes[i:] { // with the next tick
				s.dirty[c.now.User] = struct{}{}
			}
			return err
		}
		s.mu.Lock()
		c.p.shown = c.now.Status
		if c.p.shown == Offline {
			c.p.gone = 0
		}
		s.mu.Unlock()
	}
	return nil
}

// changed takes dirty users and says what is to be told of them, to listeners
// and to other nodes.
func (s *PresenceService) changed() (changes []change, reported []standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for u := range s.dirty {
		if len(changes) == readAtOnce || len(reported) == readAtOnce {
			s.wake()
			break
		}
		delete(s.dirty, u)
		p := s.people[u]
		if p == nil {
			continue
		}
		p.settle(now, &s.cfg)
		if here := p.here(now, s.cfg.AwayAfter); here != p.told {
			p.told = here
			reported = append(reported, standing{u, here, now - time.Duration(p.active.Load())})
			if idle := here == Away && p.choice == Online; idle {
				p.idle.Store(true)
				s.sight(u, p)
			}
		}
		if view := s.view(p, now); view != p.shown {
			changes = append(changes, change{p: p, self: p.connected, now: Presence{
				// Who hides is told of like somebody who goes.
				User: u, Status: view, LastActiveAt: s.wall(p.lastActive()),
			}})
		}
		if p.sockets == 0 || p.known {
			p.connected = p.sockets > 0 || len(p.there) > 0
		}
	}
	return changes, reported
}

// tell hands a change to those on this node who hear of the user, after asking
// who may, once for all of them.
func (s *PresenceService) tell(ctx context.Context, c change) error {
	a := &s.audience
	u := c.now.User
	a.mu.Lock()
	listeners := len(a.listeners)
	var viewers []ids.User
	for w := range a.watches[u] {
		viewers = append(viewers, w.viewer)
	}
	a.mu.Unlock()
	var companions []ids.User
	if listeners > 0 {
		var err error
		if companions, err = s.deps.Circle.Companions(ctx, u); err != nil {
			return fmt.Errorf("tell a presence: %w", err)
		}
	}
	allowed := map[ids.User]bool{u: true}
	if len(viewers) > 0 {
		slices.SortFunc(viewers, ids.User.Compare)
		together, err := s.deps.Circle.Together(ctx, u, slices.Compact(viewers))
		if err != nil {
			return fmt.Errorf("tell a presence: %w", err)
		}
		for _, v := range together {
			allowed[v] = true
		}
	}
	e := &PresenceChanged{c.now}
	a.mu.Lock()
	defer a.mu.Unlock()
	told := false
	for _, v := range companions {
		told = told || v == u
		if v != u || c.self {
			a.signal(v, e)
		}
	}
	if !told && c.self {
		a.signal(u, e)
	}
	for w := range a.watches[u] {
		if allowed[w.viewer] && !w.sink.Offer(feed.Item{Event: e, Size: e.Size()}) {
			leave(a.watches, u, w)
		}
	}
	return nil
}

// signal tells a viewer's streams. a.mu is held.
func (a *audience) signal(viewer ids.User, e *PresenceChanged) {
	for l := range a.listeners[viewer] {
		l.to(feed.Signal{Event: e, Size: e.Size()})
	}
}
