package chatgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// groups opens conversations and changes who is in them.
type groups interface {
	OpenDirect(ctx context.Context, who principal.Principal, with ids.User) (chat.View, error)
	CreateGroup(ctx context.Context, who principal.Principal, g chat.NewGroup) (chat.View, error)
	UpdateGroup(ctx context.Context, viewer ids.User, conv ids.Conversation, u chat.GroupUpdate) (chat.View, error)
	AddMembers(ctx context.Context, who principal.Principal, conv ids.Conversation, users []ids.User) (chat.View, error)
	RemoveMember(ctx context.Context, viewer ids.User, conv ids.Conversation, user ids.User) (chat.View, error)
	SetMemberRole(ctx context.Context, viewer ids.User, conv ids.Conversation, user ids.User, role chat.Role) (chat.View, error)
	TransferOwnership(ctx context.Context, viewer ids.User, conv ids.Conversation, user ids.User) (chat.View, error)
	Leave(ctx context.Context, viewer ids.User, conv ids.Conversation) error
}

// ConversationPayload is the answer of mutations that return a conversation.
type ConversationPayload struct{ c *Conversation }

// Conversation resolves conversation.
func (p *ConversationPayload) Conversation() *Conversation { return p.c }

func (g *Graph) conversationPayload(v chat.View, err error) (*ConversationPayload, error) {
	if err != nil {
		return nil, err
	}
	return &ConversationPayload{g.conversationNodes([]chat.View{v})[0]}, nil
}

// OKPayload is the answer of mutations that return nothing.
type OKPayload struct{}

// OK resolves ok.
func (OKPayload) OK() bool { return true }

// OpenDirectConversation resolves openDirectConversation.
func (m *Mutation) OpenDirectConversation(ctx context.Context, args struct {
	Input struct{ UserID graphql.ID }
},
) (*ConversationPayload, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	with, ok := ids.ParseUser(string(args.Input.UserID))
	if !ok {
		return nil, chat.ErrNoUser
	}
	return m.g.conversationPayload(m.g.Chat.OpenDirect(ctx, who, with))
}

// CreateGroupInput is the input of createGroup.
type CreateGroupInput struct {
	Name        string
	Description *string
	MemberIDs   *[]graphql.ID
	Visibility  *string
}

// CreateGroup resolves createGroup.
func (m *Mutation) CreateGroup(ctx context.Context, args struct{ Input CreateGroupInput }) (*ConversationPayload, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	in := chat.NewGroup{
		Name:        args.Input.Name,
		Description: str(args.Input.Description),
		Public:      str(args.Input.Visibility) == "PUBLIC",
	}
	if args.Input.MemberIDs != nil {
		if in.Members, err = users(*args.Input.MemberIDs, "input.memberIds"); err != nil {
			return nil, err
		}
	}
	return m.g.conversationPayload(m.g.Chat.CreateGroup(ctx, who, in))
}

// UpdateGroupInput is the input of updateGroup.
type UpdateGroupInput struct {
	ConversationID graphql.ID
	Name           *string
	Description    *string
}

// UpdateGroup resolves updateGroup.
func (m *Mutation) UpdateGroup(ctx context.Context, args struct{ Input UpdateGroupInput }) (*ConversationPayload, error) {
	who, conv, err := callerAt(ctx, args.Input.ConversationID)
	if err != nil {
		return nil, err
	}
	return m.g.conversationPayload(m.g.Chat.UpdateGroup(ctx, who, conv,
		chat.GroupUpdate{Name: args.Input.Name, Description: args.Input.Description}))
}

// AddMembersInput is the input of addMembers.
type AddMembersInput struct {
	ConversationID graphql.ID
	UserIDs        []graphql.ID
}

// AddMembers resolves addMembers.
func (m *Mutation) AddMembers(ctx context.Context, args struct{ Input AddMembersInput }) (*ConversationPayload, error) {
	who, conv, err := callerIn(ctx, args.Input.ConversationID)
	if err != nil {
		return nil, err
	}
	add, err := users(args.Input.UserIDs, "input.userIds")
	if err != nil {
		return nil, err
	}
	return m.g.conversationPayload(m.g.Chat.AddMembers(ctx, who, conv, add))
}

// memberInput names a member.
type memberInput struct {
	ConversationID graphql.ID
	UserID         graphql.ID
}

// callerAbout is who calls, where, and about which member.
func callerAbout(ctx context.Context, in memberInput) (who ids.User, conv ids.Conversation, about ids.User, err error) {
	if who, conv, err = callerAt(ctx, in.ConversationID); err != nil {
		return who, conv, about, err
	}
	about, ok := ids.ParseUser(string(in.UserID))
	if !ok {
		err = chat.ErrNoMember.With(errs.Field("input.userId"))
	}
	return who, conv, about, err
}

// RemoveMember resolves removeMember.
func (m *Mutation) RemoveMember(ctx context.Context, args struct{ Input memberInput }) (*ConversationPayload, error) {
	who, conv, user, err := callerAbout(ctx, args.Input)
	if err != nil {
		return nil, err
	}
	return m.g.conversationPayload(m.g.Chat.RemoveMember(ctx, who, conv, user))
}

// SetMemberRoleInput is the input of setMemberRole.
type SetMemberRoleInput struct {
	ConversationID graphql.ID
	UserID         graphql.ID
	Role           string
}

// SetMemberRole resolves setMemberRole.
func (m *Mutation) SetMemberRole(ctx context.Context, args struct{ Input SetMemberRoleInput }) (*ConversationPayload, error) {
	who, conv, user, err := callerAbout(ctx, memberInput{args.Input.ConversationID, args.Input.UserID})
	if err != nil {
		return nil, err
	}
	return m.g.conversationPayload(m.g.Chat.SetMemberRole(ctx, who, conv, user, chat.Role(args.Input.Role)))
}

// TransferOwnership resolves transferOwnership.
func (m *Mutation) TransferOwnership(ctx context.Context, args struct{ Input memberInput }) (*ConversationPayload, error) {
	who, conv, user, err := callerAbout(ctx, args.Input)
	if err != nil {
		return nil, err
	}
	return m.g.conversationPayload(m.g.Chat.TransferOwnership(ctx, who, conv, user))
}

// LeaveConversation resolves leaveConversation.
func (m *Mutation) LeaveConversation(ctx context.Context, args struct {
	Input struct{ ConversationID graphql.ID }
},
) (*OKPayload, error) {
	who, conv, err := callerAt(ctx, args.Input.ConversationID)
	if err != nil {
		return nil, err
	}
	if err := m.g.Chat.Leave(ctx, who, conv); err != nil {
		return nil, err
	}
	return &OKPayload{}, nil
}

// users reads ids. What is no id names no user.
func users(from []graphql.ID, field string) ([]ids.User, error) {
	out := make([]ids.User, len(from))
	for i, s := range from {
		id, ok := ids.ParseUser(string(s))
		if !ok {
			return nil, chat.ErrNoUser.With(errs.Field(field))
		}
		out[i] = id
	}
	return out, nil
}
