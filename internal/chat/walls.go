package chat

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"chatd/internal/platform/ids"
)

// Walls tell who is kept apart, since one of the two has blocked the other. They
// answer from memory: they are asked for every direct message.
type Walls interface {
	// Party says whether somebody is kept apart from anybody.
	Party(user ids.User) bool
	// Apart says whether two users are kept apart. It is the same either way.
	Apart(a, b ids.User) bool
}

// What a wall stands for in chat: the two open no direct conversation, and in
// the one they have they read what is there and delete what is theirs, no more.
// Neither brings the other into a group, by hand or by a code, and no mention
// of the other is one. Neither is shown how far the other has read. In groups
// that both are in they write to all, as everybody does. It is refused as if
// the other were not there, to both alike.

// apart says whether two users are kept apart.
func (s *Service) apart(a, b ids.User) bool { return s.Walls != nil && s.Walls.Apart(a, b) }

// withoutApart returns those of the users who are not kept apart from the
// viewer.
func (s *Service) withoutApart(viewer ids.User, of []ids.User) []ids.User {
	if s.Walls == nil || !s.Walls.Party(viewer) {
		return of
	}
	return slices.DeleteFunc(slices.Clone(of), func(u ids.User) bool { return s.Walls.Apart(viewer, u) })
}

// walled says whether a direct conversation is of two who are kept apart. Only
// for somebody who is kept apart from anybody is it looked up who the other is,
// once: that never changes.
func (s *Service) walled(ctx context.Context, viewer ids.User, id ids.Conversation, k Kind) (bool, error) {
	if k != Direct || s.Walls == nil || !s.Walls.Party(viewer) {
		return false, nil
	}
	pair, ok := s.pairs.Get(id)
	if !ok {
		members, err := s.Store.Members(ctx, viewer, id, MemberKey{}, len(pair))
		if err != nil {
			return false, fmt.Errorf("the two of %s: %w", id, err)
		}
		pair = s.keepPair(id, members)
	}
	return s.Walls.Apart(pair[0], pair[1]), nil
}

func (s *Service) keepPair(id ids.Conversation, members []Member) (pair [2]ids.User) {
	if len(members) != len(pair) {
		return pair
	}
	for i, m := range members {
		pair[i] = m.User
	}
	s.pairs.Add(id, pair)
	return pair
}

// Walled returns those of the viewer's conversations that are direct ones of
// two who are kept apart, in one read at most.
func (s *Service) Walled(ctx context.Context, viewer ids.User, of []View) (map[ids.Conversation]bool, error) {
	if s.Walls == nil || !s.Walls.Party(viewer) {
		return nil, nil
	}
	walled := map[ids.Conversation]bool{}
	var unknown []ids.Conversation
	for _, v := range of {
		switch pair, ok := s.pairs.Get(v.ID); {
		case v.Kind != Direct:
		case !ok:
			unknown = append(unknown, v.ID)
		case s.Walls.Apart(pair[0], pair[1]):
			walled[v.ID] = true
		}
	}
	if len(unknown) == 0 {
		return walled, nil
	}
	found, err := s.Store.Positions(ctx, viewer, unknown, len([2]ids.User{}))
	if err != nil {
		return nil, fmt.Errorf("who is in %d direct conversations: %w", len(unknown), err)
	}
	in := map[ids.Conversation][]Member{}
	for _, m := range found {
		in[m.Conversation] = append(in[m.Conversation], m)
	}
	for id, members := range in {
		if pair := s.keepPair(id, members); s.Walls.Apart(pair[0], pair[1]) {
			walled[id] = true
		}
	}
	return walled, nil
}

// Behind takes from rights in a conversation what a wall does not let through.
func (r Rights) Behind(wall bool) Rights {
	r.Send = r.Send && !wall
	return r
}

// Behind takes from rights over a message what a wall does not let through.
func (r RevisionRights) Behind(wall bool) RevisionRights {
	if wall {
		r = RevisionRights{Delete: r.Delete}
	}
	return r
}

// passages let who puts up a wall wait for what is under way to the other side:
// who writes into a direct conversation holds one of them, for reading, from
// before he asks for walls until it is committed.
type passages [64]sync.RWMutex

func (p *passages) of(u ids.User) *sync.RWMutex {
	b := u.Bytes()
	return &p[b[len(b)-1]%byte(len(p))]
}

// Settle waits until what two users had under way to each other on this node is
// committed or refused. What they begin now meets the wall.
func (s *Service) Settle(a, b ids.User) {
	for _, u := range []ids.User{a, b} {
		p := s.passages.of(u)
		p.Lock()
		p.Unlock() //nolint:staticcheck // To have waited is all.
	}
}
