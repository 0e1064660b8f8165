package user

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/user/userv1"
)

// blocks is who has blocked whom: all of it, some 60 bytes each, since every
// direct message is sent by it, and every presence told. It is read at the
// start, and what changes is read again (docs/adr/0029-blocks.md).
type blocks struct {
	mu      sync.RWMutex
	blocked map[Block]struct{}
	parties map[ids.User]int // how many of the blocks each has to do with

	// changing is held from a read of the store until set, so that the newest
	// is set last.
	changing sync.Mutex
}

// set says whether there is a block, and whether that is news.
func (b *blocks) set(one Block, is bool) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, was := b.blocked[one]; was == is {
		return false
	}
	if b.blocked == nil {
		b.blocked, b.parties = map[Block]struct{}{}, map[ids.User]int{}
	}
	by := -1
	if is {
		b.blocked[one] = struct{}{}
		by = 1
	} else {
		delete(b.blocked, one)
	}
	for _, u := range []ids.User{one.By, one.Of} {
		if b.parties[u] += by; b.parties[u] == 0 {
			delete(b.parties, u)
		}
	}
	return true
}

// Party says whether a user has blocked anybody, or anybody him. It is answered
// from memory.
func (s *Service) Party(u ids.User) bool {
	s.blocks.mu.RLock()
	defer s.blocks.mu.RUnlock()
	return s.blocks.parties[u] > 0
}

// Apart says whether one of two users has blocked the other. It is answered
// from memory: Start has read who has.
func (s *Service) Apart(a, b ids.User) bool {
	s.blocks.mu.RLock()
	defer s.blocks.mu.RUnlock()
	_, is := s.blocks.blocked[Block{a, b}]
	if !is {
		_, is = s.blocks.blocked[Block{b, a}]
	}
	return is
}

// Conceals says whether a user is not there for another, whom he has blocked.
func (s *Service) Conceals(u, from ids.User) bool {
	s.blocks.mu.RLock()
	defer s.blocks.mu.RUnlock()
	_, is := s.blocks.blocked[Block{u, from}]
	return is
}

// blocksPage is how many blocks are read at once.
const blocksPage = 1000

// readBlocks reads who has blocked whom.
func (s *Service) readBlocks(ctx context.Context) error {
	s.blocks.changing.Lock()
	defer s.blocks.changing.Unlock()
	for after := (Block{}); ; {
		part, err := s.Store.Blocks(ctx, after, blocksPage)
		if err != nil {
			return fmt.Errorf("who has blocked whom: %w", err)
		}
		for _, b := range part {
			after = b
			s.blocks.set(b, true)
		}
		if len(part) < blocksPage {
			return nil
		}
	}
}

// rereadBlocks reads what blocks there are now between some pairs, both ways.
func (s *Service) rereadBlocks(ctx context.Context, pairs []Block) error {
	var changed []Block
	err := func() error {
		s.blocks.changing.Lock()
		defer s.blocks.changing.Unlock()
		for _, p := range pairs {
			back := Block{p.Of, p.By}
			mine, err := s.Store.Relationships(ctx, p.By, []ids.User{p.Of})
			if err != nil {
				return fmt.Errorf("a block that has changed: %w", err)
			}
			theirs, err := s.Store.Relationships(ctx, p.Of, []ids.User{p.By})
			if err != nil {
				return fmt.Errorf("a block that has changed: %w", err)
			}
			was := s.Apart(p.By, p.Of)
			s.blocks.set(p, mine[p.Of] == Blocked)
			s.blocks.set(back, theirs[p.By] == Blocked)
			if was != s.Apart(p.By, p.Of) {
				changed = append(changed, p)
			}
		}
		return nil
	}()
	if s.Parted != nil {
		for _, p := range changed {
			s.Parted(p.By, p.Of)
		}
	}
	return err
}

// heedRelations takes what events of the log say of who is what to whom:
// blocks first, then those are told who listen.
func (s *Service) heedRelations(ctx context.Context, events []bus.Envelope) error {
	var pairs []Block
	seen := map[Block]bool{}
	for _, e := range events {
		var v userv1.RelationshipChanged
		if e.Name != userv1.RelationshipChangedName || json.Unmarshal(e.Payload, &v) != nil {
			continue
		}
		if p := (Block{v.UserID, v.OtherID}); !seen[p] && !seen[Block{v.OtherID, v.UserID}] {
			seen[p] = true
			pairs = append(pairs, p)
		}
	}
	if err := s.rereadBlocks(ctx, pairs); err != nil {
		return err
	}
	for _, e := range events {
		s.follows.tell(e)
		entry, ok := relationEntry(e)
		if r, is := entry.Event.(*RelationshipChanged); ok && is && s.Related != nil {
			s.Related(r.Viewer, r.User, r.Relationship)
		}
	}
	return nil
}

// See returns those of the users that exist and are there for the viewer: who
// has blocked him is not, and for a guest those alone are who are near.
func (s *Service) See(ctx context.Context, who principal.Principal, of []ids.User) (map[ids.User]Profile, error) {
	of, err := s.near(ctx, who, of)
	if err != nil {
		return nil, err
	}
	found, err := s.Users(ctx, of)
	if err != nil || !s.Party(who.User) {
		return found, err
	}
	for u := range found {
		if s.Conceals(u, who.User) {
			delete(found, u)
		}
	}
	return found, nil
}

// SeeByUsername is ByUsername for a viewer, with those alone who are there for
// him; ErrNoUser.
func (s *Service) SeeByUsername(ctx context.Context, who principal.Principal, username string) (Profile, error) {
	p, err := s.ByUsername(ctx, username)
	if err != nil {
		return Profile{}, err
	}
	near, err := s.near(ctx, who, []ids.User{p.ID})
	if err != nil {
		return Profile{}, err
	}
	if len(near) == 0 || s.Conceals(p.ID, who.User) {
		return Profile{}, fmt.Errorf("user by name: %w", ErrNoUser)
	}
	return p, nil
}
