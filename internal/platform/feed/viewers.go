package feed

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// ErrTooMany says that more was missed than is replayed.
var ErrTooMany = errs.New(errs.Precondition, "feed.too_many", "Too much has happened since this cursor. Read afresh.", errs.Reason(string(TooMany)))

// Config tunes Viewers; zero values are the defaults.
type Config struct {
	// MaxReplay is how many missed events are replayed; 10,000.
	MaxReplay int
	// PageSize is how many events are loaded at once; 200.
	PageSize int
	// Signals are part of every stream, beside the sources; may be nil.
	Signals Signals
}

// Viewers has the streams of everything that concerns a viewer: one merged
// feed for each viewer who listens, shared by all of his sockets.
type Viewers struct {
	sources []Source
	codec   *Codec
	cfg     Config

	mu    sync.Mutex
	feeds map[ids.User]*viewer
}

// NewViewers merges the sources, whose order is part of every cursor: new
// ones go to the end.
func NewViewers(codec *Codec, cfg Config, sources ...Source) *Viewers {
	if cfg.MaxReplay == 0 {
		cfg.MaxReplay = 10_000
	}
	if cfg.PageSize == 0 {
		cfg.PageSize = 200
	}
	return &Viewers{sources: sources, codec: codec, cfg: cfg, feeds: map[ids.User]*viewer{}}
}

// viewer is the merged live feed of one user on this node.
type viewer struct {
	id       ids.User
	all      *Viewers
	ready    chan struct{} // closed when it follows, or could not
	err      error
	unfollow []func()
	users    int // streams that hold it; under all.mu

	mu       sync.Mutex
	epoch    uint64
	position []int64
	streams  map[*stream]struct{}
}

// hold returns the viewer's feed, following the sources when it is the first
// to ask. Each call is answered by one release.
func (v *Viewers) hold(ctx context.Context, id ids.User) (*viewer, error) {
	for {
		f, err := v.holdOnce(ctx, id)
		// Whoever waits for one that gave up asks again.
		if errors.Is(err, context.Canceled) && ctx.Err() == nil {
			continue
		}
		return f, err
	}
}

func (v *Viewers) holdOnce(ctx context.Context, id ids.User) (*viewer, error) {
	v.mu.Lock()
	f := v.feeds[id]
	first := f == nil
	if first {
		f = &viewer{id: id, all: v, ready: make(chan struct{}), position: make([]int64, len(v.sources)), streams: map[*stream]struct{}{}}
		v.feeds[id] = f
	}
	f.users++
	v.mu.Unlock()
	if first {
		f.follow(ctx)
	}
	select {
	case <-f.ready:
	case <-ctx.Done():
		f.release()
		return nil, ctx.Err()
	}
	if f.err != nil {
		f.release()
		return nil, f.err
	}
	return f, nil
}

func (f *viewer) follow(ctx context.Context) {
	defer close(f.ready)
	for i, src := range f.all.sources {
		stop, err := src.Follow(ctx, f.id, func(e Entry) { f.offer(i, e) })
		if err != nil {
			f.err = fmt.Errorf("follow a viewer's events: %w", err)
			break
		}
		f.unfollow = append(f.unfollow, stop)
	}
	if f.all.cfg.Signals != nil && f.err == nil {
		f.unfollow = append(f.unfollow, f.all.cfg.Signals.Follow(f.id, f.signal))
	}
	cur, err := f.all.now(ctx)
	if err != nil && f.err == nil {
		f.err = err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch = cur.epoch
	for i, p := range cur.positions {
		f.position[i] = max(f.position[i], p)
	}
	if f.err != nil {
		// The next to ask begins anew.
		f.all.mu.Lock()
		if f.all.feeds[f.id] == f {
			delete(f.all.feeds, f.id)
		}
		f.all.mu.Unlock()
	}
}

func (f *viewer) release() {
	f.all.mu.Lock()
	f.users--
	last := f.users == 0
	if last && f.all.feeds[f.id] == f {
		delete(f.all.feeds, f.id)
	}
	f.all.mu.Unlock()
	if last {
		for _, stop := range f.unfollow {
			stop()
		}
	}
}

// offer hands one source's event to all of the viewer's streams.
func (f *viewer) offer(lane int, e Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Pos > f.position[lane] {
		f.position[lane] = e.Pos
	}
	if len(f.streams) == 0 {
		return
	}
	it := Item{Event: e.Event, Size: e.Size, Local: f.all.local(f.id, cursor{f.epoch, slices.Clone(f.position)}, e.Unread)}
	for s := range f.streams {
		s.seam.Offer(lane, e.Pos, it)
	}
}

// signal hands a signal to all of the viewer's streams.
func (f *viewer) signal(sig Signal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.streams) == 0 {
		return
	}
	it := Item{Event: sig.Event, Size: sig.Size, Local: f.all.local(f.id, cursor{f.epoch, slices.Clone(f.position)}, 0)}
	for s := range f.streams {
		s.early.take(s.seam, it)
	}
}

// local is what is filled into an event for one viewer; all of his sockets
// share it.
type local struct {
	codec  *Codec
	viewer ids.User
	at     cursor
	unread int32

	once   sync.Once
	sealed string
}

