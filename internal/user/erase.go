package user

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/auth/authv1"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
)

// GoneName is what everybody is shown for the name of a user whose account was
// deleted.
const GoneName = "Deleted user"

// goneUsername is what such a user has for a username. Nobody can choose it, for
// the colon.
func goneUsername(of ids.User) string { return "deleted:" + of.String() }

// Gone is what is left of a profile when the account is deleted: that there was
// one, and whether it was a program.
func (p *Profile) Gone(at time.Time) Profile {
	g := Profile{
		ID: p.ID, Username: goneUsername(p.ID), DisplayName: GoneName, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt.Add(time.Microsecond),
		Bot: p.Bot, DeletedAt: at,
	}
	if at.After(g.UpdatedAt) {
		g.UpdatedAt = at
	}
	if g.CreatedAt.IsZero() {
		g.CreatedAt = at
	}
	return g
}

// Erase leaves of somebody that there was one. It holds on this node once it
// returns, on others within a second. Doing it again changes nothing, and
// nothing that comes later brings anything back.
func (s *Service) Erase(ctx context.Context, id ids.User) error {
	mark, stamp := s.cache.mark(), s.cache.position()
	s.hiding.changing.Lock()
	p, news, err := s.Store.Erase(ctx, id, s.Now())
	if err == nil {
		s.hiding.set(id, Settings{})
	}
	s.hiding.changing.Unlock()
	if err != nil || news {
		s.cache.changed(mark, id, p, err == nil) // an error may hide that it was stored
	}
	if err != nil {
		return fmt.Errorf("erase %s: %w", id, err)
	}
	if news {
		s.shelve([]Profile{p}, stamp)
	}
	s.Wake()
	return nil
}

// accountDeleted erases the profile of an account that is gone, where auth has
// not come to it.
func (s *Service) accountDeleted(ctx context.Context, _ bus.Envelope, e authv1.AccountDeleted) error {
	return s.Erase(ctx, e.UserID)
}
