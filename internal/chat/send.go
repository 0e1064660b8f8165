package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/limit"
)

// SendInput is what a member says.
type SendInput struct {
	Conversation ids.Conversation
	Sender       ids.User
	Text         string      // 1 to 10,000 code points; may be empty beside attachments
	ClientID     string      // up to 64 code points; makes a retry return the first message
	ReplyTo      ids.Message // in the same conversation; zero for none
	Attachments  []ids.Attachment
	ThreadRoot   ids.Message // of the thread that it replies in; zero for none
	Mentions     *[]ids.User // nil: whom the text names
}

// Send stores a message and returns it once it is durable. A retry with the
// same ClientID and input returns the message as it is now; with another
// input it is ErrKeyReused. ErrTooOften when the sender's budget is used up:
// then nothing was looked at.
func (s *Service) Send(ctx context.Context, in SendInput) (Message, error) {
	if err := in.check(); err != nil {
		return Message{}, err
	}
	if err := s.count(s.cfg.Sends, in.Sender); err != nil {
		return Message{}, err
	}
	ctx, latest, cancel := s.inTime(ctx, in)
	defer cancel()
	if err := s.checkAttachments(in.Attachments); err != nil {
		return Message{}, err
	}
	if !in.ReplyTo.IsZero() {
		if err := s.checkReply(ctx, in); err != nil {
			return Message{}, err
		}
	}
	to, err := addressedBy(in.Text, in.Mentions)
	if err != nil {
		return Message{}, err
	}
	n := NewMessage{
		ID: ids.New[ids.Message](), Conversation: in.Conversation, Sender: in.Sender, Kind: Text,
		Text: in.Text, ClientID: in.ClientID, ReplyTo: in.ReplyTo, ThreadRoot: in.ThreadRoot, CreatedAt: s.cfg.Now(),
		Attachments: in.Attachments,
	}
	if in.ClientID != "" {
		n.InputHash = s.inputHash(in)
	}
	const tries = 5
	for try := 1; ; try++ {
		st, err := s.standingOf(ctx, in.Conversation, in.Sender)
		if err != nil {
			return Message{}, fmt.Errorf("send to %s: %w", in.Conversation, err)
		}
		if !may(st.kind, st.role, maySend) {
			return Message{}, fmt.Errorf("send to %s: %w", in.Conversation, ErrForbidden)
		}
		if st.alone {
			return Message{}, fmt.Errorf("send to %s: %w", in.Conversation, ErrAlone)
		}
		if !latest.IsZero() && time.Now().After(latest) {
			return Message{}, fmt.Errorf("send to %s: reading took its time: %w", in.Conversation, errs.ErrUnavailable)
		}
		m, err := s.say(ctx, n, st, to)
		if errors.Is(err, ErrMoved) {
			s.forget(in.Conversation, in.Sender)
			if try < tries {
				continue
			}
		}
		if errors.Is(err, ErrThreadRoot) {
			err = ErrThreadRoot.With(errs.Field("input.threadRootId"))
		}
		if err != nil {
			return Message{}, fmt.Errorf("send to %s: %w", in.Conversation, err)
		}
		return m, nil
	}
}

// sendTime is what a send has that reads the store before it writes: all of it
// is to be answered as soon as a single call of a store that hangs. Writing is
// not begun when less than half of it is left.
const sendTime = 5 * time.Second

// inTime bounds a send that reads before it writes, since its sender is not
// known or it is a reply. Every other one writes straight away, which the store
// bounds: then there is no latest time at which writing is begun.
func (s *Service) inTime(ctx context.Context, in SendInput) (_ context.Context, latest time.Time, _ context.CancelFunc) {
	if in.ReplyTo.IsZero() && s.standing.Contains(standingKey{in.Conversation, in.Sender}) {
		return ctx, latest, func() {}
	}
	latest = time.Now().Add(sendTime / 2)
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	return ctx, latest, cancel
}

// count takes one from a budget of a user.
func (s *Service) count(b limit.Budget, user ids.User) error {
	if wait, ok := s.Meter.Take(b, user.Array()); !ok {
		return ErrTooOften.With(errs.RetryAfter(wait))
	}
	return nil
}

// say appends a message of somebody who stands in the conversation like this.
func (s *Service) say(ctx context.Context, n NewMessage, st standing, to addressed) (_ Message, err error) {
	if st.kind == Direct {
		way := s.passages.of(n.Sender)
		way.RLock()
		defer way.RUnlock()
		if walled, err := s.walled(ctx, n.Sender, n.Conversation, st.kind); err != nil {
			return Message{}, err
		} else if walled {
			return Message{}, ErrNoConversation
		}
	}
	n.Version = st.version
	if n.Mentions, err = s.mentioned(ctx, n.Conversation, n.Sender, st.kind, st.role, to); err != nil {
		return Message{}, err
	}
	return s.Store.Append(ctx, n)
}

func (in SendInput) check() error {
	if err := checkText(in.Text); err != nil && (in.Text != "" || len(in.Attachments) == 0) {
		return err
	}
	return checkClientID(in.ClientID)
}

func (s *Service) checkReply(ctx context.Context, in SendInput) error {
	m, err := s.Store.Message(ctx, in.Sender, in.ReplyTo)
	switch {
	case errors.Is(err, ErrNoMessage), err == nil && m.Conversation != in.Conversation:
		// Who is not in the conversation is told just that.
		if _, err := s.Store.View(ctx, in.Sender, in.Conversation); err != nil {
			return err
		}
		return ErrReplyTo.With(errs.Field("input.replyToId"))
	case err != nil:
		return fmt.Errorf("reply to %s: %w", in.ReplyTo, err)
	}
	return nil
}

// standingOf returns what is known of a membership, from memory where it can.
func (s *Service) standingOf(ctx context.Context, id ids.Conversation, user ids.User) (standing, error) {
	key := standingKey{id, user}
	if st, ok := s.standing.Get(key); ok {
		return st, nil
	}
	v, err := s.Store.View(ctx, user, id)
	if err != nil {
		return standing{}, err
	}
	st := standing{kind: v.Kind, role: v.Viewer.Role, version: v.MemberVersion, alone: v.Alone()}
	s.standing.Add(key, st)
	return st, nil
}