// raised gives an item a cursor that is not behind the floor. What a stream has
// replayed may be ahead of what this node has delivered: other nodes write too.
func raised(it Item, floor []int64) Item {
	l, ok := it.Local.(*local)
	if !ok {
		return it
	}
	behind := false
	for i, p := range floor {
		behind = behind || l.at.positions[i] < p
	}
	if !behind {
		return it
	}
	at := cursor{l.at.epoch, slices.Clone(l.at.positions)}
	for i, p := range floor {
		at.positions[i] = max(at.positions[i], p)
	}
	it.Local = &local{codec: l.codec, viewer: l.viewer, at: at, unread: l.unread}
	return it
}

func (v *Viewers) local(id ids.User, at cursor, unread int32) *local {
	return &local{codec: v.codec, viewer: id, at: at, unread: unread}
}

func (l *local) AppendCursor(dst []byte) []byte {
	l.once.Do(func() { l.sealed = l.codec.seal(l.viewer, l.at) })
	return append(dst, l.sealed...)
}

func (l *local) UnreadCount() int32 { return l.unread }

// now returns the newest position of every source.
func (v *Viewers) now(ctx context.Context) (cursor, error) {
	cur := cursor{positions: make([]int64, len(v.sources))}
	h := sha256.New()
	for i, src := range v.sources {
		epoch, pos, err := src.Position(ctx)
		if err != nil {
			return cursor{}, fmt.Errorf("position of a viewer's events: %w", err)
		}
		cur.positions[i] = pos
		if epoch != "" { // so that a source that comes later leaves cursors good
			h.Write([]byte(epoch))
			h.Write([]byte{0})
		}
	}
	cur.epoch = binary.BigEndian.Uint64(h.Sum(nil))
	return cur, nil
}

// Now returns the cursor of the position before anything that is read after
// the call: a snapshot read then and the events from the cursor miss nothing
// together.
func (v *Viewers) Now(ctx context.Context, id ids.User) (string, error) {
	cur, err := v.now(ctx)
	if err != nil {
		return "", err
	}
	return v.codec.seal(id, cur), nil
}

// Further returns the cursor that lies further on, of two that may be empty or
// bad: a good one is further than a bad one, and a bad one than none.
func (v *Viewers) Further(id ids.User, a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	at, errA := v.codec.open(id, a, len(v.sources))
	to, errB := v.codec.open(id, b, len(v.sources))
	if errB != nil || errA == nil && slices.Compare(to.positions, at.positions) < 0 {
		return a
	}
	return b
}

// resume reads a cursor and says why it cannot be resumed from, if so.
func (v *Viewers) resume(id ids.User, text string, now cursor) (cursor, ResetReason) {
	cur, err := v.codec.open(id, text, len(v.sources))
	switch {
	case errors.Is(err, errCursorExpired):
		return cursor{}, Expired
	case err != nil, cur.epoch != now.epoch:
		return cursor{}, Unknown
	}
	for i, p := range cur.positions {
		if p > now.positions[i] {
			return cursor{}, Unknown // Of data that is gone.
		}
	}
	return cur, ""
}

// missed returns what each source has between two positions, in all at most
// MaxReplay.
func (v *Viewers) missed(ctx context.Context, id ids.User, from, to cursor) ([][]Ref, error) {
	out, left := make([][]Ref, len(v.sources)), v.cfg.MaxReplay
	for i, src := range v.sources {
		if from.positions[i] == to.positions[i] {
			continue
		}
		refs, err := src.Missed(ctx, id, from.positions[i], to.positions[i], left)
		if err != nil {
			return nil, fmt.Errorf("find missed events: %w", err)
		}
		out[i], left = refs, left-len(refs)
	}
	return out, nil
}

// Poll returns the first events after a cursor, the cursor to go on from, and
// whether there are more. It returns errs.ErrBadCursor for one that cannot be
// resumed from and ErrTooMany when too much has been missed.
func (v *Viewers) Poll(ctx context.Context, id ids.User, after string, first int) (items []Item, end string, more bool, err error) {
	now, err := v.now(ctx)
	if err != nil {
		return nil, "", false, err
	}
	if after == "" {
		return nil, v.codec.seal(id, now), false, nil
	}
	from, reason := v.resume(id, after, now)
	if reason != "" {
		return nil, "", false, errs.ErrBadCursor.With(errs.Reason(string(reason)))
	}
	missed, err := v.missed(ctx, id, from, now)
	if err != nil {
		return nil, "", false, err
	}
	at := cursor{now.epoch, slices.Clone(from.positions)}
	for lane, refs := range missed {
		if room := first - len(items); len(refs) > room {
			refs, more = refs[:room], true
		}
		got, err := v.load(ctx, id, lane, refs, at)
		if err != nil {
			return nil, "", false, err
		}
		items = append(items, got...)
		switch {
		case !more:
			at.positions[lane] = now.positions[lane]
		case len(refs) > 0:
			at.positions[lane] = refs[len(refs)-1].Pos
		}
		if more {
			break
		}
	}
	return items, v.codec.seal(id, at), more, nil
}

// load turns references of one source into items; at has the positions of the
// other sources.
func (v *Viewers) load(ctx context.Context, id ids.User, lane int, refs []Ref, at cursor) ([]Item, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	entries, err := v.sources[lane].Load(ctx, id, refs)
	if err != nil {
		return nil, fmt.Errorf("load missed events: %w", err)
	}
	items := make([]Item, 0, len(entries))
	for _, e := range entries {
		p := slices.Clone(at.positions)
		p[lane] = e.Pos
		items = append(items, Item{Event: e.Event, Size: e.Size, Local: v.local(id, cursor{at.epoch, p}, e.Unread)})
	}
	return items, nil
}
