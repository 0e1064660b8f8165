package chat

import (
	"context"

	"chatd/internal/platform/ids"
)

// Conversation returns a conversation to a member of it.
func (s *Service) Conversation(ctx context.Context, viewer ids.User, id ids.Conversation) (View, error) {
	return s.Store.View(ctx, viewer, id)
}

// Conversations returns those of the conversations that the viewer is in, in
// any order.
func (s *Service) Conversations(ctx context.Context, viewer ids.User, of []ids.Conversation) ([]View, error) {
	return s.Store.Views(ctx, viewer, of)
}

// List returns those of the viewer's conversations that the filter lets
// through, newest activity first, those whose ActivePos is below before only
// (0: all).
func (s *Service) List(ctx context.Context, viewer ids.User, f Filter, before int64, limit int) ([]View, error) {
	return s.Store.List(ctx, viewer, f, before, limit)
}

// Members returns a conversation's members, oldest first, to a member of it.
func (s *Service) Members(ctx context.Context, viewer ids.User, id ids.Conversation, after MemberKey, limit int) ([]Member, error) {
	return s.Store.Members(ctx, viewer, id, after, limit)
}

// Message returns a message to a member of its conversation.
func (s *Service) Message(ctx context.Context, viewer ids.User, id ids.Message) (Message, error) {
	return s.Store.Message(ctx, viewer, id)
}

// MessagesByID returns those of the messages that the viewer may read.
func (s *Service) MessagesByID(ctx context.Context, viewer ids.User, of []ids.Message) ([]Message, error) {
	return s.Store.MessagesByID(ctx, viewer, of)
}

// MessagesAt returns the message at one seq of each of several conversations
// of the viewer.
func (s *Service) MessagesAt(ctx context.Context, viewer ids.User, at map[ids.Conversation]int64) ([]Message, error) {
	return s.Store.MessagesAt(ctx, viewer, at)
}

// Page returns messages by rising seq to a member.
func (s *Service) Page(ctx context.Context, viewer ids.User, p MessagePage) ([]Message, error) {
	return s.Store.Page(ctx, viewer, p)
}

// Edits returns the texts that a message had before, oldest first.
func (s *Service) Edits(ctx context.Context, viewer ids.User, id ids.Message, after int64, limit int) ([]Edit, error) {
	return s.Store.Edits(ctx, viewer, id, after, limit)
}
