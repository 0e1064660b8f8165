package wsgql

import (
	"errors"

	"chatd/internal/platform/fanout"
	"chatd/internal/platform/feed"
)

// catchUpBytes is about how much of a replay is handed to the mailbox at once.
const catchUpBytes = 32 << 10

// open puts a subscription in force. What it missed follows from a goroutine
// of its own.
func (op *operation) open(prepared Operation) {
	s := op.sock
	if !s.admit() {
		op.refused(s.srv.Engine.Present(op.ctx, errTooManyOperations))
		return
	}
	stream, renderer, refusal := prepared.Open(op.ctx)
	if refusal != nil {
		s.mu.Lock()
		s.subs--
		s.mu.Unlock()
		op.refused(refusal)
		return
	}
	op.stream, op.renderer = stream, renderer
	s.srv.metrics.subscriptions.Add(1)
	if stream.Start(op) {
		s.hold()
		go op.catchUp()
	}
}

// admit counts a subscription, if there may be one more.
func (s *socket) admit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.srv.cfg.Unlimited && s.subs >= s.srv.cfg.Subscriptions {
		return false
	}
	s.subs++
	return true
}

var _ feed.Sink = (*operation)(nil)

// Offer implements feed.Sink. A socket that has no room is closed.
func (op *operation) Offer(it feed.Item) bool {
	return !op.over.Load() && op.sock.put(entry{op: op, item: it}, it.Size)
}

// End implements feed.Sink.
func (op *operation) End(why error) {
	op.sock.offer(op, ending{why}, 0)
}

// end finishes the operation and returns the frame that says so; none when it
// was finished before.
func (op *operation) end(why error) []byte {
	if !op.finish() {
		return nil
	}
	if why == nil {
		return op.appendComplete(nil)
	}
	return op.appendError(nil, op.sock.srv.Engine.Present(op.ctx, why).Errors)
}

// offer puts an event of our own into the mailbox.
func (s *socket) offer(op *operation, event any, size int) {
	s.put(entry{op: op, item: feed.Item{Event: event}}, size)
}

// put puts an entry into the mailbox, without blocking. A socket that reads
// too slowly is closed with 1013; what waits for it is thrown away, since the
// client resumes from what it has received.
func (s *socket) put(e entry, size int) bool {
	err := s.box.Offer(e, size+entryCost)
	if errors.Is(err, fanout.ErrFull) {
		s.shut(codeTryLater, "Too slow", true)
	}
	return err == nil
}

// catchUp replays what a subscription missed, as fast as the client reads.
func (op *operation) catchUp() {
	s := op.sock
	defer s.release()
	defer s.recovered(false)
	r := replay{op: op, gate: s.srv.catchUps}
	defer r.leave()
	if !r.enter() {
		return
	}
	err := op.stream.CatchUp(op.ctx, r.emit)
	if err == nil || op.ctx.Err() != nil || errors.Is(err, fanout.ErrClosed) { // which comes before the end of ctx
		return
	}
	if frame := op.end(err); frame != nil {
		_ = s.sendInTurn(s.base, nil, frame)
	}
}

// replay is one subscription's catching up. The gate bounds how many do so at
// once.
type replay struct {
	op     *operation
	gate   chan struct{}
	inside bool
}

// emit renders items and waits for room for them.
func (r *replay) emit(items []feed.Item) error {
	var buf []byte
	for i, it := range items {
		rendered, err := r.op.renderer.Render(r.op.ctx, it)
		if err != nil {
			return err
		}
		buf = r.op.appendSpliced(buf, r.op.renderer, rendered, it.Local)
		if len(buf) < catchUpBytes && i < len(items)-1 {
			continue
		}
		r.leave() // who waits for a slow reader holds up no other replay
		if err := r.op.sock.sendInTurn(r.op.ctx, r.op, buf); err != nil {
			return err
		}
		if !r.enter() {
			return r.op.ctx.Err()
		}
		buf = nil
	}
	return nil
}

func (r *replay) enter() bool {
	select {
	case r.gate <- struct{}{}:
		r.inside = true
	case <-r.op.ctx.Done():
	}
	return r.inside
}

func (r *replay) leave() {
	if r.inside {
		<-r.gate
		r.inside = false
	}
}
