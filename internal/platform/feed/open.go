package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"chatd/internal/platform/ids"
)

// Open opens the stream of everything that concerns a viewer. With a cursor
// it begins with what happened since; without one it is live only: it has what
// this node hears of from its Start on.
func (v *Viewers) Open(ctx context.Context, id ids.User, after string) (Stream, error) {
	f, err := v.hold(ctx, id)
	if err != nil {
		return nil, err
	}
	seam := NewSeam(len(v.sources))
	seam.raise = raised
	return &stream{all: v, feed: f, after: after, seam: seam}, nil
}

// stream is one socket's part of a viewer's feed.
type stream struct {
	all   *Viewers
	feed  *viewer
	after string
	from  cursor // where it starts when it is live only
	seam  *Seam
	close sync.Once
	early early
}

// Start implements Stream. Every stream is behind: StreamStarted comes first.
func (s *stream) Start(sink Sink) bool {
	s.seam.Start(sink, true)
	s.early.hold()
	s.feed.mu.Lock()
	s.from = cursor{s.feed.epoch, slices.Clone(s.feed.position)}
	s.feed.streams[s] = struct{}{}
	s.feed.mu.Unlock()
	return true
}

// Close implements Stream.
func (s *stream) Close() {
	s.close.Do(func() {
		s.seam.Close()
		s.feed.mu.Lock()
		delete(s.feed.streams, s)
		s.feed.mu.Unlock()
		s.feed.release()
	})
}

// CatchUp implements Stream.
func (s *stream) CatchUp(ctx context.Context, emit func([]Item) error) error {
	at, err := s.begin(ctx, emit)
	if err != nil {
		return err
	}
	for {
		if s.early.overrun() {
			err = s.snapshot(ctx, at, emit)
		}
		if err != nil || s.seam.Release(at.positions...) {
			break
		}
		s.seam.Begin()
		if at, err = s.again(ctx, at, emit); err != nil {
			return err
		}
	}
	s.early.release(s.seam)
	return err
}

// again emits what has happened since a position.
func (s *stream) again(ctx context.Context, at cursor, emit func([]Item) error) (cursor, error) {
	to, err := s.all.now(ctx)
	if err != nil {
		return at, err
	}
	missed, err := s.all.missed(ctx, s.feed.id, at, to)
	switch {
	case errors.Is(err, ErrTooMany):
		// It reads more slowly than things happen.
		if err = emit([]Item{s.own(&Reset{Reason: TooMany}, to)}); err != nil {
			return at, err
		}
		return to, s.caughtUp(ctx, to, emit)
	case err != nil:
		return at, err
	}
	return s.replay(ctx, at, to, missed, emit)
}

// begin emits StreamStarted and, with a cursor, what was missed or a Reset,
// and CaughtUp. It returns the position to go on from. Live only, that is where
// Start found it, and nothing that has come since is forgotten: the client may
// have done something after it subscribed that it waits to hear of.
func (s *stream) begin(ctx context.Context, emit func([]Item) error) (cursor, error) {
	if s.after == "" {
		return s.from, emit([]Item{s.own(&Started{}, s.from)})
	}
	s.early.hold()
	s.seam.Begin()
	now, err := s.all.now(ctx)
	if err != nil {
		return now, err
	}
	// Until the missed events have arrived the position is the old one.
	if err := emit([]Item{{Event: &Started{}, Size: ownSize, Local: echo(s.after)}}); err != nil {
		return now, err
	}
	from, reason := s.all.resume(s.feed.id, s.after, now)
	if reason == "" {
		missed, err := s.all.missed(ctx, s.feed.id, from, now)
		switch {
		case errors.Is(err, ErrTooMany):
			reason = TooMany
		case err != nil:
			return now, err
		default:
			if now, err = s.replay(ctx, from, now, missed, emit); err != nil {
				return now, err
			}
		}
	}
	if reason != "" {
		if err := emit([]Item{s.own(&Reset{Reason: reason}, now)}); err != nil {
			return now, err
		}
	}
	return now, s.caughtUp(ctx, now, emit)
}

// caughtUp emits CaughtUp and what signals have told so far.
func (s *stream) caughtUp(ctx context.Context, at cursor, emit func([]Item) error) error {
	if err := emit([]Item{s.own(&CaughtUp{}, at)}); err != nil {
		return err
	}
	return s.snapshot(ctx, at, emit)
}

// snapshot emits what signals have told so far. Those that come from now on
// follow once the stream is live.
func (s *stream) snapshot(ctx context.Context, at cursor, emit func([]Item) error) error {
	signals := s.all.cfg.Signals
	if signals == nil {
		return nil
	}
	s.early.hold()
	sig, err := signals.Snapshot(ctx, s.feed.id)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	it := s.own(sig.Event, at)
	it.Size = sig.Size
	return emit([]Item{it})
}

// replay emits what lies between two positions, page by page.
func (s *stream) replay(ctx context.Context, from, to cursor, missed [][]Ref, emit func([]Item) error) (cursor, error) {
	at := cursor{to.epoch, slices.Clone(from.positions)}
	for lane, refs := range missed {
		for part := range slices.Chunk(refs, s.all.cfg.PageSize) {
			items, err := s.all.load(ctx, s.feed.id, lane, part, at)
			if err != nil {
				return at, err
			}
			if len(items) > 0 {
				if err := emit(items); err != nil {
					return at, err
				}
			}
			at.positions[lane] = part[len(part)-1].Pos
		}
		at.positions[lane] = to.positions[lane]
	}
	return at, nil
}

// ownSize is about what the stream's own events take encoded.
const ownSize = 256

func (s *stream) own(event any, at cursor) Item {
	return Item{Event: event, Size: ownSize, Local: s.all.local(s.feed.id, at, 0)}
}

// echo is the cursor that the client gave, for the event that comes before
// anything else: whoever is cut off right after it resumes from the same
// place.
type echo string

func (e echo) AppendCursor(dst []byte) []byte {
	for i := range min(len(e), maxCursorLen) {
		c := e[i]
		if c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			dst = append(dst, c) // What is no cursor must not break the JSON either.
		}
	}
	return dst
}

func (echo) UnreadCount() int32 { return 0 }
