package chat

import (
	"context"
	"fmt"
	"sync"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/fanout"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
)

// streamPage is how many messages a replay reads at once.
const streamPage = 100

// stream is a single-conversation subscription of one member: its kind of
// event, from a position on.
type stream struct {
	s      *Service
	viewer ids.User
	conv   ids.Conversation
	kind   EventKind
	after  *int64 // seq of MessageAdded, rev of MessageChanged; nil: live only
	seam   *feed.Seam
	sub    *fanout.Subscription[ids.Conversation, *Event]
	close  sync.Once

	mu    sync.Mutex
	since int64 // rev at which the membership was seen; -1 before
	ended int64 // rev of the newest end of it that was heard of
}

// AddedStream opens the messages of a conversation with seq > after, or from
// now on when after is nil. Its items carry *Event of kind MessageAdded. When
// the membership ends it ends with ErrMembershipEnded.
func (s *Service) AddedStream(ctx context.Context, viewer ids.User, id ids.Conversation, after *int64) (feed.Stream, error) {
	return s.open(ctx, viewer, id, MessageAdded, after)
}

// ChangedStream opens the revisions of a conversation's messages with rev >
// after, or from now on when after is nil. A replay has each changed message
// once, in its newest state.
func (s *Service) ChangedStream(ctx context.Context, viewer ids.User, id ids.Conversation, after *int64) (feed.Stream, error) {
	return s.open(ctx, viewer, id, MessageChanged, after)
}

// TypingStream opens the typing signals of the other members.
func (s *Service) TypingStream(ctx context.Context, viewer ids.User, id ids.Conversation) (feed.Stream, error) {
	return s.open(ctx, viewer, id, TypingChanged, nil)
}

// ReceiptStream opens the receipts of all members, live only.
func (s *Service) ReceiptStream(ctx context.Context, viewer ids.User, id ids.Conversation) (feed.Stream, error) {
	return s.open(ctx, viewer, id, ReceiptChanged, nil)
}

// MembershipStream opens the changes of who is in a conversation and with what
// role, live only.
func (s *Service) MembershipStream(ctx context.Context, viewer ids.User, id ids.Conversation) (feed.Stream, error) {
	return s.open(ctx, viewer, id, MembershipChanged, nil)
}

func (s *Service) open(ctx context.Context, viewer ids.User, id ids.Conversation, kind EventKind, after *int64) (feed.Stream, error) {
	if after != nil && *after < 0 {
		return nil, ErrSeq.With(errs.Field("after"))
	}
	st := &stream{s: s, viewer: viewer, conv: id, kind: kind, seam: feed.NewSeam(1), since: -1}
	// It listens before it asks, so that a removal between the two ends it.
	st.sub = s.hub.Subscribe(id, st)
	v, err := s.Store.View(ctx, viewer, id)
	if err != nil {
		st.Close()
		return nil, fmt.Errorf("listen to %s: %w", id, err)
	}
	st.membership(v.LastRev, 0)
	if after != nil {
		// A position beyond the newest is of data that is gone.
		newest := v.LastSeq
		if kind == MessageChanged {
			newest = v.LastRev
		}
		from := min(*after, newest)
		st.after = &from
	}
	return st, nil
}

// Offer takes an event of the conversation from the hub.
func (st *stream) Offer(e *Event) bool {
	switch {
	case e.Kind == MembershipChanged && e.Membership.User == st.viewer && e.Membership.Change.Ends():
		return !st.membership(-1, e.Rev)
	case e.Kind != st.kind:
	case e.Kind == ReceiptChanged:
		if e = st.s.shownTo(st.viewer, e); e != nil {
			st.seam.Offer(0, 0, item(e))
		}
	case e.Kind == MessageAdded:
		st.seam.Offer(0, e.Message.Seq, item(e))
	case e.Kind == MessageChanged:
		st.seam.Offer(0, e.Rev, item(e))
	case e.Kind == TypingChanged && e.Typing.User == st.viewer:
	default:
		st.seam.Offer(0, 0, item(e))
	}
	return true
}

// membership notes at which rev the viewer was seen to be a member, or that his
// membership ended at one, and ends the stream when that is later.
func (st *stream) membership(seen, ended int64) bool {
	st.mu.Lock()
	st.since, st.ended = max(st.since, seen), max(st.ended, ended)
	over := st.since >= 0 && st.ended > st.since
	st.mu.Unlock()
	if over {
		st.seam.End(ErrMembershipEnded)
	}
	return over
}

func item(e *Event) feed.Item { return feed.Item{Event: e, Size: e.Size()} }

// Start implements feed.Stream.
func (st *stream) Start(sink feed.Sink) bool {
	st.seam.Start(sink, st.after != nil)
	return st.after != nil
}

// Close implements feed.Stream.
func (st *stream) Close() {
	st.close.Do(func() {
		st.seam.Close()
		st.sub.Unsubscribe()
	})
}

// CatchUp implements feed.Stream.
func (st *stream) CatchUp(ctx context.Context, emit func([]feed.Item) error) error {
	at := *st.after
	for {
		st.seam.Begin()
		for {
			items, reached, more, err := st.page(ctx, at)
			if ended, why := st.seam.Ended(); ended && why != nil {
				return why
			}
			if err != nil {
				return fmt.Errorf("replay %s: %w", st.conv, err)
			}
			if len(items) > 0 {
				if err := emit(items); err != nil {
					return err
				}
			}
			at = reached
			if !more {
				break
			}
		}
		if st.seam.Release(at) {
			return nil
		}
	}
}

// page reads the next missed events. A message that has been deleted since it
// was added is not replayed as added.
func (st *stream) page(ctx context.Context, after int64) (items []feed.Item, reached int64, more bool, err error) {
	var ms []Message
	if st.kind == MessageAdded {
		ms, err = st.s.Store.Page(ctx, st.viewer, MessagePage{Conversation: st.conv, After: after, Limit: streamPage})
	} else {
		ms, err = st.s.Store.Changed(ctx, st.viewer, st.conv, after, streamPage)
	}
	if err != nil {
		return nil, after, false, err
	}
	for i := range ms {
		m := &ms[i]
		after = m.Rev
		if st.kind == MessageAdded {
			after = m.Seq
			if m.Deleted() {
				continue
			}
		}
		items = append(items, item(&Event{Kind: st.kind, Conversation: st.conv, Pos: m.Pos, Rev: m.Rev, Message: m}))
	}
	return items, after, len(ms) == streamPage, nil
}
