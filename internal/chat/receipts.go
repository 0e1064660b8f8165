package chat

import (
	"context"
	"fmt"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// Receipts stores how far members have read and been delivered to. Each move
// takes a position, no rev, and is an event of kind ReceiptChanged; what moves
// nothing changes nothing. Of the events only each member's newest is kept.
type Receipts interface {
	// MarkRead moves a member's read position forward to seq, or to the
	// newest message if that is less, and his delivered position with it;
	// never back. It returns the position as it is then and the
	// conversation's LastOrd.
	MarkRead(ctx context.Context, user ids.User, id ids.Conversation, seq int64) (Receipt, int64, error)
	// MarkDelivered moves a member's delivered position forward to seq, or
	// to the newest message if that is less; never back.
	MarkDelivered(ctx context.Context, user ids.User, id ids.Conversation, seq int64) (Receipt, error)
	// MarkUnread moves a member's read position back to the message before
	// seq; never forward. What others see, SeenSeq and DeliveredSeq, stays
	// where it was. A seq that no message has is ErrSeqBeyond.
	MarkUnread(ctx context.Context, user ids.User, id ids.Conversation, seq int64) (Receipt, error)
	// Positions returns all members of those of the conversations that the
	// viewer is in and that have at most most members, in any order, in a
	// constant number of reads.
	Positions(ctx context.Context, viewer ids.User, of []ids.Conversation, most int) ([]Member, error)
	// SetSettings makes a member's settings of a conversation what change
	// makes of them, and returns them. That takes a position, no rev, and is
	// an event of kind SettingsChanged; settings that stay as they were
	// change nothing. change may be called several times.
	SetSettings(ctx context.Context, user ids.User, id ids.Conversation, change func(*Settings)) (Settings, error)
}

// Discretion tells who does not let others see how far he has read.
type Discretion interface {
	// HidesReads is asked for every receipt that is delivered: it answers
	// from memory.
	HidesReads(user ids.User) bool
}

// maxReaders is how many members a conversation has at most in which it is
// told who has read what. In a crowd nobody asks, and it would be read whole.
const maxReaders = 1024

// Shown is the read position that others see.
func (r Receipt) Shown() int64 { return max(r.ReadSeq, r.SeenSeq) }

// Shown is the read position that others see.
func (m Member) Shown() int64 { return max(m.ReadSeq, m.SeenSeq) }

// hides says whether a user keeps to himself how far he has read.
func (s *Service) hides(user ids.User) bool {
	return s.Discretion != nil && s.Discretion.HidesReads(user)
}

// showsReads says whether the viewer is shown how far a member has read: his
// own position always, another's where both share theirs and are not kept apart.
func (s *Service) showsReads(viewer, of ids.User) bool {
	return viewer == of || !s.hides(of) && !s.hides(viewer) && !s.apart(viewer, of)
}

// ShownRead returns the read position of a member as the viewer may see it;
// false when he may not.
func (s *Service) ShownRead(viewer ids.User, m Member) (int64, bool) {
	if viewer == m.User {
		return m.ReadSeq, true
	}
	return m.Shown(), s.showsReads(viewer, m.User)
}

// ShownDelivered returns how far a member has been delivered to, as the viewer
// may see it: of who is kept apart from him as if nothing had come.
func (s *Service) ShownDelivered(viewer ids.User, m Member) int64 {
	if s.apart(viewer, m.User) {
		return m.JoinedSeq
	}
	return m.DeliveredSeq
}

// MarkRead moves the viewer's read position forward to seq, at most to the
// newest message, never back, and returns the conversation as it is then.
func (s *Service) MarkRead(ctx context.Context, viewer ids.User, id ids.Conversation, seq int64) (View, error) {
	if seq < 0 {
		return View{}, ErrSeq.With(errs.Field("input.seq"))
	}
	if _, _, err := s.Store.MarkRead(ctx, viewer, id, seq); err != nil {
		return View{}, err
	}
	return s.Store.View(ctx, viewer, id)
}

// MarkDelivered moves the viewer's delivered position forward to seq, at most
// to the newest message, never back, and returns the conversation.
func (s *Service) MarkDelivered(ctx context.Context, viewer ids.User, id ids.Conversation, seq int64) (View, error) {
	if seq < 0 {
		return View{}, ErrSeq.With(errs.Field("input.seq"))
	}
	if _, err := s.Store.MarkDelivered(ctx, viewer, id, seq); err != nil {
		return View{}, err
	}
	return s.Store.View(ctx, viewer, id)
}

// MarkUnread moves the viewer's read position back, so that the message with
// seq and those after it count as unread; never forward. Others see no
// position go back. A seq that no message has is ErrSeqBeyond.
func (s *Service) MarkUnread(ctx context.Context, viewer ids.User, id ids.Conversation, seq int64) (View, error) {
	if _, err := s.Store.MarkUnread(ctx, viewer, id, seq); err != nil {
		return View{}, err
	}
	return s.Store.View(ctx, viewer, id)
}

// Positions returns the members of those of the conversations that the viewer
// is in, for ReadBy and DeliveryState. Conversations of more than 1,024 members
// are left out.
func (s *Service) Positions(ctx context.Context, viewer ids.User, of []ids.Conversation) ([]Member, error) {
	found, err := s.Store.Positions(ctx, viewer, of, maxReaders)
	if err != nil {
		return nil, fmt.Errorf("positions: %w", err)
	}
	return found, nil
}

// ReadBy returns those of a conversation's members who have read the message
// and let the viewer see it, but for its sender. Who came in after it has not
// read it.
func (s *Service) ReadBy(viewer ids.User, m Message, members []Member) []Member {
	var readers []Member
	for _, r := range members {
		if r.User != m.Sender && r.JoinedSeq < m.Seq && r.Shown() >= m.Seq && s.showsReads(viewer, r.User) {
			readers = append(readers, r)
		}
	}
	return readers
}

// DeliveryState says how far a message has come with the others.
type DeliveryState string

// The delivery states.
const (
	Sent      DeliveryState = "SENT"
	Delivered DeliveryState = "DELIVERED" // to all others
	Read      DeliveryState = "READ"      // by all others, who let it be seen
)

// DeliveryStateOf says how far the viewer's own message has come with all
// others who were there when it was sent, but for those who are kept apart from
// him; of a crowd, whose members are not known, it is Sent.
func (s *Service) DeliveryStateOf(viewer ids.User, m Message, members []Member) DeliveryState {
	state, others := Read, false
	for _, r := range members {
		switch {
		case r.User == viewer || r.JoinedSeq >= m.Seq || s.apart(viewer, r.User):
			continue
		case r.DeliveredSeq < m.Seq:
			return Sent
		case r.Shown() < m.Seq || !s.showsReads(viewer, r.User):
			state = Delivered
		}
		others = true
	}
	if !others {
		return Sent
	}
	return state
}

// outwardly gives a receipt the form in which others see it, where that is
// another: a position that never goes back.
func outwardly(e *Event) *Event {
	r := e.Receipt
	if r.Shown() == r.ReadSeq {
		return e
	}
	seen := *r
	seen.ReadSeq, seen.ReadOrd, seen.SeenSeq = r.Shown(), 0, 0
	others, whole := *e, *e
	others.Receipt, whole.outward = &seen, &others
	return &whole
}

// shownTo returns an event as the viewer sees it; nil when it is not for him.
func (s *Service) shownTo(viewer ids.User, e *Event) *Event {
	switch {
	case e.Kind == SettingsChanged:
		if e.Settings.User != viewer {
			return nil
		}
	case e.Kind != ReceiptChanged || e.Receipt.User == viewer:
	case !s.showsReads(viewer, e.Receipt.User):
		return nil
	case e.outward != nil:
		return e.outward
	}
	return e
}

// replayedTo returns those of the replayed events that the viewer sees, as he
// sees them.
func (s *Service) replayedTo(viewer ids.User, events []*Event) []*Event {
	out := events[:0]
	for _, e := range events {
		if e.Kind == ReceiptChanged {
			e = outwardly(e)
		}
		if e = s.shownTo(viewer, e); e != nil {
			out = append(out, e)
		}
	}
	return out
}
