package user

import (
	"context"
	"fmt"
	"slices"

	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
)

// Walls tell who is kept apart. They answer from memory.
type Walls interface {
	// Party says whether somebody is kept apart from anybody.
	Party(user ids.User) bool
	// Apart says whether two users are kept apart.
	Apart(a, b ids.User) bool
}

// discreet is a Circle without those who are kept apart.
type discreet struct {
	Circle
	walls Walls
}

func (d discreet) without(user ids.User, of []ids.User, err error) ([]ids.User, error) {
	if err != nil || !d.walls.Party(user) {
		return of, err
	}
	return slices.DeleteFunc(of, func(u ids.User) bool { return d.walls.Apart(user, u) }), nil
}

// Companions implements Circle.
func (d discreet) Companions(ctx context.Context, user ids.User) ([]ids.User, error) {
	of, err := d.Circle.Companions(ctx, user)
	return d.without(user, of, err)
}

// Together implements Circle.
func (d discreet) Together(ctx context.Context, user ids.User, of []ids.User) ([]ids.User, error) {
	of, err := d.Circle.Together(ctx, user, of)
	return d.without(user, of, err)
}

// Parted has two users told of each other who are kept apart from now on, or no
// longer: that the other has gone, or is there.
func (s *PresenceService) Parted(a, b ids.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parted[Block{a, b}], s.parted[Block{b, a}] = struct{}{}, struct{}{}
	s.wake()
}

// tellParted tells those who have been parted, or are no longer.
func (s *PresenceService) tellParted(ctx context.Context) error {
	s.mu.Lock()
	parted := s.parted
	s.parted = map[Block]struct{}{}
	s.mu.Unlock()
	for one := range parted {
		if err := s.tellOne(ctx, one.By, one.Of); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			for one := range parted { // with the next tick; to be told twice does no harm
				s.parted[one] = struct{}{}
			}
			return err
		}
	}
	return nil
}

// tellOne tells a viewer how he sees a user now, if he has seen or would see
// him as anything but Offline.
func (s *PresenceService) tellOne(ctx context.Context, viewer, of ids.User) error {
	s.mu.Lock()
	now := s.presence(of)
	s.mu.Unlock()
	if now.Status == Offline {
		return nil
	}
	if s.deps.Walls.Apart(viewer, of) {
		now.Status = Offline // like somebody who goes
	}
	a := &s.audience
	a.mu.Lock()
	listens, watches := len(a.listeners[viewer]) > 0, false
	for w := range a.watches[of] {
		watches = watches || w.viewer == viewer
	}
	a.mu.Unlock()
	var hears, asks bool
	if listens {
		companions, err := s.circle.Companions(ctx, of)
		if err != nil {
			return fmt.Errorf("tell who is kept apart: %w", err)
		}
		hears = slices.Contains(companions, viewer)
	}
	if watches {
		together, err := s.circle.Together(ctx, of, []ids.User{viewer})
		if err != nil {
			return fmt.Errorf("tell who is kept apart: %w", err)
		}
		asks = len(together) > 0
	}
	e := &PresenceChanged{now}
	a.mu.Lock()
	defer a.mu.Unlock()
	if hears {
		a.signal(viewer, e)
	}
	for w := range a.watches[of] {
		if asks && w.viewer == viewer && !w.sink.Offer(feed.Item{Event: e, Size: e.Size()}) {
			leave(a.watches, of, w)
		}
	}
	return nil
}
