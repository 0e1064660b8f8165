package chat

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// OpenDirect returns the one conversation of the viewer and the other user,
// made when there is none. Who may not find people opens one with those only with
// whom he is in a conversation; of others he is told what is told of nobody.
func (s *Service) OpenDirect(ctx context.Context, who principal.Principal, other ids.User) (View, error) {
	viewer := who.User
	if viewer == other {
		return View{}, ErrSelf.With(errs.Field("input.userId"))
	}
	if err := s.known(ctx, viewer, other); err != nil {
		return View{}, fmt.Errorf("open a direct conversation: %w", err)
	}
	if err := s.meets(ctx, who, other); err != nil {
		return View{}, fmt.Errorf("open a direct conversation: %w", err)
	}
	now := s.cfg.Now()
	n := NewConversation{Conversation: Conversation{ID: ids.New[ids.Conversation](), Kind: Direct, Creator: viewer, CreatedAt: now}}
	for _, u := range []ids.User{viewer, other} {
		n.Members = append(n.Members, Member{User: u, Role: Plain, JoinedAt: now})
	}
	return s.create(ctx, viewer, n)
}

// CreateGroup makes a group, or a channel, that the viewer owns.
func (s *Service) CreateGroup(ctx context.Context, who principal.Principal, g NewGroup) (View, error) {
	viewer := who.User
	if !who.May(principal.MakeGroups) {
		return View{}, ErrGuest
	}
	if err := g.check(); err != nil {
		return View{}, err
	}
	others := distinct(g.Members, viewer)
	if len(others)+1 > MaxMembers {
		return View{}, ErrTooManyMembers.With(errs.Field("input.memberIds"))
	}
	if err := s.known(ctx, viewer, others...); err != nil {
		return View{}, fmt.Errorf("create a group: %w", err)
	}
	now := s.cfg.Now()
	n := NewConversation{Conversation: Conversation{
		ID: ids.New[ids.Conversation](), Kind: Group, Name: g.Name, Description: g.Description, Creator: viewer, CreatedAt: now,
	}}
	if g.Public {
		n.Kind = Channel
	}
	n.Members = append(n.Members, Member{User: viewer, Role: Owner, JoinedAt: now})
	for _, u := range others {
		n.Members = append(n.Members, Member{User: u, Role: Plain, JoinedAt: now})
	}
	return s.create(ctx, viewer, n)
}

func (s *Service) create(ctx context.Context, viewer ids.User, n NewConversation) (View, error) {
	c, _, err := s.Store.Create(ctx, n)
	if err != nil {
		return View{}, fmt.Errorf("create a conversation: %w", err)
	}
	return s.Store.View(ctx, viewer, c.ID)
}

// meets returns ErrNoUser for one with whom who may not find people is in no
// conversation.
func (s *Service) meets(ctx context.Context, who principal.Principal, other ids.User) error {
	if who.May(principal.FindPeople) {
		return nil
	}
	met, err := s.Together(ctx, who.User, []ids.User{other})
	if err == nil && len(met) == 0 {
		err = ErrNoUser
	}
	return err
}

// AddMembers brings users into a group. Those who are in already are left
// out; unknown ones are ErrNoUser, and then nobody is added.
func (s *Service) AddMembers(ctx context.Context, who principal.Principal, id ids.Conversation, users []ids.User) (View, error) {
	viewer := who.User
	users = distinct(users, viewer)
	if len(users) > MaxMembers {
		return View{}, ErrTooManyMembers.With(errs.Field("input.userIds"))
	}
	err := s.decide(ctx, viewer, id, func(v View) error {
		switch {
		case v.Kind == Direct:
			return ErrDirect
		case !may(v.Kind, v.Viewer.Role, mayAdd):
			return ErrForbidden
		case !who.May(principal.BringPeople):
			return ErrGuest
		}
		if err := s.known(ctx, viewer, users...); err != nil {
			return err
		}
		now := s.cfg.Now()
		edit := MemberEdit{Conversation: id, Version: v.MemberVersion, At: now, Note: s.note(id, viewer, Joined, users, now)}
		for _, u := range users {
			edit.Changes = append(edit.Changes, Membership{User: u, Change: Joined, Role: Plain, Actor: viewer})
		}
		_, err := s.Store.ChangeMembers(ctx, edit)
		return err
	})
	if err != nil {
		return View{}, fmt.Errorf("add to %s: %w", id, err)
	}
	s.forget(id, users...)
	return s.Store.View(ctx, viewer, id)
}

// Leave ends the viewer's membership. When the owner leaves, the oldest admin
// owns the group, else the oldest member; when the last one leaves it is
// archived.
func (s *Service) Leave(ctx context.Context, viewer ids.User, id ids.Conversation) error {
	err := s.decide(ctx, viewer, id, func(v View) error {
		switch {
		case v.Kind == Direct:
			return ErrDirect
		case !may(v.Kind, v.Viewer.Role, mayLeave):
			return ErrForbidden
		}
		return s.leave(ctx, v)
	})
	if err != nil {
		return fmt.Errorf("leave %s: %w", id, err)
	}
	s.forget(id, viewer)
	return nil
}

// leave ends the membership of who sees v, decided on it.
func (s *Service) leave(ctx context.Context, v View) error {
	viewer, now := v.Viewer.User, s.cfg.Now()
	edit := MemberEdit{Conversation: v.ID, Version: v.MemberVersion, At: now, Note: s.note(v.ID, viewer, Left, []ids.User{viewer}, now)}
	if v.Viewer.Role == Owner {
		heir, err := s.Store.Heir(ctx, v.ID, viewer)
		if err != nil {
			return err
		}
		if !heir.IsZero() {
			edit.Changes = append(edit.Changes, Membership{User: heir, Change: RoleSet, Role: Owner, Actor: viewer})
		}
	}
	edit.Changes = append(edit.Changes, Membership{User: viewer, Change: Left, Role: v.Viewer.Role, Actor: viewer})
	_, err := s.Store.ChangeMembers(ctx, edit)
	return err
}

// note is the system message of a membership change. Its text is for clients
// that do not read the note; the sender is who acted.
func (s *Service) note(id ids.Conversation, actor ids.User, c Change, users []ids.User, at time.Time) NewMessage {
	text := map[Change]string{Left: "left", Removed: "removed one member", RoleSet: "changed one member's role"}[c]
	if c == Joined {
		text = "added one member"
		if len(users) != 1 {
			text = "added " + strconv.Itoa(len(users)) + " members"
		}
	}
	return NewMessage{
		ID: ids.New[ids.Message](), Conversation: id, Sender: actor, Kind: System,
		Text: text, Note: &Note{Change: c, Users: users}, CreatedAt: at,
	}
}

// distinct returns the users once each, without one of them.
func distinct(users []ids.User, without ids.User) []ids.User {
	out := slices.Clone(users)
	slices.SortFunc(out, ids.User.Compare)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(u ids.User) bool { return u == without })
}
