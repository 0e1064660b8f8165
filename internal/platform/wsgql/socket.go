package wsgql

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"chatd/internal/platform/fanout"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Close codes: RFC 6455 section 7.4.1 and the subprotocol's own.
const (
	codeProtocolError = 1002
	codeInvalidText   = 1007
	codeInternal      = 1011
	codeRestart       = 1012
	codeTryLater      = 1013

	codeBadRequest    = 4400
	codeUnauthorized  = 4401
	codeForbidden     = 4403
	codeNotAcceptable = 4406
	codeInitTimeout   = 4408
	codeDuplicate     = 4409
	codeTooManyInits  = 4429
)

// socket is one client's connection.
//
// One goroutine reads; when a query or mutation comes in, that goroutine
// executes it and a new one goes on reading, so operations start in the order
// sent and nothing waits for a hand-over. After a mutation that is soon over
// the same one reads on. Whoever runs on the socket's behalf holds it; with the
// last release it leaves the registry.
type socket struct {
	srv     *Server
	nc      net.Conn
	raw     syscall.RawConn // nil where the connection has none (TLS)
	ws      *websocket.Conn
	in      input // the reader's
	box     fanout.Mailbox[entry]
	next    *socket // in the flush queue
	id      string
	shard   int
	holds   atomic.Int32
	alive   atomic.Bool // a sign of life since the last ping
	muted   atomic.Bool // nothing but the farewell is sent any more
	cancel  context.CancelFunc
	slots   chan struct{}
	rate    budget     // of messages; the reader's
	acked   bool       // the reader's
	started uint64     // operations, to name them; the reader's
	attends Attendance // of who has signed in, where somebody wants to know; the reader's

	// The registry's.
	network string
	user    ids.User
	session ids.Session

	mu        sync.Mutex
	base      context.Context      //nolint:containedctx // what all operations of the socket share
	ctx       context.Context      //nolint:containedctx // base as the caller who is signed in now
	who       *principal.Principal // nil while nobody has signed in
	ops       []*operation
	subs      int // subscriptions among ops
	running   int // operations that Drain waits for
	mutating  bool
	mutations []*operation // that wait for their turn
	ready     bool         // upgraded; before, there is nothing to close
	draining  bool
	gone      bool
	times     times
	slot      wheelSlot // the wheel's
}

func newSocket(srv *Server, r *http.Request, network string) *socket {
	s := &socket{srv: srv, network: network, id: principal.RequestID(r.Context())}
	if s.id == "" {
		s.id = rand.Text()
	}
	s.shard = int(s.id[len(s.id)-1])
	s.slots = make(chan struct{}, srv.cfg.InFlight)
	s.rate = budget{rate: srv.cfg.MessageRate}
	// Nothing of the request may be kept: it would hold net/http's buffers.
	ctx := srv.Log.WithContext(context.Background())
	ctx = principal.WithClient(ctx, principal.ClientFrom(r.Context()))
	ctx = principal.WithConnection(ctx, s)
	s.base, s.cancel = context.WithCancel(ctx)
	s.ctx = s.base
	s.box.Init(&srv.bounds, s.enqueue)
	s.hold()
	return s
}

func (s *socket) enqueue() { s.srv.queue.push(s) }

func (s *socket) hold() { s.holds.Add(1) }

// tryHold is hold for those who do not run on the socket's behalf yet; false
// when it is gone.
func (s *socket) tryHold() bool {
	for {
		n := s.holds.Load()
		if n == 0 {
			return false
		}
		if s.holds.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *socket) release() {
	if s.holds.Add(-1) == 0 {
		s.srv.registry.remove(s)
	}
}

// upgraded makes the socket ready, and says at once farewell if a drain has
// begun meanwhile.
func (s *socket) upgraded() {
	s.mu.Lock()
	s.ready = true
	draining := s.draining
	s.mu.Unlock()
	if draining {
		s.shut(codeRestart, restartReason, false)
	}
}

func (s *socket) isReady() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

// seen notes a sign of life of the peer.
func (s *socket) seen() {
	if !s.alive.Load() {
		s.alive.Store(true)
	}
}

// serve reads until the connection ends or another goroutine has taken over.
func (s *socket) serve() {
	defer s.recovered(true)
	if s.ws.Subprotocol() != Protocol {
		s.shut(codeNotAcceptable, "Subprotocol not acceptable", false)
	}
	s.startTimes(time.Now())
	s.read()
}

// readOn takes over from a goroutine that executes an operation.
func (s *socket) readOn() {
	defer s.recovered(true)
	s.read()
}

// read handles messages in order, and ends the socket when there are no more.
func (s *socket) read() {
	for {
		msg, err := s.receive()
		if err != nil {
			s.readFailed(err)
			s.end()
			return
		}
		if op := s.handle(msg); op != nil && !s.work(op) {
			return
		}
	}
}

// patience is how long a socket's reading waits for a mutation.
const patience = 2 * time.Millisecond

// work executes an operation for the goroutine that reads, and says whether it
// still is the one. While a mutation is under way nobody reads, which spares
// the hand-over, unless more waits to be read or it takes long. Queries need
// deep stacks, which a socket at rest should not keep.
func (s *socket) work(op *operation) (reads bool) {
	if op.kind != gqlx.Mutation || s.in.waits() {
		s.hold()
		go s.readOn()
		s.perform(op)
		return false
	}
	var over atomic.Bool // the one who sets it reads on
	relief := time.AfterFunc(patience, func() {
		switch {
		case !s.tryHold():
		case over.CompareAndSwap(false, true):
			s.readOn()
		default:
			s.release()
		}
	})
	s.protect(op)
	relief.Stop()
	if over.CompareAndSwap(false, true) {
		return true
	}
	s.release()
	return false
}

// perform executes an operation beside the goroutine that reads.
func (s *socket) perform(op *operation) {
	defer s.release()
	s.protect(op)
}

func (s *socket) protect(op *operation) {
	defer s.recovered(false)
	op.execute()
}

// recovered turns a panic of a goroutine that reads or runs operations into
// the end of its socket; reading says that it was the one that reads.
func (s *socket) recovered(reading bool) {
	p := recover()
	if p == nil {
		return
	}
	s.srv.Log.Error().Interface("panic", p).Str("socket", s.id).Bytes("stack", debug.Stack()).
		Msg("socket panicked")
	s.shut(codeInternal, "Something went wrong on the server.", true)
	if reading {
		s.end()
	}
}

// readFailed says farewell where the library has not.
func (s *socket) readFailed(err error) {
	var netErr net.Error
	switch {
	case errors.Is(err, errNotText):
		s.shut(codeBadRequest, "Only text messages are accepted", false)
	case errors.Is(err, errNotUTF8):
		s.shut(codeInvalidText, "Invalid UTF-8", false)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, &netErr):
		s.box.Close(true)
	default:
		s.shut(codeProtocolError, "Protocol error", false)
	}
}

