package user

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
	"chatd/internal/user/userv1"
)

// Source returns user's part of the streams of everything that concerns a
// viewer: what others are to him. Its entries carry *RelationshipChanged. It
// has no epoch of its own: what gives the data another begins one for all
// contexts.
func (s *Service) Source() feed.Source { return source{s} }

type source struct{ s *Service }

// Position implements feed.Source.
func (src source) Position(ctx context.Context) (string, int64, error) {
	pos, err := src.s.Store.LastChange(ctx)
	return "", pos, err
}

// Missed implements feed.Source.
func (src source) Missed(ctx context.Context, viewer ids.User, after, upTo int64, limit int) ([]feed.Ref, error) {
	events, err := src.s.Store.Related(ctx, viewer, after, upTo, limit+1)
	if err != nil {
		return nil, fmt.Errorf("relationships that were missed: %w", err)
	}
	if len(events) > limit {
		return nil, feed.ErrTooMany
	}
	refs := make([]feed.Ref, len(events))
	for i, e := range events {
		refs[i] = feed.Ref{Pos: e.Pos, Key: e}
	}
	return refs, nil
}

// Load implements feed.Source. Missed has read them already: they are small.
func (src source) Load(_ context.Context, _ ids.User, refs []feed.Ref) ([]feed.Entry, error) {
	out := make([]feed.Entry, 0, len(refs))
	for _, r := range refs {
		if e, ok := r.Key.(bus.Envelope); ok {
			if entry, ok := relationEntry(e); ok {
				out = append(out, entry)
			}
		}
	}
	return out, nil
}

// relationEntry reads an event of the log; false when it is of another kind.
func relationEntry(e bus.Envelope) (feed.Entry, bool) {
	var v userv1.RelationshipChanged
	if e.Name != userv1.RelationshipChangedName || json.Unmarshal(e.Payload, &v) != nil {
		return feed.Entry{}, false
	}
	event := &RelationshipChanged{Viewer: v.UserID, User: v.OtherID, Relationship: Relationship(v.State)}
	return feed.Entry{Pos: e.Pos, Event: event, Size: event.Size()}, true
}

// Follow implements feed.Source.
func (src source) Follow(_ context.Context, viewer ids.User, to func(feed.Entry)) (func(), error) {
	return src.s.follows.add(viewer, to), nil
}

// follows are who on this node hears of relationships: Run tells them, in the
// order of the log.
type follows struct {
	mu sync.Mutex // held while somebody is told
	by map[ids.User]map[*follow]struct{}
}

type follow struct{ to func(feed.Entry) }

func (fs *follows) add(viewer ids.User, to func(feed.Entry)) (stop func()) {
	f := &follow{to}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.by == nil {
		fs.by = map[ids.User]map[*follow]struct{}{}
	}
	join(fs.by, viewer, f)
	return func() {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		leave(fs.by, viewer, f)
	}
}

func (fs *follows) tell(e bus.Envelope) {
	entry, ok := relationEntry(e)
	if !ok {
		return
	}
	event, _ := entry.Event.(*RelationshipChanged)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for f := range fs.by[event.Viewer] {
		f.to(entry)
	}
}

// WatchRelationships opens what others are to the viewer from now on, live
// only. Its items carry *RelationshipChanged.
func (s *Service) WatchRelationships(viewer ids.User) feed.Stream {
	return &relationWatch{s: s, viewer: viewer}
}

type relationWatch struct {
	s      *Service
	viewer ids.User

	mu     sync.Mutex
	stop   func()
	closed bool
}

// Start implements feed.Stream.
func (w *relationWatch) Start(sink feed.Sink) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.stop != nil {
		return false
	}
	full := false // under follows.mu
	w.stop = w.s.follows.add(w.viewer, func(e feed.Entry) {
		if !full {
			full = !sink.Offer(feed.Item{Event: e.Event, Size: e.Size})
		}
	})
	return false
}

// CatchUp implements feed.Stream: nothing is missed.
func (*relationWatch) CatchUp(context.Context, func([]feed.Item) error) error { return nil }

// Close implements feed.Stream.
func (w *relationWatch) Close() {
	w.mu.Lock()
	stop := w.stop
	w.closed, w.stop = true, nil
	w.mu.Unlock()
	if stop != nil {
		stop()
	}
}
