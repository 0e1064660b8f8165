package wsgql

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/principal"
)

var (
	errOtherSession      = errs.New(errs.Forbidden, "ws.other_session", "The token belongs to another session.")
	errTooManyOperations = errs.New(errs.Precondition, "ws.too_many_subscriptions",
		"This connection has too many subscriptions.", errs.Reason("TOO_MANY_SUBSCRIPTIONS"))
)

// operation is what a client started under an id.
type operation struct {
	messages
	sock   *socket
	name   string
	kind   gqlx.Kind
	ctx    context.Context //nolint:containedctx // the operation's own life
	cancel context.CancelFunc

	prepared Operation // of a query or mutation

	// Of a subscription; set before the stream starts.
	stream   feed.Stream
	renderer Renderer

	over   atomic.Bool // nothing more is sent
	passed bool        // of a mutation: another has its turn; socket.mu guards it
}

// handle does what a message asks for. What it returns is to be executed
// while the socket reads on; nil when nothing is left to do.
func (s *socket) handle(m *message) *operation {
	if s.box.Closed() {
		return nil
	}
	if m == nil {
		s.shut(codeBadRequest, "Invalid message received", false)
		return nil
	}
	wait, ok := time.Duration(0), true
	if !s.srv.cfg.Unlimited {
		wait, ok = s.rate.take(time.Now())
	}
	var valid bool
	switch *m.Type {
	case "ping":
		if valid = m.objectOrNone(); valid && ok {
			s.send(nil, pong(m.Payload))
		}
	case "pong":
		valid = m.objectOrNone()
	case "connection_init":
		if valid = m.objectOrNone(); valid {
			s.initialise(m.Payload)
		}
	case "complete":
		if valid = m.ID != nil; valid {
			s.complete(*m.ID)
		}
	case "subscribe":
		valid = m.ID != nil && *m.ID != "" && len(*m.ID) <= maxID && m.hasObject()
		if valid && s.attends != nil {
			s.attends.Active()
		}
		switch {
		case !valid:
		case !s.acked:
			s.shut(codeUnauthorized, "Unauthorized", false)
		case !ok:
			s.refuse(*m.ID, errs.ErrRateLimited.With(errs.RetryAfter(wait)))
			return nil
		default:
			if wait, ok := s.request(); !ok {
				s.refuse(*m.ID, errs.ErrRateLimited.With(errs.RetryAfter(wait)))
				return nil
			}
			return s.subscribe(*m.ID, m.Payload)
		}
	default:
		valid = false
	}
	if !valid {
		s.shut(codeBadRequest, "Invalid message received", false)
	} else if !ok {
		s.shut(codeTryLater, "Too many messages", false)
	}
	return nil
}

// request counts an operation of whoever has signed in.
func (s *socket) request() (retryAfter time.Duration, ok bool) {
	if s.srv.cfg.Unlimited || s.srv.cfg.Requests == nil {
		return 0, true
	}
	s.mu.Lock()
	ctx := s.ctx
	s.mu.Unlock()
	return s.srv.cfg.Requests(ctx)
}

var pongFrame = appendText(nil, []byte(`{"type":"pong"}`)) //nolint:gochecknoglobals // Constant bytes.

func pong(payload []byte) []byte {
	if len(payload) == 0 || payload[0] != '{' {
		return pongFrame
	}
	return appendText(nil, []byte(`{"type":"pong","payload":`), payload, endPart)
}

// refuse answers a subscribe that is not looked at.
func (s *socket) refuse(id string, why error) {
	m := messagesOf(id)
	s.send(nil, m.appendError(nil, s.srv.Engine.Present(s.operationContext(), why).Errors))
}

// operationContext returns the context of one operation, with a name of its
// own for answers and logs.
func (s *socket) operationContext() context.Context {
	s.started++
	s.mu.Lock()
	ctx := s.ctx
	s.mu.Unlock()
	return principal.WithRequestID(ctx, s.id+"-"+strconv.FormatUint(s.started, 36))
}

