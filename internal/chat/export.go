package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/zipdir"
)

// Export adds what a user has left in conversations, those that he has left,
// too: his memberships, messages, earlier texts of these, reactions and files.
// Of what others wrote there is nothing, nor what a conversation is called that
// he is in no longer. open gives the bytes of a file; ErrNoFile leaves it out.
func (s *Service) Export(
	ctx context.Context, user ids.User, to *zipdir.Writer, open func(context.Context, File) (io.ReadCloser, error),
) error {
	var rooms []Room
	err := to.List("conversations.json", func(yield func(any, error) bool) {
		err := s.eachRoom(ctx, user, func(r Room) error {
			rooms = append(rooms, r)
			is, err := s.exportedRoom(ctx, user, r)
			if err == nil && !yield(is, nil) {
				err = context.Canceled
			}
			return err
		})
		if err != nil {
			yield(nil, err)
		}
	})
	if err != nil {
		return fmt.Errorf("export conversations: %w", err)
	}
	for _, r := range rooms {
		in := "conversations/" + r.ID.String() + "/"
		err := to.List(in+"messages.json", s.traces(ctx, user, r.ID, func(t Traced, yield func(any) bool) error {
			for i := range t.Own {
				m, err := s.exportedMessage(ctx, user, r, &t.Own[i])
				if err != nil {
					return err
				}
				if !yield(m) {
					return nil
				}
			}
			return nil
		}))
		if err == nil {
			err = to.List(in+"reactions.json", s.traces(ctx, user, r.ID, func(t Traced, yield func(any) bool) error {
				for _, at := range t.Reactions {
					if !yield(map[string]any{"messageId": at.Message, "emoji": at.Emoji}) {
						return nil
					}
				}
				return nil
			}))
		}
		if err != nil {
			return fmt.Errorf("export %s: %w", r.ID, err)
		}
	}
	return s.exportFiles(ctx, user, to, open)
}

// exportedRoom is a conversation as its member has it.
func (s *Service) exportedRoom(ctx context.Context, user ids.User, r Room) (map[string]any, error) {
	is := map[string]any{"id": r.ID, "member": r.In}
	if !r.In {
		return is, nil
	}
	v, err := s.Store.View(ctx, user, r.ID)
	if errors.Is(err, ErrNoConversation) { // just now
		is["member"] = false
		return is, nil
	}
	if err != nil {
		return nil, err
	}
	is["kind"], is["name"], is["role"], is["joinedAt"] = v.Kind, v.Name, v.Viewer.Role, v.Viewer.JoinedAt
	set := v.Viewer.Settings
	is["readSeq"], is["pinned"], is["archived"], is["notify"] = v.Viewer.ReadSeq, set.Pinned, set.Archived, set.Notify
	if !set.MutedUntil.IsZero() {
		is["mutedUntil"] = set.MutedUntil
	}
	return is, nil
}

// traces goes through what a user has left in a conversation, and gives what do
// makes of it.
func (s *Service) traces(
	ctx context.Context, user ids.User, id ids.Conversation, do func(t Traced, yield func(any) bool) error,
) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		stopped := false
		give := func(v any) bool {
			stopped = !yield(v, nil)
			return !stopped
		}
		for after := int64(0); ; after += traceSpan {
			found, err := s.Store.Traced(ctx, user, id, after, traceSpan)
			if err == nil {
				err = do(found, give)
			}
			if stopped {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if after+traceSpan >= found.LastSeq {
				return
			}
		}
	}
}

func (s *Service) exportedMessage(ctx context.Context, user ids.User, r Room, m *Message) (map[string]any, error) {
	out := map[string]any{"id": m.ID, "seq": m.Seq, "createdAt": m.CreatedAt, "text": m.Text}
	if !m.ReplyTo.IsZero() {
		out["replyToId"] = m.ReplyTo
	}
	if !m.ThreadRoot.IsZero() {
		out["threadRootId"] = m.ThreadRoot
	}
	if m.Mentions != nil {
		out["mentions"] = m.Mentions
	}
	if len(m.Attachments) > 0 {
		out["attachments"] = m.Attachments
	}
	if m.EditedAt.IsZero() {
		return out, nil
	}
	out["editedAt"] = m.EditedAt
	if !r.In {
		return out, nil
	}
	const most = 1000
	edits, err := s.Store.Edits(ctx, user, m.ID, 0, most)
	if err != nil {
		return nil, err
	}
	before := make([]map[string]any, len(edits))
	for i, e := range edits {
		before[i] = map[string]any{"text": e.Text, "until": e.EditedAt}
	}
	out["edits"] = before
	return out, nil
}

// exportFiles adds a user's files, with their bytes.
func (s *Service) exportFiles(
	ctx context.Context, user ids.User, to *zipdir.Writer, open func(context.Context, File) (io.ReadCloser, error),
) error {
	all := func(yield func(File, error) bool) {
		for after := (ids.Attachment{}); ; {
			some, err := s.Store.Uploaded(ctx, user, after, erasePage)
			if err != nil {
				yield(File{}, fmt.Errorf("export files: %w", err))
				return
			}
			for _, f := range some {
				after = f.ID
				if !yield(f, nil) {
					return
				}
			}
			if len(some) < erasePage {
				return
			}
		}
	}
	err := to.List("files.json", func(yield func(any, error) bool) {
		for f, err := range all {
			is := map[string]any{"file": f.Attachment, "path": exportedPath(f), "createdAt": f.CreatedAt.UTC().Format(time.RFC3339Nano)}
			if !f.Message.IsZero() {
				is["messageId"] = f.Message
			}
			if !yield(is, err) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	for f, err := range all {
		if err == nil {
			err = exportFile(ctx, f, to, open)
		}
		if err != nil {
			return fmt.Errorf("export a file: %w", err)
		}
	}
	return nil
}

func exportedPath(f File) string { return "files/" + f.ID.String() + "/" + f.Name }

func exportFile(ctx context.Context, f File, to *zipdir.Writer, open func(context.Context, File) (io.ReadCloser, error)) error {
	from, err := open(ctx, f)
	if err != nil {
		return fmt.Errorf("open %s: %w", f.ID, err)
	}
	defer from.Close() //nolint:errcheck // Only read.
	return to.File(exportedPath(f), from)
}
