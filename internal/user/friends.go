package user

import (
	"context"
	"fmt"
	"slices"

	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
)

// mostFriendsTold is of how many friends somebody hears without asking, the
// newest.
const mostFriendsTold = 1_000

// befriended is a Circle that friends are in too.
type befriended struct {
	Circle
	relations Relations
}

// Companions implements Circle.
func (b befriended) Companions(ctx context.Context, user ids.User) ([]ids.User, error) {
	of, err := b.Circle.Companions(ctx, user)
	if err != nil {
		return nil, err
	}
	friends, err := b.relations.Contacts(ctx, ContactQuery{Viewer: user, Is: Friends, Limit: mostFriendsTold})
	if err != nil {
		return nil, fmt.Errorf("friends: %w", err)
	}
	if len(friends) == 0 {
		return of, nil
	}
	all := slices.Clone(of)
	for _, f := range friends {
		all = append(all, f.User)
	}
	slices.SortFunc(all, ids.User.Compare)
	return slices.Compact(all), nil
}

// Together implements Circle. Who is in a conversation with the user need not
// be looked for among his friends.
func (b befriended) Together(ctx context.Context, user ids.User, of []ids.User) ([]ids.User, error) {
	near, err := b.Circle.Together(ctx, user, of)
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(slices.Clone(of), func(u ids.User) bool { return slices.Contains(near, u) })
	if len(others) == 0 {
		return near, nil
	}
	are, err := b.relations.Relationships(ctx, user, others)
	if err != nil {
		return nil, fmt.Errorf("friends: %w", err)
	}
	all := slices.Clone(near)
	for u, is := range are {
		if is == Friends {
			all = append(all, u)
		}
	}
	return all, nil
}

// Related has a viewer told of somebody who is something else to him from now
// on: how he is when he is a friend; that he is Offline when he is nothing, or
// blocked, and the viewer hears of him no more. That is told whether he is there
// or not, so that it says nothing.
func (s *PresenceService) Related(viewer, other ids.User, is Relationship) {
	switch is {
	case Friends, Strangers, Blocked:
	case RequestSent, RequestReceived:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.related[Block{viewer, other}] = struct{}{}
	s.wake()
}

// tellRelated tells those to whom somebody is something else.
func (s *PresenceService) tellRelated(ctx context.Context) error {
	s.mu.Lock()
	related := s.related
	s.related = map[Block]struct{}{}
	s.mu.Unlock()
	for one := range related {
		if err := s.tellNews(ctx, one.By, one.Of); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			for one := range related { // with the next tick; to be told twice does no harm
				s.related[one] = struct{}{}
			}
			return err
		}
	}
	return nil
}

// tellNews tells a viewer how he sees a user now.
func (s *PresenceService) tellNews(ctx context.Context, viewer, of ids.User) error {
	a := &s.audience
	a.mu.Lock()
	listens, watches := len(a.listeners[viewer]) > 0, false
	for w := range a.watches[of] {
		watches = watches || w.viewer == viewer
	}
	a.mu.Unlock()
	if !listens && !watches {
		return nil
	}
	near, err := s.deps.Circle.Together(ctx, viewer, []ids.User{of})
	if err != nil {
		return fmt.Errorf("tell of a friend: %w", err)
	}
	now := Presence{User: of, Status: Offline}
	if len(near) > 0 {
		s.mu.Lock()
		now = s.presence(of)
		s.mu.Unlock()
	}
	e := &PresenceChanged{now}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.signal(viewer, e)
	for w := range a.watches[of] {
		if w.viewer == viewer && !w.sink.Offer(feed.Item{Event: e, Size: e.Size()}) {
			leave(a.watches, of, w)
		}
	}
	return nil
}
