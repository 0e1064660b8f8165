package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"chatd/internal/auth/authv1"
	"chatd/internal/platform/ids"
)

// revocations is how far this node has read the ends of sessions.
type revocations struct {
	base  time.Time
	until atomic.Int64  // all that was committed so long after base is known here
	turn  chan struct{} // of one: who reads
	pos   int64         // of the last entry read; belongs to who has the turn
	tell  func([]ids.Session)
	share func([]ids.Session)
	roles func([]ids.User)
}

func newRevocations(now time.Time) revocations {
	return revocations{base: now, turn: make(chan struct{}, 1), tell: func([]ids.Session) {}, share: func([]ids.Session) {}, roles: func([]ids.User) {}}
}

func (r *revocations) begin(pos int64) { r.pos = pos }

const changesPage = 500

// Healthy returns nil when this node knows of every session that ended more
// than StaleAfter ago, else ErrNotCaughtUp. It reads nothing.
func (s *Service) Healthy(context.Context) error {
	if age := s.cfg.Now().Sub(s.revoked.base) - time.Duration(s.revoked.until.Load()); age > s.cfg.StaleAfter {
		return fmt.Errorf("revocations were last read %s ago: %w", age.Round(time.Millisecond), ErrNotCaughtUp)
	}
	return nil
}

// fresh catches up when Run has not managed to in time, so that a moment's
// stall refuses nobody while the store answers.
func (s *Service) fresh(ctx context.Context) error {
	if s.Healthy(ctx) == nil {
		return nil
	}
	return s.catchUp(ctx)
}

// catchUp reads the changes after the last one and ends here what ended
// elsewhere. It takes StaleAfter at most; one caller reads, the others wait
// for him.
func (s *Service) catchUp(ctx context.Context) error {
	asked := s.cfg.Now().Sub(s.revoked.base)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StaleAfter)
	defer cancel()
	select {
	case s.revoked.turn <- struct{}{}:
		defer func() { <-s.revoked.turn }()
	case <-ctx.Done():
		return ErrNotCaughtUp
	}
	if time.Duration(s.revoked.until.Load()) > asked {
		return nil // somebody read it while we waited
	}
	begun := s.cfg.Now().Sub(s.revoked.base)
	for {
		changes, err := s.deps.Changes.Changes(ctx, s.revoked.pos, changesPage)
		if err != nil {
			return errors.Join(ErrNotCaughtUp, err)
		}
		gone, changed, err := s.hear(changes)
		if err != nil {
			return err
		}
		s.Hear(gone)
		s.roleChanged(changed)
		if len(changes) < changesPage {
			s.revoked.until.Store(int64(begun))
			return nil
		}
	}
}

// hear reads which sessions and tokens have ended, and who has another role.
func (s *Service) hear(changes []Change) (gone []ids.Session, changed []ids.User, err error) {
	for _, c := range changes {
		s.revoked.pos = c.Pos
		switch c.Name {
		case authv1.SessionEndedName:
			var e authv1.SessionEnded
			err = json.Unmarshal(c.Payload, &e)
			gone = append(gone, e.SessionID)
		case authv1.TokenEndedName:
			var e authv1.TokenEnded
			err = json.Unmarshal(c.Payload, &e)
			gone = append(gone, Handle(e.TokenID))
		case authv1.RoleChangedName:
			var e authv1.RoleChanged
			err = json.Unmarshal(c.Payload, &e)
			changed = append(changed, e.UserID)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read change %d: %w", c.Pos, err)
		}
	}
	return gone, changed, nil
}

// ended makes the end of sessions that this node has ended final here, and
// has the other nodes told.
func (s *Service) ended(sessions []ids.Session) {
	s.Hear(sessions)
	if len(sessions) > 0 {
		s.revoked.share(sessions)
	}
}

// Hear makes the end of sessions final on this node: no token of theirs is
// good and their sockets are told, when it returns. Other nodes are heard of
// sessions that have ended in the store; of one that has not, the sockets are
// told all the same, and its tokens stay good. It reads nothing.
func (s *Service) Hear(sessions []ids.Session) {
	if len(sessions) == 0 {
		return
	}
	s.verified.forget(sessions)
	s.revoked.tell(sessions)
}
