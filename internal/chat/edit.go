package chat

import (
	"context"
	"fmt"

	"chatd/internal/platform/ids"
)

// MessageRights says whether the viewer may edit and delete the message.
func MessageRights(v View, m Message) (edit, del bool) {
	if m.Deleted() || m.Kind == System {
		return false, false
	}
	own := m.Sender == v.Viewer.User && may(v.Kind, v.Viewer.Role, maySend)
	return own, own || may(v.Kind, v.Viewer.Role, mayDeleteOthers)
}

// Edit replaces the text of the viewer's own message; the text before is kept
// in its history.
func (s *Service) Edit(ctx context.Context, viewer ids.User, id ids.Message, text string) (Message, error) {
	if err := checkText(text); err != nil {
		return Message{}, err
	}
	return s.revise(ctx, viewer, Revision{Message: id, Text: text})
}

// Delete leaves a tombstone of the viewer's own message or, for an admin of a
// group, of anybody's. Deleting again changes nothing.
func (s *Service) Delete(ctx context.Context, viewer ids.User, id ids.Message) (Message, error) {
	return s.revise(ctx, viewer, Revision{Message: id, Kind: ToDelete})
}

func (s *Service) revise(ctx context.Context, viewer ids.User, r Revision) (out Message, err error) {
	m, err := s.Store.Message(ctx, viewer, r.Message)
	if err != nil {
		return Message{}, fmt.Errorf("revise %s: %w", r.Message, err)
	}
	err = s.decide(ctx, viewer, m.Conversation, func(v View) error {
		if err := mayRevise(v, m, r.Kind); err != nil {
			return err
		}
		r.Version, r.At = v.MemberVersion, s.cfg.Now()
		out, err = s.Store.Revise(ctx, r)
		return err
	})
	if err != nil {
		return Message{}, fmt.Errorf("revise %s: %w", r.Message, err)
	}
	return out, nil
}

func mayRevise(v View, m Message, kind RevisionKind) error {
	if m.Kind == System {
		return ErrSystemMessage
	}
	own := m.Sender == v.Viewer.User && may(v.Kind, v.Viewer.Role, maySend)
	if own || kind == ToDelete && may(v.Kind, v.Viewer.Role, mayDeleteOthers) {
		return nil
	}
	return ErrForbidden
}
