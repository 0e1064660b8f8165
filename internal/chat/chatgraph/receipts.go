package chatgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// signals tell how far somebody is with reading and writing.
type signals interface {
	MarkRead(ctx context.Context, viewer ids.User, conv ids.Conversation, seq int64) (chat.View, error)
	SetTyping(ctx context.Context, viewer ids.User, conv ids.Conversation, typing bool) error
}

// MarkReadInput is the input of markRead.
type MarkReadInput struct {
	ConversationID graphql.ID
	Seq            int32
}

// MarkRead resolves markRead.
func (m *Mutation) MarkRead(ctx context.Context, args struct{ Input MarkReadInput }) (*ConversationPayload, error) {
	who, conv, err := callerAt(ctx, args.Input.ConversationID)
	if err != nil {
		return nil, err
	}
	return m.g.conversationPayload(m.g.Chat.MarkRead(ctx, who, conv, int64(args.Input.Seq)))
}

// SetTypingInput is the input of setTyping.
type SetTypingInput struct {
	ConversationID graphql.ID
	Typing         bool
}

// SetTyping resolves setTyping.
func (m *Mutation) SetTyping(ctx context.Context, args struct{ Input SetTypingInput }) (*OKPayload, error) {
	who, conv, err := callerAt(ctx, args.Input.ConversationID)
	if err != nil {
		return nil, err
	}
	if err := m.g.Chat.SetTyping(ctx, who, conv, args.Input.Typing); err != nil {
		return nil, err
	}
	return &OKPayload{}, nil
}
