package auth

import (
	"context"
	"errors"
	"fmt"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// InUse says whether an account is there and not suspended: whether a token of
// its would be good. errs.ErrUnauthenticated when not.
func (s *Service) InUse(ctx context.Context, user ids.User) error {
	a, err := s.deps.Accounts.Account(ctx, user)
	if errors.Is(err, ErrNoAccount) || err == nil && a.State != Active {
		err = errs.ErrUnauthenticated
	}
	if err != nil {
		return fmt.Errorf("account %s: %w", user, err)
	}
	return nil
}
