package chat

import (
	"context"
	"fmt"

	"chatd/internal/platform/ids"
)

// Who is in the same conversation hears of another's presence by himself only
// where that is a matter of a few: what everybody in a room of thousands did
// would be told to thousands.
const (
	closeMembers  = 256   // of a conversation whose members hear of each other
	maxCompanions = 5_000 // of one user
)

// Companions returns those who are with the user in a conversation of up to
// 256 members, himself included where he is in any; at most 5,000. It is for
// other contexts and asks for no right.
func (s *Service) Companions(ctx context.Context, user ids.User) ([]ids.User, error) {
	found, err := s.Store.Companions(ctx, user, closeMembers, maxCompanions)
	if err != nil {
		return nil, fmt.Errorf("companions: %w", err)
	}
	return found, nil
}

// Together returns those of the users who are in a conversation with the user,
// of whatever size. It is for other contexts and asks for no right.
func (s *Service) Together(ctx context.Context, user ids.User, of []ids.User) ([]ids.User, error) {
	if len(of) == 0 {
		return nil, nil
	}
	found, err := s.Store.Together(ctx, user, of)
	if err != nil {
		return nil, fmt.Errorf("together: %w", err)
	}
	return found, nil
}
