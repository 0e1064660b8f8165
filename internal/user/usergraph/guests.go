package usergraph

import (
	"context"
	"slices"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
)

// near returns user.ErrNoUser for one whom the viewer may not look up.
func (l *Users) near(ctx context.Context, id ids.User) error {
	of := []ids.User{id}
	if err := l.NearOnly(ctx, of); err != nil {
		return err
	}
	if of[0].IsZero() {
		return user.ErrNoUser
	}
	return nil
}

// NearOnly puts the zero id in the place of those whom the viewer may not look
// up.
func (l *Users) NearOnly(ctx context.Context, of []ids.User) error {
	viewer, ok := principal.From(ctx)
	if !ok {
		return errs.ErrUnauthenticated
	}
	near, err := l.service.Near(ctx, viewer, of)
	if err != nil {
		return err
	}
	for i, id := range of {
		if !slices.Contains(near, id) {
			of[i] = ids.User{}
		}
	}
	return nil
}
