package chatgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// writer says things and takes them back.
type writer interface {
	Send(ctx context.Context, in chat.SendInput) (chat.Message, error)
	Edit(ctx context.Context, viewer ids.User, msg ids.Message, text string, mentions *[]ids.User) (chat.Message, error)
	Delete(ctx context.Context, viewer ids.User, msg ids.Message) (chat.Message, error)
}

// MessagePayload is the answer of mutations that return a message.
type MessagePayload struct{ m *Message }

// Message resolves message.
func (p *MessagePayload) Message() *Message { return p.m }

// SendMessageInput is the input of sendMessage.
type SendMessageInput struct {
	ConversationID graphql.ID
	Text           string
	ClientID       *string
	ReplyToID      *graphql.ID
	AttachmentIDs  *[]graphql.ID
	ThreadRootID   *graphql.ID
	Mentions       *[]graphql.ID
}

// SendMessage resolves sendMessage.
func (m *Mutation) SendMessage(ctx context.Context, args struct{ Input SendMessageInput }) (*MessagePayload, error) {
	who, conv, err := callerAt(ctx, args.Input.ConversationID)
	if err != nil {
		return nil, err
	}
	in := chat.SendInput{Conversation: conv, Sender: who, Text: args.Input.Text, ClientID: str(args.Input.ClientID)}
	if args.Input.ClientID != nil && in.ClientID == "" {
		return nil, chat.ErrClientID.With(errs.Field("input.clientId"))
	}
	if id := args.Input.ReplyToID; id != nil {
		var ok bool
		if in.ReplyTo, ok = ids.ParseMessage(string(*id)); !ok {
			return nil, chat.ErrReplyTo.With(errs.Field("input.replyToId"))
		}
	}
	if in.Attachments, err = attachmentIDs(args.Input.AttachmentIDs); err != nil {
		return nil, err
	}
	if in.ThreadRoot, err = threadRoot(args.Input.ThreadRootID); err != nil {
		return nil, err
	}
	if in.Mentions, err = mentionsOf(args.Input.Mentions); err != nil {
		return nil, err
	}
	sent, err := m.g.Chat.Send(ctx, in)
	if err != nil {
		return nil, err
	}
	return &MessagePayload{m.g.messageNode(&sent)}, nil
}

// EditMessage resolves editMessage.
func (m *Mutation) EditMessage(ctx context.Context, args struct {
	Input struct {
		ID       graphql.ID
		Text     string
		Mentions *[]graphql.ID
	}
},
) (*MessagePayload, error) {
	to, err := mentionsOf(args.Input.Mentions)
	if err != nil {
		return nil, err
	}
	return m.revise(ctx, args.Input.ID, func(ctx context.Context, who ids.User, id ids.Message) (chat.Message, error) {
		return m.g.Chat.Edit(ctx, who, id, args.Input.Text, to)
	})
}

// DeleteMessage resolves deleteMessage.
func (m *Mutation) DeleteMessage(ctx context.Context, args struct {
	Input struct{ ID graphql.ID }
},
) (*MessagePayload, error) {
	return m.revise(ctx, args.Input.ID, m.g.Chat.Delete)
}

func (m *Mutation) revise(ctx context.Context, id graphql.ID,
	use func(context.Context, ids.User, ids.Message) (chat.Message, error),
) (*MessagePayload, error) {
	n, err := m.g.message(ctx, id, use)
	if err != nil {
		return nil, err
	}
	return &MessagePayload{n}, nil
}
