package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
)

// Invitation lets who has its code make an account. The code itself is told
// once and stored nowhere.
type Invitation struct {
	ID        ids.Invite
	Email     string         // whom it is for; empty: for anybody, or that it was used
	Role      principal.Role // of the accounts that are made with it
	Creator   ids.User       // zero: the command line
	CreatedAt time.Time
	ExpiresAt time.Time
	MaxUses   int
	Uses      int
	RevokedAt time.Time // zero: not revoked
}

// Good says whether an account can be made with it at that time.
func (i *Invitation) Good(at time.Time) bool {
	return i.RevokedAt.IsZero() && at.Before(i.ExpiresAt) && i.Uses < i.MaxUses
}

// Invites keeps invitations.
type Invites interface {
	// AddInvite stores an invitation that is found by hash. Its actor must be
	// as for Standings.
	AddInvite(ctx context.Context, i Invitation, emailKey string, hash []byte, a Act) error
	// RevokeInvite makes one good for nothing; one that is revoked already
	// stays as it is. ErrNoInvite. The actor is as for Standings.
	RevokeInvite(ctx context.Context, a Act) (Invitation, error)
	// InviteGood says whether an account with an address could be made now
	// with the one of a hash.
	InviteGood(ctx context.Context, hash []byte, emailKey string, now time.Time) (bool, error)
	// Invite returns one; ErrNoInvite.
	Invite(ctx context.Context, id ids.Invite) (Invitation, error)
	// InvitePage returns invitations, newest first: those before one (zero:
	// all), at most limit.
	InvitePage(ctx context.Context, before ids.Invite, limit int) ([]Invitation, error)
	// PurgeInvites forgets up to limit invitations that ended before, and
	// returns how many.
	PurgeInvites(ctx context.Context, before time.Time, limit int) (int, error)
}

// Bounds of an invitation, and what it is when nothing is said.
const (
	MaxInviteUses = 100_000
	maxInviteLife = 366 * 24 * time.Hour
	inviteLife    = 7 * 24 * time.Hour
	inviteMemory  = 30 * 24 * time.Hour // after its end
)

// NewInvite says whom an invitation is for.
type NewInvite struct {
	Email     string         // empty: anybody
	ExpiresAt time.Time      // zero: in seven days
	MaxUses   *int           // nil: one
	Role      principal.Role // MEMBER, which empty is too, or GUEST
}

// inviteHash is what a code is found by. A code has 130 random bits, so that
// nobody finds one by trying hashes.
func inviteHash(code string) []byte {
	sum := sha256.Sum256([]byte("chatd invitation " + code))
	return sum[:]
}

// CreateInvite makes an invitation, as an administrator, and returns its code.
func (s *Service) CreateInvite(ctx context.Context, p principal.Principal, n NewInvite) (Invitation, string, error) {
	if !p.May(principal.Administer) {
		return Invitation{}, "", ErrNotAdmin
	}
	return s.createInvite(ctx, p.User, n)
}

func (s *Service) createInvite(ctx context.Context, actor ids.User, n NewInvite) (Invitation, string, error) {
	now := s.now()
	i := Invitation{
		ID: ids.New[ids.Invite](), Role: n.Role, Creator: actor, CreatedAt: now, MaxUses: 1,
		ExpiresAt: n.ExpiresAt.UTC().Truncate(time.Microsecond),
	}
	def(&i.Role, principal.Member)
	if n.ExpiresAt.IsZero() {
		i.ExpiresAt = now.Add(inviteLife)
	}
	if n.MaxUses != nil {
		i.MaxUses = *n.MaxUses
	}
	switch {
	case !now.Before(i.ExpiresAt) || i.ExpiresAt.Sub(now) > maxInviteLife:
		return Invitation{}, "", ErrInviteExpiry
	case i.MaxUses < 1 || i.MaxUses > MaxInviteUses || n.Email != "" && i.MaxUses != 1:
		return Invitation{}, "", ErrInviteUses
	case i.Role != principal.Member && i.Role != principal.Guest:
		return Invitation{}, "", ErrInviteRole
	}
	if n.Email != "" {
		email, err := cleanEmail(n.Email)
		if err != nil {
			return Invitation{}, "", err
		}
		i.Email = email
	}
	code := rand.Text()
	act := s.act(ctx, ActInviteCreated, actor, ids.User{})
	act.Invite = i.ID
	if err := s.deps.Invites.AddInvite(ctx, i, emailKey(i.Email), inviteHash(code), act); err != nil {
		return Invitation{}, "", fmt.Errorf("create an invitation: %w", err)
	}
	return i, code, nil
}

// RevokeInvite makes an invitation good for nothing, as an administrator.
// Doing it again changes nothing.
func (s *Service) RevokeInvite(ctx context.Context, p principal.Principal, id ids.Invite) (Invitation, error) {
	if !p.May(principal.Administer) {
		return Invitation{}, ErrNotAdmin
	}
	act := s.act(ctx, ActInviteRevoked, p.User, ids.User{})
	act.Invite = id
	i, err := s.deps.Invites.RevokeInvite(ctx, act)
	if err != nil {
		return Invitation{}, fmt.Errorf("revoke an invitation: %w", err)
	}
	return i, nil
}

// Invitations lists invitations to an administrator, newest first.
func (s *Service) Invitations(ctx context.Context, p principal.Principal, before ids.Invite, limit int) ([]Invitation, error) {
	if !p.May(principal.Administer) {
		return nil, ErrNotAdmin
	}
	list, err := s.deps.Invites.InvitePage(ctx, before, min(limit, page.Max+1))
	if err != nil {
		return nil, fmt.Errorf("invitations: %w", err)
	}
	return list, nil
}

// Invitation returns one to an administrator; ErrNoInvite to others, as for one
// that is not there.
func (s *Service) Invitation(ctx context.Context, p principal.Principal, id ids.Invite) (Invitation, error) {
	if !p.May(principal.Administer) {
		return Invitation{}, ErrNoInvite
	}
	i, err := s.deps.Invites.Invite(ctx, id)
	if err != nil {
		return Invitation{}, fmt.Errorf("invitation: %w", err)
	}
	return i, nil
}

// Now is the service's clock, exact to what stores keep.
func (s *Service) Now() time.Time { return s.now() }

// invited takes the code of an invitation along with a new account, once it is
// one that looks good: whoever has none learns nothing of accounts.
func (s *Service) invited(ctx context.Context, code string, a *NewAccount) error {
	if code == "" {
		return nil
	}
	a.Invite = inviteHash(code)
	good, err := s.deps.Invites.InviteGood(ctx, a.Invite, a.EmailKey, a.CreatedAt)
	switch {
	case err != nil:
		return fmt.Errorf("look for the invitation: %w", err)
	case !good:
		return ErrBadInvite
	}
	return nil
}
