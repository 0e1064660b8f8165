package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

var errReused = errors.New("a used refresh token")

// endTime is how long the end of a stolen session may take.
const endTime = 5 * time.Second

// Refresh gives the next pair of tokens for an unused refresh token, which is
// used by it, and lets the session slide forward, never past its absolute
// end. The direct parent again within RefreshGrace, while its child is
// unused, gives the same child. A token that was used before ends its session
// at once, sockets and all (RFC 9700 section 4.14). Whatever is wrong is
// ErrBadRefresh.
func (s *Service) Refresh(ctx context.Context, text string) (SignIn, error) {
	token, ok := s.refresh.parse(text)
	if !ok {
		return SignIn{}, ErrBadRefresh
	}
	child := s.refresh.next(token)
	client := principal.ClientFrom(ctx)
	now := s.now()
	var (
		session Session
		account Account
		owner   ids.User
	)
	err := s.deps.Sessions.ChangeSession(ctx, token.session, now, func(cur *Session, a Account) error {
		owner = cur.User
		switch standingOf(token, cur.Refresh, now, s.cfg.RefreshGrace) {
		case unused:
			cur.Refresh = Refresh{
				Generation: child.generation, Current: child.hash(), Parent: token.hash(), RotatedAt: now,
			}
		case repeated:
		case reused:
			return errReused
		case unknown:
			return ErrBadRefresh
		}
		if a.State != Active {
			return ErrBadRefresh
		}
		cur.LastUsedAt, cur.ExpiresAt = now, now.Add(s.cfg.SessionIdle)
		if cur.EndsAt.Before(cur.ExpiresAt) {
			cur.ExpiresAt = cur.EndsAt
		}
		cur.Device, cur.Address = device(client), address(client)
		session, account = *cur, a
		return nil
	})
	switch {
	case errors.Is(err, ErrNoSession):
		return SignIn{}, ErrBadRefresh
	case errors.Is(err, errReused):
		// Who presents a stolen token must not keep it good by hanging up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer cancel()
		if err := s.end(ctx, owner, Which{Session: token.session, Reason: Reused, At: now},
			s.act(ctx, ActRefreshReused, ids.User{}, owner).of(token.session)); err != nil {
			return SignIn{}, fmt.Errorf("end a session whose refresh token was used twice: %w", err)
		}
		s.deps.Log.Warn().Stringer("user_id", owner).Stringer("session_id", token.session).
			Msg("a used refresh token came again; its session was ended")
		return SignIn{}, ErrBadRefresh
	case err != nil:
		return SignIn{}, fmt.Errorf("refresh: %w", err)
	}
	return s.signIn(account, session, child, now)
}
