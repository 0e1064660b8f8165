package chat

import (
	"context"
	"errors"
	"fmt"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// RemoveMember ends another's membership. Only somebody of a higher rank may;
// who is no member is ErrNoMember.
func (s *Service) RemoveMember(ctx context.Context, viewer ids.User, id ids.Conversation, user ids.User) (View, error) {
	return s.changeOther(ctx, viewer, id, user, func(v View, target Member) ([]Membership, error) {
		if !mayRemove(v, target) {
			return nil, ErrForbidden
		}
		return []Membership{{User: user, Change: Removed, Role: target.Role, Actor: viewer}}, nil
	})
}

// SetMemberRole makes another member an admin or a plain member. A role that
// he has already changes nothing; there is one owner, whom only
// TransferOwnership makes.
func (s *Service) SetMemberRole(
	ctx context.Context, viewer ids.User, id ids.Conversation, user ids.User, role Role,
) (View, error) {
	if role != Admin && role != Plain {
		return View{}, ErrRole.With(errs.Field("input.role"))
	}
	return s.changeOther(ctx, viewer, id, user, func(v View, target Member) ([]Membership, error) {
		switch {
		case !maySetRole(v, target):
			return nil, ErrForbidden
		case target.Role == role:
			return nil, nil
		}
		return []Membership{{User: user, Change: RoleSet, Role: role, Actor: viewer}}, nil
	})
}

// TransferOwnership makes another member the owner, and the viewer, who was
// it, an admin.
func (s *Service) TransferOwnership(ctx context.Context, viewer ids.User, id ids.Conversation, user ids.User) (View, error) {
	return s.changeOther(ctx, viewer, id, user, func(v View, target Member) ([]Membership, error) {
		if !mayTransfer(v, target) {
			return nil, ErrForbidden
		}
		return []Membership{
			{User: user, Change: RoleSet, Role: Owner, Actor: viewer},
			{User: viewer, Change: RoleSet, Role: Admin, Actor: viewer},
		}, nil
	})
}

// changeOther changes another's membership as decide says, which may be asked
// again; nothing where it says nothing. The first change is what is noted.
func (s *Service) changeOther(
	ctx context.Context, viewer ids.User, id ids.Conversation, user ids.User,
	decide func(v View, target Member) ([]Membership, error),
) (View, error) {
	err := s.decide(ctx, viewer, id, func(v View) error {
		if v.Kind == Direct {
			return ErrDirect
		}
		target, err := s.member(ctx, v, user)
		if err != nil {
			return err
		}
		changes, err := decide(v, target)
		if err != nil || len(changes) == 0 {
			return err
		}
		now := s.cfg.Now()
		first := changes[0]
		note := s.note(id, viewer, first.Change, []ids.User{user}, now)
		if first.Change == RoleSet {
			note.Note.Role = first.Role
		}
		_, err = s.Store.ChangeMembers(ctx, MemberEdit{
			Conversation: id, Version: v.MemberVersion, Changes: changes, At: now, Note: note,
		})
		return err
	})
	if err != nil {
		return View{}, fmt.Errorf("change a member of %s: %w", id, err)
	}
	s.forget(id, viewer, user)
	return s.Store.View(ctx, viewer, id)
}

// member is another's membership of the conversation that v shows, of the same
// moment.
func (s *Service) member(ctx context.Context, v View, user ids.User) (Member, error) {
	other, err := s.Store.View(ctx, user, v.ID)
	switch {
	case errors.Is(err, ErrNoConversation):
		return Member{}, ErrNoMember.With(errs.Field("input.userId"))
	case err != nil:
		return Member{}, err
	case other.MemberVersion != v.MemberVersion:
		return Member{}, ErrMoved
	}
	return other.Viewer, nil
}
