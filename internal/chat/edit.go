package chat

import (
	"context"
	"fmt"

	"chatd/internal/platform/ids"
)

// RevisionRights is what may be done with a message: Pin is for unpinning, too.
type RevisionRights struct{ Edit, Delete, React, Pin bool }

// MessageRights says what the viewer may do with the message.
func MessageRights(v View, m Message) RevisionRights {
	can := func(kind RevisionKind) bool { return !m.Deleted() && mayRevise(v, m, kind) == nil }
	return RevisionRights{Edit: can(ToEdit), Delete: can(ToDelete), React: can(ToReact), Pin: can(ToPin)}
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
	return s.revise(ctx, viewer, Revision{Message: id, Kind: ToDelete}, addressed{})
}

func (s *Service) revise(ctx context.Context, viewer ids.User, r Revision, to addressed) (out Message, err error) {
	m, err := s.Store.Message(ctx, viewer, r.Message)
	if err != nil {
		return Message{}, fmt.Errorf("revise %s: %w", r.Message, err)
	}
	err = s.decide(ctx, viewer, m.Conversation, func(v View) error {
		if err := mayRevise(v, m, r.Kind); err != nil {
			return err
		}
		if v.Kind == Direct && r.Kind != ToDelete {
			way := s.passages.of(viewer)
			way.RLock()
			defer way.RUnlock()
			if walled, err := s.walled(ctx, viewer, v.ID, v.Kind); err != nil {
				return err
			} else if walled {
				return ErrNoMessage
			}
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
	if r.Kind == ToDelete && len(m.Attachments) > 0 {
		s.removeFiles(ctx, m.Attachments)
	}
	return out, nil
}

func mayRevise(v View, m Message, kind RevisionKind) error {
	if m.Kind == System {
		return ErrSystemMessage
	}
	can := func(r right) bool { return may(v.Kind, v.Viewer.Role, r) }
	own := m.Sender == v.Viewer.User && can(maySend)
	allowed := false
	switch kind {
	case ToEdit:
		allowed = own
	case ToDelete:
		allowed = own || can(mayDeleteOthers)
	case ToReact, ToUnreact:
		allowed = can(mayReact)
	case ToPin, ToUnpin:
		allowed = can(mayPin)
	}
	if !allowed {
		return ErrForbidden
	}
	return nil
}
