package chatmongo

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Missed finds what a viewer has missed. Conversations in which nothing has
// happened since cost nothing; of the others the log is read from the position
// on.
func (s *Store) Missed(ctx context.Context, viewer ids.User, after, upTo int64, limit int) ([]chat.Ref, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	w := walk{after: after, upTo: upTo, limit: limit}
	if err := s.missed(ctx, viewer, &w); err != nil {
		return nil, fmt.Errorf("what has been missed: %w", err)
	}
	slices.SortFunc(w.refs, func(a, b chat.Ref) int { return cmp.Compare(a.Pos, b.Pos) })
	return w.refs, nil
}

func (s *Store) missed(ctx context.Context, viewer ids.User, w *walk) error {
	members, err := find[memberDocument](ctx, s.members, bson.D{
		is("u", viewer.Bytes()),
		is("$or", bson.A{bson.D{is("left", int64(0))}, bson.D{over("left", w.after)}}),
	})
	if err != nil {
		return err
	}
	var in [][]byte
	for _, m := range members {
		if m.Left == 0 {
			in = append(in, m.Room)
			if err := w.take(chat.Ref{
				Pos: m.SetPos, Kind: chat.SettingsChanged, Conversation: idOf[ids.Conversation](m.Room), User: viewer,
			}); err != nil {
				return err
			}
			continue
		}
		if err := w.take(chat.Ref{
			Pos: m.Left, Kind: chat.MembershipChanged, Conversation: idOf[ids.Conversation](m.Room), Rev: m.LeftRev,
		}); err != nil {
			return err
		}
	}
	for _, part := range parts(in) {
		if err := s.missedIn(ctx, part, w); err != nil {
			return err
		}
	}
	return nil
}

// missedIn walks what happened in some conversations.
func (s *Store) missedIn(ctx context.Context, rooms [][]byte, w *walk) error {
	found, err := find[conversationDocument](ctx, s.conversations,
		bson.D{in("_id", rooms), over("last_pos", w.after)}, options.Find().SetProjection(bson.D{is("_id", 1)}))
	if err != nil || len(found) == 0 {
		return err
	}
	moved := make([][]byte, len(found))
	for i := range found {
		moved[i] = found[i].ID
	}
	// One more than may be missed, since the first commit may have begun at
	// the position, and one more to know that it is too much.
	commits, err := find[entry](ctx, s.log, bson.D{in("c", moved), over("end", w.after)},
		ascending("end", w.limit+2).SetProjection(bson.D{is("text", 0), is("revision", 0), is("creation", 0)}))
	if err != nil {
		return err
	}
	for i := range commits {
		for _, ref := range commits[i].refs() {
			if err := w.take(ref); err != nil {
				return err
			}
		}
	}
	receipts, err := find[memberDocument](ctx, s.members, bson.D{in("c", moved), over("read_pos", w.after)},
		ascending("read_pos", w.limit+1))
	if err != nil {
		return err
	}
	for i := range receipts {
		m := receipts[i].member()
		if err := w.take(chat.Ref{
			Pos: receipts[i].ReadPos, Kind: chat.ReceiptChanged, Conversation: m.Conversation, User: m.User,
		}); err != nil {
			return err
		}
	}
	return nil
}

// refs are what a commit that is no receipt is referred to by.
func (e *entry) refs() []chat.Ref {
	room := e.room()
	switch e.Kind {
	case kindMessage:
		var all []chat.Ref
		for _, change := range e.memberEvents(room) {
			all = append(all, chat.Ref{Pos: change.Pos, Kind: change.Kind, Conversation: room, Rev: change.Rev})
		}
		all = append(all, e.rootRefs(room)...)
		return append(all, chat.Ref{Pos: e.End, Kind: chat.MessageAdded, Conversation: room, Rev: e.AddRev, Seq: e.Seq})
	case kindRevision:
		return append(e.rootRefs(room), chat.Ref{Pos: e.End, Kind: chat.MessageChanged, Conversation: room, Rev: e.Rev})
	default:
		return []chat.Ref{{Pos: e.End, Kind: chat.ConversationChanged, Conversation: room, Rev: e.Rev}}
	}
}

// walk gathers the entries with after < pos <= upTo.
type walk struct {
	after, upTo int64
	limit       int
	refs        []chat.Ref
}

func (w *walk) take(ref chat.Ref) error {
	if ref.Pos <= w.after || ref.Pos > w.upTo {
		return nil
	}
	if len(w.refs) == w.limit {
		return chat.ErrTooMany
	}
	w.refs = append(w.refs, ref)
	return nil
}
