package chatmongo

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Members returns a page of a conversation's members to one of them.
func (s *Store) Members(
	ctx context.Context, viewer ids.User, id ids.Conversation, after chat.MemberKey, limit int,
) ([]chat.Member, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	found, err := find[memberDocument](ctx, s.members, bson.D{between("roll", roll(id, after), rollEnd(id))},
		ascending("roll", limit))
	if err == nil {
		err = s.isIn(ctx, viewer, id)
	}
	if err != nil {
		return nil, fmt.Errorf("members of %s: %w", id, err)
	}
	all := make([]chat.Member, len(found))
	for i := range found {
		all[i] = found[i].member()
	}
	return all, nil
}

// isIn says chat.ErrNoConversation when the viewer is not in it.
func (s *Store) isIn(ctx context.Context, viewer ids.User, id ids.Conversation) error {
	m, err := one[memberDocument](ctx, s.members, memberID{id, viewer}.bytes())
	if err == nil && !m.isIn() {
		err = chat.ErrNoConversation
	}
	return err
}

// Heir returns who owns the conversation when leaving is gone.
func (s *Store) Heir(ctx context.Context, id ids.Conversation, leaving ids.User) (ids.User, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	c, err := one[conversationDocument](ctx, s.conversations, id.Bytes())
	if err == nil && c == nil {
		err = chat.ErrNoConversation
	}
	if err != nil {
		return ids.User{}, fmt.Errorf("heir of %s: %w", id, err)
	}
	others := bson.D{
		between("roll", roll(id, chat.MemberKey{}), rollEnd(id)),
		is("u", bson.D{is("$ne", leaving.Bytes())}),
	}
	for _, role := range []chat.Role{chat.Owner, chat.Admin, ""} {
		filter := others
		if role != "" {
			filter = append(slices.Clip(filter), is("role", string(role)))
		}
		found, err := find[memberDocument](ctx, s.members, filter, ascending("roll", 1))
		if err != nil {
			return ids.User{}, fmt.Errorf("heir of %s: %w", id, err)
		}
		if len(found) > 0 {
			return idOf[ids.User](found[0].User), nil
		}
	}
	return ids.User{}, nil
}

// ChangeMembers applies an edit of who is in a conversation: one commit.
func (s *Store) ChangeMembers(ctx context.Context, edit chat.MemberEdit) (chat.Conversation, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	j := &job{room: edit.Conversation}
	for _, m := range edit.Changes {
		j.members = append(j.members, memberID{edit.Conversation, m.User})
	}
	j.plan = func(c *commit) (*entry, error) { return c.changeMembers(edit) }
	if err := s.do(ctx, j); err != nil {
		return chat.Conversation{}, fmt.Errorf("change the members of %s: %w", edit.Conversation, err)
	}
	return s.conversation(ctx, edit.Conversation)
}

// conversation reads a conversation after its commit.
func (s *Store) conversation(ctx context.Context, id ids.Conversation) (chat.Conversation, error) {
	after, err := one[conversationDocument](ctx, s.conversations, id.Bytes())
	if err == nil && after == nil {
		err = chat.ErrNoConversation
	}
	if err != nil {
		return chat.Conversation{}, fmt.Errorf("read %s: %w", id, err)
	}
	return after.conversation(), nil
}

func (c *commit) changeMembers(edit chat.MemberEdit) (*entry, error) {
	h, err := c.head(edit.Conversation)
	if err != nil {
		return nil, err
	}
	if h.version != edit.Version {
		return nil, chat.ErrMoved
	}
	did := &memberEdit{
		Version: h.version + 1, Count: h.count, At: micros(edit.At), LastSeq: h.lastSeq, LastOrd: h.lastOrd,
	}
	roles := make(map[ids.User]chat.Role)
	for _, m := range edit.Changes {
		if d := c.members[memberID{edit.Conversation, m.User}]; d.isIn() {
			roles[m.User] = chat.Role(d.Role)
		}
	}
	for _, m := range edit.Changes {
		role, in := roles[m.User]
		if !applies(m, role, in) {
			continue
		}
		switch {
		case m.Change.Ends():
			m.Role = role
			delete(roles, m.User)
			did.Count--
		case m.Change == chat.Joined:
			roles[m.User] = m.Role
			did.Count++
		default:
			roles[m.User] = m.Role
		}
		did.Changes = append(did.Changes, memberChange{
			User: m.User.Bytes(), Change: string(m.Change), Role: string(m.Role), Actor: blob(m.Actor),
		})
	}
	switch {
	case len(did.Changes) == 0:
		return nil, nil //nolint:nilnil // Nothing is to be written.
	case did.Count > chat.MaxMembers:
		return nil, chat.ErrTooManyMembers
	}
	note := edit.Note
	note.Conversation, note.Kind = edit.Conversation, chat.System
	e := c.message(h, &note, len(did.Changes))
	e.Edit = did
	return e, nil
}

// applies says whether a change is one, seeing whether the user is in and with
// what role.
func applies(m chat.Membership, role chat.Role, in bool) bool {
	if m.Change == chat.Joined {
		return !in
	}
	return in && (m.Change.Ends() || m.Role != role)
}
