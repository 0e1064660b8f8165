package chat

import (
	"context"
	"time"

	"chatd/internal/platform/ids"
)

// MaxPins is how many messages are pinned in a conversation at most.
const MaxPins = 100

// Pin says that a message is pinned.
type Pin struct {
	Rev int64 // of the pinning; pinned messages are listed by it
	At  time.Time
	By  ids.User
}

// Pin pins a message to its conversation. What is pinned already stays as it
// is.
func (s *Service) Pin(ctx context.Context, viewer ids.User, id ids.Message) (Message, error) {
	return s.revise(ctx, viewer, Revision{Message: id, Kind: ToPin, User: viewer}, addressed{})
}

// Unpin takes a pin away, whoever set it. What is not pinned stays as it is.
func (s *Service) Unpin(ctx context.Context, viewer ids.User, id ids.Message) (Message, error) {
	return s.revise(ctx, viewer, Revision{Message: id, Kind: ToUnpin, User: viewer}, addressed{})
}

// Pinned returns a conversation's pinned messages, newest pin first, those
// whose Pin.Rev is below before only (0: all).
func (s *Service) Pinned(ctx context.Context, viewer ids.User, id ids.Conversation, before int64, limit int) ([]Message, error) {
	return s.Store.Pinned(ctx, viewer, id, before, limit)
}