// subscribe starts an operation. A subscription is in force when it returns;
// it returns a query or mutation that is to be executed.
func (s *socket) subscribe(id string, payload []byte) *operation {
	request, ok := requestOf(payload)
	if !ok {
		s.shut(codeBadRequest, "Invalid message received", false)
		return nil
	}
	op := &operation{messages: messagesOf(id), sock: s, name: id}
	op.ctx, op.cancel = context.WithCancel(s.operationContext())
	switch err := s.begin(op); {
	case errors.Is(err, errDuplicate):
		op.cancel()
		s.shut(codeDuplicate, "Subscriber for "+id+" already exists", false)
		return nil
	case errors.Is(err, errDraining):
		op.cancel()
		return nil // the close frame is next; the client starts it again elsewhere
	}
	prepared, refusal := s.srv.Engine.Prepare(op.ctx, request)
	if refusal == nil && !prepared.Public() {
		if _, signedIn := principal.From(op.ctx); !signedIn {
			refusal = s.srv.Engine.Present(op.ctx, errs.ErrUnauthenticated)
		}
	}
	if refusal != nil {
		op.refused(refusal)
		s.ran()
		return nil
	}
	op.kind = prepared.Kind()
	s.srv.metrics.operation(s.shard, op.kind)
	if op.kind == gqlx.Subscription {
		op.open(prepared)
		s.ran()
		return nil
	}
	select {
	case s.slots <- struct{}{}:
	case <-op.ctx.Done():
		op.finish()
		s.ran()
		return nil
	}
	op.prepared = prepared
	if op.kind == gqlx.Mutation && !s.inTurn(op) {
		return nil
	}
	return op
}

// begin enters op under its id.
func (s *socket) begin(op *operation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return errDraining
	}
	if slices.ContainsFunc(s.ops, func(x *operation) bool { return x.name == op.name }) {
		return errDuplicate
	}
	s.ops = append(s.ops, op)
	s.running++
	return nil
}

// ran ends the part of an operation that Drain waits for.
func (s *socket) ran() {
	s.mu.Lock()
	s.running--
	last := s.draining && s.running == 0
	s.mu.Unlock()
	if last {
		s.shut(codeRestart, restartReason, false)
	}
}

// execute runs op and, after a mutation, those whose turn it then is.
func (op *operation) execute() {
	if op.kind == gqlx.Mutation {
		op.runInTurn()
		return
	}
	op.run()
}

// run executes a query or mutation and sends its result.
func (op *operation) run() {
	defer op.cancel()
	defer op.sock.ran()
	defer func() { <-op.sock.slots }()
	if op.over.Load() {
		return // completed while it waited for its turn
	}
	r := op.prepared.Run(op.ctx)
	if r.Refused() {
		op.refused(r)
		return
	}
	if !op.finish() {
		return // the client does not want it any more
	}
	payload := r.AppendJSON(nil)
	frame := op.appendNext(make([]byte, 0, 2*(maxHeader+len(op.next))+len(payload)+1), payload)
	op.sock.answer(op.appendComplete(frame))
}

// refused sends the errors of an operation that never ran.
func (op *operation) refused(r *gqlx.Response) {
	if op.finish() {
		op.sock.send(nil, op.appendError(nil, r.Errors))
	}
}

// finish frees the id and ends what the operation has; false if that was done
// before. A mutation that has begun goes on: only its answer is dropped.
func (op *operation) finish() bool {
	if !op.over.CompareAndSwap(false, true) {
		return false
	}
	s := op.sock
	s.mu.Lock()
	if i := slices.Index(s.ops, op); i >= 0 {
		s.ops = slices.Delete(s.ops, i, i+1)
	}
	if op.stream != nil {
		s.subs--
	}
	s.mu.Unlock()
	if op.kind != gqlx.Mutation {
		op.cancel()
	}
	if op.stream != nil {
		s.srv.metrics.subscriptions.Add(-1)
		op.stream.Close()
	}
	return true
}

// complete ends an operation at the client's wish; an unknown id is one that
// has just ended.
func (s *socket) complete(id string) {
	s.mu.Lock()
	i := slices.IndexFunc(s.ops, func(op *operation) bool { return op.name == id })
	var op *operation
	if i >= 0 {
		op = s.ops[i]
	}
	s.mu.Unlock()
	if op != nil {
		op.finish()
	}
}

// bearer takes the token out of an Authorization value.
func bearer(value string) string {
	value = strings.TrimSpace(value)
	if scheme, token, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return value
}
