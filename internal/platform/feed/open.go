package feed

import (
	"context"
	"errors"
	"slices"
	"sync"

	"chatd/internal/platform/ids"
)

// Open opens the stream of everything that concerns a viewer. With a cursor
// it begins with what happened since; without one it is live only.
func (v *Viewers) Open(ctx context.Context, id ids.User, after string) (Stream, error) {
	f, err := v.hold(ctx, id)
	if err != nil {
		return nil, err
	}
	return &stream{all: v, feed: f, after: after, seam: NewSeam(len(v.sources))}, nil
}

// stream is one socket's part of a viewer's feed.
type stream struct {
	all   *Viewers
	feed  *viewer
	after string
	seam  *Seam
	close sync.Once
}

// Start implements Stream. Every stream is behind: StreamStarted comes first.
func (s *stream) Start(sink Sink) bool {
	s.seam.Start(sink, true)
	s.feed.mu.Lock()
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
	s.seam.Begin()
	now, err := s.all.now(ctx)
	if err != nil {
		return err
	}
	at, err := s.begin(ctx, now, emit)
	if err != nil {
		return err
	}
	for !s.seam.Release(at.positions...) {
		s.seam.Begin()
		to, err := s.all.now(ctx)
		if err != nil {
			return err
		}
		missed, err := s.all.missed(ctx, s.feed.id, at, to)
		switch {
		case errors.Is(err, ErrTooMany):
			// It reads more slowly than things happen.
			at, err = to, emit([]Item{s.own(&Reset{Reason: TooMany}, to), s.own(&CaughtUp{}, to)})
		case err == nil:
			at, err = s.replay(ctx, at, to, missed, emit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// begin emits StreamStarted and, with a cursor, what was missed or a Reset,
// and CaughtUp. It returns the position to go on from.
func (s *stream) begin(ctx context.Context, now cursor, emit func([]Item) error) (cursor, error) {
	if s.after == "" {
		return now, emit([]Item{s.own(&Started{}, now)})
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
	return now, emit([]Item{s.own(&CaughtUp{}, now)})
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
