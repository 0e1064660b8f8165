package user

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/ids"
)

// PresenceDeps are what a PresenceService works with. Crier is nil where there
// are no other nodes, Board where they have no place in common, Walls where
// nobody is kept apart, Relations where nobody has friends.
type PresenceDeps struct {
	Store     Presences
	Circle    Circle
	Relations Relations
	Log       zerolog.Logger
	Crier     Crier
	Board     Board
	Walls     Walls
}

// PresenceConfig tunes a PresenceService; zero values are the defaults.
type PresenceConfig struct {
	Now       func() time.Time // the wall clock, to tell times by; time.Now
	AwayAfter time.Duration    // without an operation; 5 min
	Grace     time.Duration    // between the last socket's end and Offline; 3 s
	Gather    time.Duration    // changes are told together after; 200 ms
	Tick      time.Duration    // how exact activity is noted; 1 s
	Beat      time.Duration    // between reports to other nodes; 10 s
	Lasts     time.Duration    // a report is believed for; 30 s
}

func (c PresenceConfig) withDefaults() PresenceConfig {
	set := func(p *time.Duration, d time.Duration) {
		if *p <= 0 {
			*p = d
		}
	}
	set(&c.AwayAfter, 5*time.Minute)
	set(&c.Grace, 3*time.Second)
	set(&c.Gather, 200*time.Millisecond)
	set(&c.Tick, time.Second)
	set(&c.Beat, 10*time.Second)
	set(&c.Lasts, 30*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// PresenceService knows who is there. Its methods may be called by any number
// of goroutines; Run must be running for anything to change.
type PresenceService struct {
	deps PresenceDeps
	cfg  PresenceConfig
	node string // tells this node's reports from others'

	began time.Time    // all times inside are durations since
	clock atomic.Int64 // the time of the last tick
	news  chan struct{}
	here  sync.Map // *person by ids.User, of who has sockets here; changed under mu

	mu      sync.Mutex
	people  map[ids.User]*person
	dirty   map[ids.User]struct{}  // may be other than was told
	unread  map[ids.User]struct{}  // whose choice is to be read
	unsaved map[ids.User]time.Time // sightings that are to be stored
	parted  map[Block]struct{}     // By is to be told of Of, since they are kept apart, or no longer
	related map[Block]struct{}     // By is to be told of Of, who is something else to him
	reports uint64
	beating map[string]time.Duration // the other nodes that have no board, and when they said so
	answer  bool                     // one of them is new, and waits for ours

	circle   Circle // with those who are kept apart
	audience audience
	failing  bool // Run's: the store did not answer the last time
}

// NewPresence makes a PresenceService. It starts nothing.
func NewPresence(deps PresenceDeps, cfg PresenceConfig) *PresenceService {
	if deps.Relations != nil {
		deps.Circle = befriended{deps.Circle, deps.Relations}
	}
	circle := deps.Circle
	if deps.Walls != nil {
		deps.Circle = discreet{circle, deps.Walls}
	}
	return &PresenceService{
		circle: circle, parted: map[Block]struct{}{}, related: map[Block]struct{}{},
		deps: deps, cfg: cfg.withDefaults(), node: rand.Text(), began: time.Now(), news: make(chan struct{}, 1),
		people: map[ids.User]*person{}, dirty: map[ids.User]struct{}{}, unread: map[ids.User]struct{}{},
		unsaved: map[ids.User]time.Time{}, beating: map[string]time.Duration{}, audience: newAudience(),
	}
}

// now is the time on the monotonic clock.
func (s *PresenceService) now() time.Duration { return time.Since(s.began) }

// wall is a time inside as others read it: to the second, as it is not known
// more exactly.
func (s *PresenceService) wall(at time.Duration) time.Time {
	return s.cfg.Now().Add(at - s.now()).UTC().Truncate(time.Second)
}

// Set makes a choice of how the viewer is seen, which holds until the next:
// Online leaves it to his sockets and his activity; Away and Busy are so while
// he is connected; Offline hides him: nobody sees that he is there, nor when he
// was active, from now on. It returns how he is seen now. ErrBadPresence.
func (s *PresenceService) Set(ctx context.Context, viewer ids.User, choice Availability) (Presence, error) {
	if !choice.valid() {
		return Presence{}, ErrBadPresence
	}
	at := s.cfg.Now().UTC().Truncate(time.Second)
	if err := s.deps.Store.Choose(ctx, Sighting{User: viewer, Choice: choice, LastActiveAt: at}); err != nil {
		return Presence{}, fmt.Errorf("choose a presence: %w", err)
	}
	s.mu.Lock()
	if p := s.people[viewer]; p != nil {
		p.active.Store(int64(s.now()))
		p.idle.Store(false)
		if p.sockets > 0 {
			p.choose(choice)
		}
		if choice == Offline {
			p.hide()
		}
		s.mark(viewer)
	}
	if choice == Offline {
		delete(s.unsaved, viewer)
	}
	s.mu.Unlock()
	s.tellChosen(ctx, viewer)
	seen, err := s.Presences(ctx, viewer, []ids.User{viewer})
	return seen[viewer], err
}

// Choice returns what the viewer has chosen last; Online when nothing.
func (s *PresenceService) Choice(ctx context.Context, viewer ids.User) (Availability, error) {
	found, err := s.deps.Store.Sightings(ctx, []ids.User{viewer})
	if err != nil {
		return "", fmt.Errorf("read a choice: %w", err)
	}
	if len(found) == 0 {
		return Online, nil
	}
	return found[0].Choice, nil
}

// Presences returns how the viewer may see the users. Of those who are
// strangers to him it says what it says of somebody who never was there:
// Offline, without a time. It is two reads of the store at most.
func (s *PresenceService) Presences(ctx context.Context, viewer ids.User, of []ids.User) (map[ids.User]Presence, error) {
	out := make(map[ids.User]Presence, len(of))
	var others []ids.User
	for _, u := range of {
		out[u] = Presence{User: u, Status: Offline}
		if u != viewer {
			others = append(others, u)
		}
	}
	seen := others
	if len(others) > 0 {
		var err error
		if seen, err = s.deps.Circle.Together(ctx, viewer, others); err != nil {
			return nil, fmt.Errorf("presences: %w", err)
		}
	}
	if len(others) < len(of) {
		seen = append(seen, viewer)
	}
	var gone []ids.User
	s.mu.Lock()
	for _, u := range seen {
		if p := s.presence(u); p.Status != Offline {
			out[u] = p
		} else {
			gone = append(gone, u)
		}
	}
	s.mu.Unlock()
	return out, s.lastSeen(ctx, gone, out)
}

// lastSeen fills in when those who are Offline were last active.
func (s *PresenceService) lastSeen(ctx context.Context, gone []ids.User, out map[ids.User]Presence) error {
	if len(gone) == 0 {
		return nil
	}
	kept, err := s.deps.Store.Sightings(ctx, gone)
	if err != nil {
		return fmt.Errorf("presences: %w", err)
	}
	for _, k := range kept {
		out[k.User] = Presence{User: k.User, Status: Offline, LastActiveAt: k.LastActiveAt}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range gone {
		if at, ok := s.unsaved[u]; ok && at.After(out[u].LastActiveAt) {
			out[u] = Presence{User: u, Status: Offline, LastActiveAt: at}
		}
	}
	return nil
}

// presence is how a user is seen on this node now. s.mu is held.
func (s *PresenceService) presence(u ids.User) Presence {
	p := s.people[u]
	if p == nil {
		return Presence{User: u, Status: Offline}
	}
	now := s.now()
	status := s.view(p, now)
	if status == Offline {
		return Presence{User: u, Status: Offline}
	}
	return Presence{User: u, Status: status, LastActiveAt: s.wall(p.lastActive())}
}

// Reread has a user's choice read again: he has made another, maybe on another
// node.
func (s *PresenceService) Reread(u ids.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.people[u]; p != nil && p.sockets > 0 {
		s.unread[u] = struct{}{}
		s.wake()
	}
}

// Run notes, tells and stores what changes until ctx ends.
func (s *PresenceService) Run(ctx context.Context) error {
	tick, beat := time.NewTicker(s.cfg.Tick), time.NewTicker(s.cfg.Beat)
	defer tick.Stop()
	defer beat.Stop()
	s.beat(ctx)
	for {
		select {
		case <-ctx.Done():
			s.leave(context.WithoutCancel(ctx))
			return nil
		case <-s.news:
			select {
			case <-time.After(s.cfg.Gather): // what else happens is told together
			case <-ctx.Done():
				continue
			}
			s.work(ctx)
		case <-tick.C:
			s.clock.Store(int64(s.now()))
			s.sweep()
			s.work(ctx)
			s.save(ctx)
		case <-beat.C:
			s.beat(ctx)
		}
	}
}

// storeWait bounds what Run waits for a read or write of the store.
const storeWait = 5 * time.Second

// work brings everybody up to date: this node's listeners and the other nodes.
// What the store hinders is tried again with the next tick.
func (s *PresenceService) work(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	s.mu.Lock()
	answer := s.answer
	s.answer = false
	s.mu.Unlock()
	if answer {
		s.beat(ctx)
	}
	err := s.readChoices(within)
	if told := s.publish(within); told != nil {
		err = errors.Join(err, told)
	}
	if told := s.tellParted(within); told != nil {
		err = errors.Join(err, told)
	}
	if told := s.tellRelated(within); told != nil {
		err = errors.Join(err, told)
	}
	if err != nil && !s.failing && ctx.Err() == nil {
		s.deps.Log.Warn().Err(err).Msg("presence waits for the store")
	}
	s.failing = err != nil
}

// wake has Run look at what is dirty or unread.
func (s *PresenceService) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// mark has a user looked at. s.mu is held.
func (s *PresenceService) mark(u ids.User) {
	s.dirty[u] = struct{}{}
	s.wake()
}
