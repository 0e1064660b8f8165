package chat

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/principal"
)

// Invite lets whoever has its code into a group or channel. The code itself is
// told once and stored nowhere.
type Invite struct {
	ID           ids.GroupInvite
	Conversation ids.Conversation
	Creator      ids.User
	CreatedAt    time.Time
	ExpiresAt    time.Time // zero: never
	MaxUses      int       // 0: as many as like
	Uses         int
	RevokedAt    time.Time // zero: not revoked
}

// MaxInviteUses is the most that MaxUses may be.
const MaxInviteUses = 1_000_000

// MaxInvites is how many invites of one conversation may be there that are not
// revoked.
const MaxInvites = 200

// Good says whether somebody may come in by the invite at that time.
func (i *Invite) Good(at time.Time) bool {
	return i.RevokedAt.IsZero() && (i.ExpiresAt.IsZero() || at.Before(i.ExpiresAt)) && (i.MaxUses == 0 || i.Uses < i.MaxUses)
}

// NewInvite says for how long, and for how many, an invite is to be good.
type NewInvite struct {
	ExpiresAt time.Time // zero: for ever
	MaxUses   *int      // nil: as many as like
}

// codeHash is what a code is found by. A code has 130 random bits, so that
// nobody finds one by trying hashes.
func codeHash(code string) []byte {
	sum := sha256.Sum256([]byte("chatd group invite " + code))
	return sum[:]
}

// codeRate is how often one user may try a code: 20 times, and one more each
// 10 s.
func (c *Config) codeRate() limit.Rate {
	if c.Codes != (limit.Rate{}) {
		return c.Codes
	}
	return limit.Rate{Burst: 20, Per: 10 * time.Second}
}

// CreateInvite makes an invite into a group or channel, and returns its code.
func (s *Service) CreateInvite(ctx context.Context, who principal.Principal, id ids.Conversation, n NewInvite) (Invite, string, error) {
	viewer, now := who.User, s.cfg.Now()
	if !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(now) {
		return Invite{}, "", ErrInviteExpiry.With(errs.Field("input.expiresAt"))
	}
	invite := Invite{ID: ids.New[ids.GroupInvite](), Conversation: id, Creator: viewer, CreatedAt: now, ExpiresAt: n.ExpiresAt}
	if n.MaxUses != nil {
		if invite.MaxUses = *n.MaxUses; invite.MaxUses < 1 || invite.MaxUses > MaxInviteUses {
			return Invite{}, "", ErrInviteUses.With(errs.Field("input.maxUses"))
		}
	}
	code := rand.Text()
	err := s.decide(ctx, viewer, id, func(v View) error {
		if err := mayUseInvites(v); err != nil {
			return err
		}
		if !who.May(principal.BringPeople) {
			return ErrGuest
		}
		err := s.Store.CreateInvite(ctx, invite, codeHash(code), v.MemberVersion)
		if errors.Is(err, ErrTooManyInvites) && s.clearInvites(ctx, id) {
			err = s.Store.CreateInvite(ctx, invite, codeHash(code), v.MemberVersion)
		}
		return err
	})
	if err != nil {
		return Invite{}, "", fmt.Errorf("invite into %s: %w", id, err)
	}
	return invite, code, nil
}

// clearInvites revokes those invites of a conversation that are good for
// nothing any more, and says whether there were any.
func (s *Service) clearInvites(ctx context.Context, id ids.Conversation) (made bool) {
	all, err := s.Store.Invites(ctx, id, ids.GroupInvite{}, MaxInvites)
	now := s.cfg.Now()
	for i := range all {
		if err == nil && !all[i].Good(now) {
			_, err = s.Store.RevokeInvite(ctx, all[i].ID, now)
			made = made || err == nil
		}
	}
	return made
}

func mayUseInvites(v View) error {
	switch {
	case v.Kind == Direct:
		return ErrDirect
	case !may(v.Kind, v.Viewer.Role, mayInvite):
		return ErrForbidden
	}
	return nil
}

// Invites lists a conversation's invites, the newest first, those made before
// the one only (zero: all).
func (s *Service) Invites(
	ctx context.Context, viewer ids.User, id ids.Conversation, before ids.GroupInvite, limit int,
) ([]Invite, error) {
	v, err := s.Store.View(ctx, viewer, id)
	if err == nil {
		err = mayUseInvites(v)
	}
	if err != nil {
		return nil, fmt.Errorf("invites of %s: %w", id, err)
	}
	return s.Store.Invites(ctx, id, before, limit)
}

// Invite returns an invite to who may make such. To those who are not in its
// conversation it is as if it were not there.
func (s *Service) Invite(ctx context.Context, viewer ids.User, id ids.GroupInvite) (Invite, error) {
	invite, err := s.Store.Invite(ctx, id)
	if err != nil {
		return Invite{}, err
	}
	v, err := s.Store.View(ctx, viewer, invite.Conversation)
	if err == nil {
		err = mayUseInvites(v)
	}
	if errors.Is(err, ErrNoConversation) {
		err = ErrNoInvite
	}
	if err != nil {
		return Invite{}, fmt.Errorf("read %s: %w", id, err)
	}
	return invite, nil
}

// RevokeInvite makes an invite good for nothing. Doing it again changes
// nothing.
func (s *Service) RevokeInvite(ctx context.Context, viewer ids.User, id ids.GroupInvite) (Invite, error) {
	if _, err := s.Invite(ctx, viewer, id); err != nil {
		return Invite{}, err
	}
	return s.Store.RevokeInvite(ctx, id, s.cfg.Now())
}

// JoinByInvite makes the viewer a member of the conversation that a code is
// for. Where he is in already nothing changes and no use is taken, so that it
// may be tried again. Codes that are unknown, expired, used up or revoked, or
// of somebody who is kept apart from him, are all ErrNoInvite.
func (s *Service) JoinByInvite(ctx context.Context, viewer ids.User, code string) (View, error) {
	if s.Limiter != nil {
		if after, ok := s.Limiter.Allow(ctx, "chat/codes/"+viewer.String(), s.cfg.codeRate()); !ok {
			return View{}, ErrTooManyCodes.With(errs.RetryAfter(after))
		}
	}
	invite, err := s.Store.InviteByHash(ctx, codeHash(code))
	if err != nil {
		return View{}, err
	}
	v, err := s.Store.View(ctx, viewer, invite.Conversation)
	if !errors.Is(err, ErrNoConversation) {
		return v, err
	}
	if s.apart(viewer, invite.Creator) {
		return View{}, ErrNoInvite
	}
	v, err = s.join(ctx, viewer, invite.Conversation, invite.ID)
	if errors.Is(err, ErrNoConversation) { // nobody is left in it
		err = ErrNoInvite
	}
	return v, err
}
