package auth

import (
	"context"
	"errors"
	"fmt"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Stands returns who a user is without a session, as his account is stored now.
// errs.ErrUnauthenticated when there is none that may be used.
func (s *Service) Stands(ctx context.Context, user ids.User) (principal.Principal, error) {
	a, err := s.deps.Accounts.Account(ctx, user)
	if errors.Is(err, ErrNoAccount) || err == nil && a.State != Active {
		err = errs.ErrUnauthenticated
	}
	if err != nil {
		return principal.Principal{}, fmt.Errorf("account %s: %w", user, err)
	}
	return principal.Principal{User: user, Role: a.Role}, nil
}
