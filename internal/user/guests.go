package user

import (
	"context"
	"fmt"
	"slices"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
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

// Bounds of a guest's search: what is read at once, and how often for a page.
const (
	nearStep  = 200
	nearReads = 10
)

// searchNear is Store.Search for a guest: of those whom it finds, who is near.
// It reads up to nearReads times; a page may then be short and go on behind
// last, the last name that was looked at.
func (s *Service) searchNear(ctx context.Context, who principal.Principal, q Query) (found []Profile, last string, err error) {
	want := q.Limit
	q.Limit = nearStep
	for range nearReads {
		all, err := s.Store.Search(ctx, q)
		if err != nil {
			return nil, "", fmt.Errorf("search users: %w", err)
		}
		of := make([]ids.User, len(all))
		for i, p := range all {
			of[i] = p.ID
		}
		near, err := s.near(ctx, who, of)
		if err != nil {
			return nil, "", err
		}
		for _, p := range all {
			if !slices.Contains(near, p.ID) || s.Apart(p.ID, who.User) {
				continue
			}
			if found = append(found, p); len(found) == want {
				return found, "", nil
			}
		}
		if len(all) < nearStep {
			return found, "", nil
		}
		q.After = all[len(all)-1].Username
	}
	return found, q.After, nil
}

// search reads the profiles of a page and one more, and what there is to say of
// where it lies beside them.
func (s *Service) search(ctx context.Context, who principal.Principal, q Query) (found []Profile, last string, err error) {
	if !who.May(principal.FindPeople) {
		return s.searchNear(ctx, who, q)
	}
	found, err = s.searchFor(ctx, who.User, q)
	return found, "", err
}

// goOn makes a short page one that goes on behind a name.
func (s *Service) goOn(i *page.Info, scope, last string) {
	if last != "" {
		i.HasNext, i.End = true, s.Cursors.Seal(scope, []byte(last))
	}
}
