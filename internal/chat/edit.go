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
// in its history. Whom it mentions is found anew: those of mentions, or whom
// the text names when that is nil.
func (s *Service) Edit(ctx context.Context, viewer ids.User, id ids.Message, text string, mentions *[]ids.User) (Message, error) {
	if err := checkText(text); err != nil {
		return Message{}, err
	}
	to, err := addressedBy(text, mentions)
	if err != nil {
		return Message{}, err
	}
	return s.revise(ctx, viewer, Revision{Message: id, Text: text}, to)
}

// Delete leaves a tombstone of the viewer's own message or, for an admin of a
// group, of anybody's. Deleting again changes nothing.
func (s *Service) Delete(ctx context.Context, viewer ids.User, id ids.Message) (Message, error) {
	return s.revise(ctx, viewer, Revision{Message: id, Delete: true}, addressed{})
}

func (s *Service) revise(ctx context.Context, viewer ids.User, r Revision, to addressed) (out Message, err error) {
	m, err := s.Store.Message(ctx, viewer, r.Message)
	if err != nil {
		return Message{}, fmt.Errorf("revise %s: %w", r.Message, err)
	}
	err = s.decide(ctx, viewer, m.Conversation, func(v View) error {
		if err := mayRevise(v, m, r.Delete); err != nil {
			return err
		}
		r.Version, r.At = v.MemberVersion, s.cfg.Now()
		if r.Mentions, err = s.mentioned(ctx, v.ID, viewer, v.Kind, v.Viewer.Role, to); err != nil {
			return err
		}
		out, err = s.Store.Revise(ctx, r)
		return err
	})
	if err != nil {
		return Message{}, fmt.Errorf("revise %s: %w", r.Message, err)
	}
	return out, nil
}

func mayRevise(v View, m Message, del bool) error {
	if m.Kind == System {
		return ErrSystemMessage
	}
	own := m.Sender == v.Viewer.User && may(v.Kind, v.Viewer.Role, maySend)
	if own || del && may(v.Kind, v.Viewer.Role, mayDeleteOthers) {
		return nil
	}
	return ErrForbidden
}
