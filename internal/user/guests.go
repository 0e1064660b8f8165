package user

import (
	"context"
	"fmt"
	"slices"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Company is what user needs to know of who is with whom.
type Company interface {
	// Together returns those of the users who are in a conversation with the
	// user, each once, in any order.
	Together(ctx context.Context, user ids.User, of []ids.User) ([]ids.User, error)
}

// near returns those of the users whom the caller may look up, in any order:
// all of them, but for guests, who know of those with whom they are in a
// conversation, and of themselves.
func (s *Service) near(ctx context.Context, who principal.Principal, of []ids.User) ([]ids.User, error) {
	if who.May(principal.FindPeople) || len(of) == 0 {
		return of, nil
	}
	var near []ids.User
	if s.Company != nil {
		var err error
		if near, err = s.Company.Together(ctx, who.User, of); err != nil {
			return nil, fmt.Errorf("look for who is near: %w", err)
		}
	}
	if slices.Contains(of, who.User) && !slices.Contains(near, who.User) {
		near = append(near, who.User)
	}
	return near, nil
}
