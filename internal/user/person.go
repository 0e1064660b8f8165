package user

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"chatd/internal/platform/ids"
)

// person is what this node knows of somebody who is there, here or elsewhere,
// or has just been. PresenceService.mu guards all but the atomics.
type person struct {
	// Here.
	sockets int
	choice  Availability
	known   bool   // choice has been read; until then he is not shown
	choices uint64 // counts changes of choice, for readings that were overtaken
	active  atomic.Int64
	idle    atomic.Bool  // is told to be Away: activity is news
	told    Availability // what the other nodes know of him here; empty: nothing

	// Elsewhere, by node.
	there map[string]report

	shown     Availability  // what those who listen on this node know
	connected bool          // then he had a socket
	gone      time.Duration // since when he is nowhere; 0 while he is somewhere
	last      time.Duration // he was active, as other nodes say
}

// report is what another node says of somebody.
type report struct {
	status Availability // empty: he has gone from there
	active time.Duration
	heard  time.Duration
	seq    uint64
}

func (p *person) choose(c Availability) {
	p.choice, p.known = c, true
	p.choices++
}

// hide makes him Offline at once, without the grace of who has gone.
func (p *person) hide() {
	p.gone, p.last = -1, p.lastActive()
	clear(p.there)
}

func (p *person) hidden() bool { return p.sockets > 0 && p.known && p.choice == Offline }

// here is how this node alone sees him; empty when he is not here or must not
// be shown yet.
func (p *person) here(now, awayAfter time.Duration) Availability {
	switch {
	case p.sockets == 0 || !p.known:
		return ""
	case p.choice != Online:
		return p.choice
	case now-time.Duration(p.active.Load()) >= awayAfter:
		return Away
	}
	return Online
}

// status is how all nodes together see him.
func (p *person) status(now time.Duration, cfg *PresenceConfig) Availability {
	best := Offline
	if p.hidden() {
		return best
	}
	if here := p.here(now, cfg.AwayAfter); here.rank() > best.rank() {
		best = here
	}
	for _, r := range p.there {
		if now-r.heard < cfg.Lasts && r.status.rank() > best.rank() {
			best = r.status
		}
	}
	return best
}

// lastActive is when he was last active anywhere.
func (p *person) lastActive() time.Duration {
	last := max(p.last, time.Duration(p.active.Load()))
	for _, r := range p.there {
		last = max(last, r.active)
	}
	return last
}

// settle notes since when he is nowhere, and returns status.
func (p *person) settle(now time.Duration, cfg *PresenceConfig) Availability {
	status := p.status(now, cfg)
	switch {
	case status != Offline:
		p.gone = 0
	case p.gone == 0 && p.shown != Offline:
		p.gone = max(now, 1)
	}
	return status
}

// view is status, but for a grace in which somebody who has gone is shown as
// he was.
func (s *PresenceService) view(p *person, now time.Duration) Availability {
	status := p.status(now, &s.cfg)
	if status == Offline && !p.hidden() && p.shown != "" && p.shown != Offline && (p.gone == 0 || p.gone > 0 && now-p.gone < s.cfg.Grace) {
		return p.shown
	}
	return status
}

// Attending is one socket of somebody.
type Attending struct {
	s    *PresenceService
	user ids.User
	p    *person
}

// Attend notes a socket that somebody has signed in on.
func (s *PresenceService) Attend(u ids.User) *Attending {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(u)
	p.sockets++
	p.active.Store(int64(s.now()))
	p.idle.Store(false)
	if p.sockets == 1 {
		s.unread[u] = struct{}{}
		s.here.Store(u, p)
	}
	s.mark(u)
	return &Attending{s, u, p}
}

// person finds or makes what is known of a user. s.mu is held.
func (s *PresenceService) person(u ids.User) *person {
	p := s.people[u]
	if p == nil {
		p = &person{shown: Offline, there: map[string]report{}}
		s.people[u] = p
	}
	return p
}

// Active notes that its user is active. It is called for every operation: it
// takes no lock unless he was taken for Away.
func (a *Attending) Active() { a.s.noteActive(a.user, a.p) }

