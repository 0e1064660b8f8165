package chat

import (
	"context"
	"slices"

	"chatd/internal/platform/emoji"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// MaxReactions is how many different emoji a message has at most.
const MaxReactions = 50

// Reaction is an emoji under a message, and how many users it is from.
type Reaction struct {
	Emoji string `json:"emoji"`
	Count int64  `json:"count"` // 1 or more
}

// Reactor is one user's reaction to one message.
type Reactor struct {
	Message ids.Message
	Emoji   string
	User    ids.User
}

// Reacted returns reactions after one that has come (by 1) or gone (by -1). An
// emoji keeps its place until the last one is gone. One that is new and would
// be too many is ErrTooManyReactions. What was given is not changed.
func Reacted(of []Reaction, emoji string, by int64) ([]Reaction, error) {
	i := slices.IndexFunc(of, func(r Reaction) bool { return r.Emoji == emoji })
	switch {
	case i < 0 && by < 0:
		return of, nil
	case i < 0 && len(of) >= MaxReactions:
		return of, ErrTooManyReactions
	case i < 0:
		return append(slices.Clip(of), Reaction{Emoji: emoji, Count: by}), nil
	case of[i].Count+by > 0:
		of = slices.Clone(of)
		of[i].Count += by
		return of, nil
	case len(of) == 1:
		return nil, nil
	default:
		return slices.Concat(of[:i], of[i+1:]), nil
	}
}

// React puts an emoji of the viewer's under a message. What is there already
// changes nothing.
func (s *Service) React(ctx context.Context, viewer ids.User, id ids.Message, with string) (Message, error) {
	return s.reaction(ctx, viewer, id, ToReact, with)
}

// Unreact takes an emoji of the viewer's away. What is not there changes
// nothing.
func (s *Service) Unreact(ctx context.Context, viewer ids.User, id ids.Message, with string) (Message, error) {
	return s.reaction(ctx, viewer, id, ToUnreact, with)
}

func (s *Service) reaction(ctx context.Context, viewer ids.User, id ids.Message, kind RevisionKind, with string) (Message, error) {
	e, ok := emoji.One(with)
	if !ok {
		return Message{}, ErrEmoji.With(errs.Field("input.emoji"))
	}
	return s.revise(ctx, viewer, Revision{Message: id, Kind: kind, User: viewer, Emoji: e}, addressed{})
}

// Reacted returns with what the viewer has reacted to messages.
func (s *Service) Reacted(ctx context.Context, viewer ids.User, of []ids.Message) ([]Reactor, error) {
	return s.Store.Reacted(ctx, viewer, of)
}

// Reactors returns who has reacted to messages that the caller has read: of
// each of their reactions the first limit.
func (s *Service) Reactors(ctx context.Context, of []Message, limit int) ([]Reactor, error) {
	return s.Store.Reactors(ctx, of, limit)
}
