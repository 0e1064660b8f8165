package chatmongo

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/platform/ids"
)

// Companions returns who is with the user in his small conversations.
func (s *Store) Companions(ctx context.Context, user ids.User, most, limit int) ([]ids.User, error) {
	rooms, err := s.rooms(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("companions: %w", err)
	}
	met := map[ids.User]bool{}
	for _, part := range parts(rooms) {
		small, err := find[conversationDocument](ctx, s.conversations,
			bson.D{in("_id", part), is("count", bson.D{is("$lte", int64(most))})})
		if err != nil {
			return nil, fmt.Errorf("companions: %w", err)
		}
		of := make([][]byte, len(small))
		for i := range small {
			of[i] = small[i].ID
		}
		if len(of) == 0 {
			continue
		}
		if err := s.meet(ctx, bson.D{in("c", of), is("left", int64(0))}, met); err != nil {
			return nil, fmt.Errorf("companions: %w", err)
		}
	}
	all := listed(met)
	return all[:min(len(all), limit)], nil
}

// Together returns those of the users who are in a conversation with the user.
func (s *Store) Together(ctx context.Context, user ids.User, of []ids.User) ([]ids.User, error) {
	rooms, err := s.rooms(ctx, user)
	if err != nil || len(of) == 0 {
		return nil, err
	}
	met := map[ids.User]bool{}
	for _, part := range parts(rooms) {
		for _, users := range parts(blobs(of)) {
			if err := s.meet(ctx, bson.D{in("u", users), in("c", part), is("left", int64(0))}, met); err != nil {
				return nil, fmt.Errorf("together: %w", err)
			}
		}
	}
	return listed(met), nil
}

// rooms are the conversations that a user is in.
func (s *Store) rooms(ctx context.Context, user ids.User) ([][]byte, error) {
	mine, err := s.mine(ctx, user)
	rooms := make([][]byte, len(mine))
	for i := range mine {
		rooms[i] = mine[i].Room
	}
	return rooms, err
}

// meet notes the users of the members that a filter finds.
func (s *Store) meet(ctx context.Context, filter bson.D, met map[ids.User]bool) error {
	found, err := find[memberDocument](ctx, s.members, filter)
	for i := range found {
		met[idOf[ids.User](found[i].User)] = true
	}
	return err
}

func listed(met map[ids.User]bool) []ids.User {
	all := make([]ids.User, 0, len(met))
	for u := range met {
		all = append(all, u)
	}
	slices.SortFunc(all, ids.User.Compare)
	return all
}