// Active notes that a user is active by another way than a socket; it does
// nothing when he has no socket here. It takes no lock either.
func (s *PresenceService) Active(u ids.User) {
	if p, ok := s.here.Load(u); ok {
		s.noteActive(u, p.(*person)) //nolint:forcetypeassert // Nothing else is in it.
	}
}

func (s *PresenceService) noteActive(u ids.User, p *person) {
	p.active.Store(max(s.clock.Load(), p.active.Load()))
	if p.idle.Load() && p.idle.Swap(false) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mark(u)
	}
}

// End notes that the socket is gone.
func (a *Attending) End() {
	s, p := a.s, a.p
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.sockets--; p.sockets == 0 {
		s.here.Delete(a.user)
		s.sight(a.user, p)
		p.known = false // he may choose elsewhere before he comes again
	}
	s.mark(a.user)
}

// sight has stored when a user was last active, unless he hides. s.mu is held.
func (s *PresenceService) sight(u ids.User, p *person) {
	if p.known && p.choice != Offline {
		s.unsaved[u] = s.wall(time.Duration(p.active.Load()))
	}
}

// sweep finds what has changed by time alone, and forgets those who are gone.
func (s *PresenceService) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for u, p := range s.people {
		for node, r := range p.there {
			if now-r.heard >= s.cfg.Lasts {
				p.last = max(p.last, r.active)
				delete(p.there, node)
			}
		}
		p.settle(now, &s.cfg)
		switch _, waits := s.dirty[u]; {
		case waits:
		case s.view(p, now) != p.shown || p.here(now, s.cfg.AwayAfter) != p.told:
			s.dirty[u] = struct{}{}
		case p.sockets == 0 && p.shown == Offline && len(p.there) == 0:
			delete(s.people, u)
		}
	}
	for node, at := range s.beating {
		if now-at >= s.cfg.Lasts {
			delete(s.beating, node)
		}
	}
}

// readAtOnce bounds a read of choices, and how many changes are told in a row.
const readAtOnce = 500

// readChoices reads what those who have come have chosen, some at a time.
func (s *PresenceService) readChoices(ctx context.Context) error {
	s.mu.Lock()
	versions := make(map[ids.User]uint64, min(len(s.unread), readAtOnce))
	for u := range s.unread {
		if p := s.people[u]; p == nil || p.sockets == 0 {
			delete(s.unread, u)
		} else if len(versions) < readAtOnce {
			versions[u] = p.choices
		}
	}
	s.mu.Unlock()
	if len(versions) == 0 {
		return nil
	}
	kept, err := s.deps.Store.Sightings(ctx, slices.Collect(maps.Keys(versions)))
	if err != nil {
		return fmt.Errorf("read choices: %w", err)
	}
	chosen := make(map[ids.User]Availability, len(kept))
	for _, k := range kept {
		chosen[k.User] = k.Choice
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for u, version := range versions {
		p := s.people[u]
		if p == nil || p.choices != version {
			continue // he has chosen meanwhile
		}
		delete(s.unread, u)
		c := chosen[u]
		if !c.valid() {
			c = Online
		}
		was := p.hidden()
		p.choose(c)
		if p.hidden() && !was {
			p.hide()
		}
		s.dirty[u] = struct{}{}
	}
	if len(s.unread) > 0 {
		s.wake()
	}
	return nil
}

// save stores sightings, some at a time.
func (s *PresenceService) save(ctx context.Context) {
	s.mu.Lock()
	some := make(map[ids.User]time.Time, min(len(s.unsaved), readAtOnce))
	for u, at := range s.unsaved {
		if len(some) == readAtOnce {
			break
		}
		some[u] = at
	}
	s.mu.Unlock()
	if len(some) == 0 {
		return
	}
	within, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	if err := s.deps.Store.Saw(within, some); err != nil {
		return // again with the next tick; that the store is away, work tells
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for u, at := range some {
		if s.unsaved[u].Equal(at) {
			delete(s.unsaved, u)
		}
	}
}
