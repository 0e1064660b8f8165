package chatmongo

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Standings returns the viewer's conversations and how far he has read.
func (s *Store) Standings(ctx context.Context, viewer ids.User) ([]chat.Standing, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	mine, err := s.mine(ctx, viewer)
	if err != nil {
		return nil, fmt.Errorf("standings: %w", err)
	}
	all := make([]chat.Standing, len(mine))
	for i := range mine {
		all[i] = chat.Standing{Conversation: idOf[ids.Conversation](mine[i].Room), ReadOrd: mine[i].ReadOrd}
	}
	return all, nil
}

// Read returns the events of all conversations after a position.
func (s *Store) Read(ctx context.Context, after int64, limit int) ([]*chat.Event, int64, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	_, end, err := s.Position(ctx)
	if err != nil || end <= after {
		return nil, after, err
	}
	var all []*chat.Event
	for upTo := after; upTo < end && len(all) < limit; {
		found, err := find[entry](ctx, s.log, bson.D{over("end", upTo)}, ascending("end", limit))
		if err == nil {
			found = slices.DeleteFunc(found, func(e entry) bool { return e.End > end })
			err = s.refresh(ctx, found)
		}
		if err != nil {
			return nil, after, fmt.Errorf("read the journal: %w", err)
		}
		if len(found) == 0 {
			return nil, after, fmt.Errorf("read the journal: %w: nothing after %d", errHole, upTo)
		}
		events, err := s.standing(ctx, found)
		if err != nil {
			return nil, after, fmt.Errorf("read the journal: %w", err)
		}
		for _, e := range events {
			if e.Pos > after {
				all = append(all, e)
			}
		}
		upTo = found[len(found)-1].End
	}
	if len(all) >= limit {
		all = all[:limit]
		end = all[limit-1].Pos
	}
	return all, end, nil
}

// refresh fills in the messages that revisions have made, as they are now.
func (s *Store) refresh(ctx context.Context, of []entry) error {
	var targets []int64
	for i := range of {
		if r := of[i].Revision; r != nil {
			targets = append(targets, r.Target)
		}
		if r := of[i].Root; r != nil {
			targets = append(targets, r.Target)
		}
	}
	now := make(map[int64]*chat.Message)
	for _, part := range parts(targets) {
		found, err := find[entry](ctx, s.log, bson.D{in("end", part)})
		if err != nil {
			return fmt.Errorf("read revised messages: %w", err)
		}
		for i := range found {
			now[found[i].End] = found[i].message()
		}
	}
	for i := range of {
		if r := of[i].Revision; r != nil {
			of[i].current = now[r.Target]
		}
		if r := of[i].Root; r != nil {
			r.current = now[r.Target]
		}
	}
	return nil
}

// standing returns the events of commits without superseded receipts and
// settings.
func (s *Store) standing(ctx context.Context, of []entry) ([]*chat.Event, error) {
	var keys [][]byte
	for i := range of {
		if r := of[i].Receipt; r != nil {
			keys = append(keys, slices.Concat(r.Room, r.User))
		}
		if s := of[i].Settings; s != nil {
			keys = append(keys, slices.Concat(s.Room, s.User))
		}
	}
	newest := make(map[int64]bool)
	for _, part := range parts(keys) {
		found, err := find[memberDocument](ctx, s.members, bson.D{in("_id", part)})
		if err != nil {
			return nil, fmt.Errorf("read receipts: %w", err)
		}
		for i := range found {
			newest[found[i].ReadPos], newest[found[i].SetPos] = true, true
		}
	}
	var all []*chat.Event
	for i := range of {
		if of[i].Receipt == nil && of[i].Settings == nil || newest[of[i].End] {
			all = append(all, of[i].events()...)
		}
	}
	return all, nil
}

// Load turns references into events with today's state. Rights are read last.
func (s *Store) Load(ctx context.Context, viewer ids.User, refs []chat.Ref) ([]*chat.Event, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	if len(refs) == 0 {
		return nil, nil
	}
	at, err := s.load(ctx, refs)
	if err != nil {
		return nil, fmt.Errorf("load events: %w", err)
	}
	seen := make(map[ids.Conversation]bool)
	var rooms []ids.Conversation
	for _, r := range refs {
		if !seen[r.Conversation] {
			seen[r.Conversation] = true
			rooms = append(rooms, r.Conversation)
		}
	}
	mine, err := s.memberships(ctx, viewer, rooms)
	if err != nil {
		return nil, fmt.Errorf("load events: %w", err)
	}
	events := make([]*chat.Event, 0, len(refs))
	for _, ref := range refs {
		e := at[ref.Pos]
		if e == nil || e.Kind == chat.MessageAdded && e.Message.Deleted() || e.Settings != nil && e.Settings.User != viewer {
			continue
		}
		// Of others only the end of the own membership is theirs.
		if m := mine[e.Conversation]; m != nil && (m.Left == 0 || m.Left == e.Pos) {
			events = append(events, e)
		}
	}
	return events, nil
}

// load reads the events at the references.
func (s *Store) load(ctx context.Context, refs []chat.Ref) (map[int64]*chat.Event, error) {
	var ends, changes []int64
	for _, r := range refs {
		if r.Kind == chat.MembershipChanged || r.Kind == chat.ConversationChanged && r.Rev > 1 {
			changes = append(changes, r.Pos)
		} else {
			ends = append(ends, r.Pos)
		}
	}
	at := make(map[int64]*chat.Event, len(refs))
	for _, part := range parts(ends) {
		found, err := find[entry](ctx, s.log, bson.D{in("end", part)})
		if err != nil {
			return nil, err
		}
		if err := s.refresh(ctx, found); err != nil {
			return nil, err
		}
		events, err := s.standing(ctx, found)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			at[e.Pos] = e
		}
	}
	var roots []int64 // not brought by what happened in their threads
	for _, r := range refs {
		if r.Kind == chat.MessageChanged && at[r.Pos] == nil {
			roots = append(roots, r.Pos)
		}
	}
	for _, part := range parts(roots) {
		found, err := find[entry](ctx, s.log, bson.D{in("_id", part)})
		if err == nil {
			err = s.refresh(ctx, found)
		}
		if err != nil {
			return nil, err
		}
		for i := range found {
			for _, e := range found[i].rootEvents(found[i].room()) {
				at[e.Pos] = e
			}
		}
	}
	// A change of a membership, or of name and description, is within its
	// commit, whose first one brings
	// all others.
	slices.SortFunc(changes, cmp.Compare[int64])
	for _, pos := range changes {
		if at[pos] != nil {
			continue
		}
		found, err := find[entry](ctx, s.log, bson.D{is("end", bson.D{is("$gte", pos)})}, ascending("end", 1))
		if err != nil {
			return nil, err
		}
		for i := range found {
			for _, e := range found[i].memberEvents(found[i].room()) {
				at[e.Pos] = e
			}
		}
	}
	return at, nil
}
