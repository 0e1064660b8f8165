package wsgql

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"sync"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
)

const (
	chunkBytes  = 64 << 10 // a write takes at most so much, and a frame
	spareCount  = 48       // longer mailbox slices are not kept
	cacheFrames = 64       // finished frames that a flusher remembers
	cacheBytes  = 32 << 10 // no longer ones
	entryCost   = 64       // what an entry takes beside its bytes
)

// entry is what waits in a mailbox: a live item of op, or one of the events
// below. An entry whose operation is over is dropped.
type entry struct {
	op   *operation // nil for what is the socket's own
	item feed.Item
}

type (
	frames   []byte              // finished frames
	farewell []byte              // a close frame; nothing follows
	ending   struct{ why error } // the operation's stream has ended
)

// flushers is how many goroutines write as a rule. More would not be faster,
// and find less to join.
func flushers() int { return runtime.GOMAXPROCS(0) }

// flushQueue has the sockets with something to write, each at most once, so
// it is bounded by the sockets. First come, first served: a busy socket goes
// to the end and gathers frames meanwhile.
type flushQueue struct {
	mu         sync.Mutex
	some       sync.Cond
	head, tail *socket
	idle       int  // flushers that wait
	moved      bool // since stalled was last asked
	closed     bool
}

func (q *flushQueue) init() { q.some.L = &q.mu }

func (q *flushQueue) push(s *socket) {
	q.mu.Lock()
	if q.tail == nil {
		q.head = s
	} else {
		q.tail.next = s
	}
	q.tail = s
	wake := q.idle > 0
	q.mu.Unlock()
	if wake {
		q.some.Signal()
	}
}

// pop returns the next socket; nil when there is none and the queue is closed
// or the caller does not want to wait.
func (q *flushQueue) pop(wait bool) *socket {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head == nil {
		if q.closed || !wait {
			return nil
		}
		q.idle++
		q.some.Wait()
		q.idle--
	}
	s := q.head
	q.head, s.next = s.next, nil
	if q.head == nil {
		q.tail = nil
	}
	q.moved = true
	return s
}

// stalled says whether sockets are waiting and none was taken since the last
// call.
func (q *flushQueue) stalled() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	stalled := q.head != nil && !q.moved
	q.moved = false
	return stalled
}

func (q *flushQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.some.Broadcast()
}

// relieve adds a flusher for what is waiting when the others are held up, as
// when rendering waits for a store that does not answer.
func (s *Server) relieve() {
	if s.queue.stalled() {
		s.workers.Go(func() { newFlusher(s, flushers()).run(false) })
	}
}

// flusher turns entries into frames and writes them. It is used by one
// goroutine.
type flusher struct {
	srv   *Server
	shard int
	spare []entry // goes to the next mailbox
	buf   []byte  // frames joined for one write
	one   []byte  // a frame made for one socket
	try   attempt

	cache [cacheFrames]cachedFrame
	last  int // in cache, the latest hit
	free  int // in cache, the next to be replaced
}

// cachedFrame is the frame of an event under one operation id.
type cachedFrame struct {
	rendered *gqlx.Rendered
	next     string
	frame    []byte
}

func newFlusher(srv *Server, shard int) *flusher {
	f := &flusher{srv: srv, shard: shard}
	f.try.init()
	return f
}

// run flushes until the queue is closed or, without wait, empty.
func (f *flusher) run(wait bool) {
	for {
		s := f.srv.queue.pop(wait)
		if s == nil {
			return
		}
		f.flush(s)
	}
}

// flush writes once what waits for s.
func (f *flusher) flush(s *socket) {
	entries := s.box.Take(f.spare)
	f.spare = nil
	f.put(s, entries)
}

// put writes entries of s, whose mailbox is the caller's. What does not fit
// goes to a goroutine of its own, which has the socket to itself until it is
// through.
func (f *flusher) put(s *socket, entries []entry) {
	left, rest, ok := f.emit(s, entries, f.try.write)
	if !ok {
		if s.tryHold() {
			go s.writeBlocked(bytes.Clone(rest), left)
		}
		return
	}
	f.recycle(entries)
	if s.box.Done() {
		f.srv.queue.push(s)
	}
}

func (f *flusher) recycle(entries []entry) {
	clear(entries)
	if cap(entries) <= spareCount {
		f.spare = entries[:0]
	}
	if cap(f.buf) > 2*chunkBytes {
		f.buf = nil
	}
	if cap(f.one) > chunkBytes {
		f.one = nil
	}
}

// emit makes frames of the entries, joins them and writes them. When write
// takes less than it was given, ok is false: rest is what it left, valid until
// the next call, and left the entries that were not looked at.
func (f *flusher) emit(s *socket, entries []entry, write func(*socket, []byte) (int, error)) (left []entry, rest []byte, ok bool) {
	f.buf = f.buf[:0]
	for i := range entries {
		frame, last := f.frame(s, &entries[i])
		out := frame
		if len(entries) > 1 {
			f.buf = append(f.buf, frame...)
			if len(f.buf) < chunkBytes && i < len(entries)-1 {
				continue
			}
			out = f.buf
		}
		if len(out) > 0 {
			n, err := write(s, out)
			if err != nil {
				s.kill()
				return nil, nil, true
			}
			f.srv.metrics.wrote(f.shard, n)
			if n < len(out) {
				left = entries[i+1:]
				if last {
					left = []entry{{item: feed.Item{Event: farewell(nil)}}} // what is left of it is the rest
				}
				return left, out[n:], false
			}
			f.buf = f.buf[:0]
		}
		if last {
			s.said()
		}
	}
	return nil, nil, true
}

// frame returns the frames of an entry, valid until the next call; last says
// that it is the farewell.
func (f *flusher) frame(s *socket, e *entry) (frame []byte, last bool) {
	if ev, ok := e.item.Event.(farewell); ok {
		return ev, true
	}
	if s.muted.Load() || e.op != nil && e.op.over.Load() {
		return nil, false
	}
	switch ev := e.item.Event.(type) {
	case frames:
		return ev, false
	case ending:
		return e.op.end(ev.why), false
	}
	f.srv.metrics.count(f.shard, deliveries, 1)
	frame, err := f.live(e)
	switch {
	case err == nil:
	case e.op.ctx.Err() != nil:
		// The socket is being closed. That its event could not be rendered any
		// more is no end of the subscription: the client resumes before it.
		e.op.finish()
		return nil, false
	default:
		frame = e.op.end(err)
	}
	return frame, false
}

// live renders an item; sockets that hold the same subscription under the
// same id share the frame.
func (f *flusher) live(e *entry) (frame []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			f.srv.Log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("rendering panicked")
			frame, err = nil, errs.ErrInternal
		}
	}()
	r, err := e.op.renderer.Render(e.op.ctx, e.item)
	if err != nil {
		return nil, err
	}
	if len(r.Splices) > 0 {
		f.one = e.op.appendSpliced(f.one[:0], e.op.renderer, r, e.item.Local)
		return f.one, nil
	}
	// A backlog has the same events in the same order for each socket, so the
	// search begins behind the last hit.
	for n := range cacheFrames {
		i := (f.last + n) % cacheFrames
		if c := &f.cache[i]; c.rendered == r && c.next == e.op.next {
			f.last = i
			return c.frame, nil
		}
	}
	frame = e.op.appendNext(make([]byte, 0, maxHeader+len(e.op.next)+len(r.JSON)+1), r.JSON)
	if len(frame) <= cacheBytes {
		f.cache[f.free] = cachedFrame{r, e.op.next, frame}
		f.free = (f.free + 1) % cacheFrames
	}
	return frame, nil
}