// end closes the connection, gently if a farewell is on its way, and with it
// everything that the socket had. Only the reading goroutine calls it.
func (s *socket) end() {
	var scrap [256]byte
	for {
		// Until the peer has closed, the farewell's deadline is over, or the
		// flusher has given up: a close with unread data would be a reset and
		// could destroy the farewell.
		if _, err := s.nc.Read(scrap[:]); err != nil {
			break
		}
	}
	s.kill()
	if s.attends != nil {
		s.attends.End()
		s.attends = nil
	}
	s.mu.Lock()
	s.gone = true
	s.srv.wheel.remove(s)
	ops := slices.Clone(s.ops)
	s.mu.Unlock()
	for _, op := range ops {
		op.finish()
	}
	s.release()
}

// send puts a finished frame into the mailbox; op may be nil. A socket that
// has no room for it is closed with 1013.
func (s *socket) send(op *operation, frame []byte) {
	s.offer(op, frames(frame), len(frame))
}

// sendInTurn is send, but waits until half of the mailbox is free. It returns
// an error when the socket ends meanwhile.
func (s *socket) sendInTurn(ctx context.Context, op *operation, frame []byte) error {
	return s.box.Put(ctx, entry{op: op, item: feed.Item{Event: frames(frame)}}, len(frame)+entryCost)
}

// answer is sendInTurn, but what one write takes is written by the caller when
// nothing else is being written: that spares a lone answer the hand-over to a
// flusher.
func (s *socket) answer(frame []byte) {
	if len(frame) > chunkBytes || !s.box.Claim(len(frame)) {
		_ = s.sendInTurn(s.base, nil, frame)
		return
	}
	f, _ := s.srv.spare.Get().(*flusher)
	f.put(s, append(f.spare[:0], entry{item: feed.Item{Event: frames(frame)}}))
	s.srv.spare.Put(f)
}

// shut closes the socket with a code: what waits is sent before, or thrown
// away with drop. It does not block; only the first call counts.
func (s *socket) shut(code int, reason string, drop bool) {
	s.shutWith(closeFrame(code, reason), drop)
}

func (s *socket) shutWith(frame []byte, drop bool) {
	if drop {
		s.muted.Store(true)
	}
	if s.box.Close(drop, entry{item: feed.Item{Event: farewell(frame)}}) {
		s.srv.metrics.closed(frame)
	}
	s.cancel()
}

// kill closes the connection without a farewell, or after it.
func (s *socket) kill() {
	if s.box.Close(true) {
		s.srv.metrics.closed(nil)
	}
	s.cancel()
	_ = s.nc.Close()
}

// said is called by the flusher when the farewell has left: the peer gets
// Linger to close its side.
func (s *socket) said() {
	_ = s.nc.SetReadDeadline(time.Now().Add(s.srv.cfg.Linger))
	if c, ok := s.nc.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}

// Renew implements principal.Connection. p must be of the user and session
// that signed in; its Expires counts from now on.
func (s *socket) Renew(p principal.Principal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.who == nil || s.who.User != p.User || s.who.Session != p.Session {
		return errOtherSession
	}
	s.signedIn(p)
	return nil
}

// signedIn makes p the caller of all later operations. s.mu is held.
func (s *socket) signedIn(p principal.Principal) {
	s.who = &p
	s.ctx = principal.With(s.base, p)
	s.times.expires = p.Expires
	s.reschedule()
}
