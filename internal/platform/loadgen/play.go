package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// play is one run: its rooms with their sockets, and what they count.
type play struct {
	cfg      Config
	scenario Scenario
	run      int64 // told apart from other runs by the markers
	began    time.Time
	rooms    []*room
	streams  []*stream // of all rooms, by the number in the marker
	http     *http.Client

	rssBefore     int64 // of the server when it had the first sockets
	socketsBefore int   // how many those were

	sent, acked, delivered, failed atomic.Int64
	last                           atomic.Int64 // when the last message came, since began
	closing                        atomic.Bool
	once                           sync.Once
	ack, delivery                  latencies
	firstFailure                   atomic.Pointer[string]
	byNode                         []atomic.Int64 // delivered, of each node
}

// room is one conversation.
type room struct {
	id        string
	receivers []*receiver
	streams   []*stream
}

// stream is one sender. One goroutine at a time uses it; receivers touch
// only reached and all.
type stream struct {
	room    *room
	number  int
	conn    *wsclient.Conn
	next    int
	unacked map[int]struct{} // sent, and not known to be stored
	reached atomic.Int64     // receivers that have the message under way
	all     chan struct{}    // of capacity 1: every receiver has it
}

// receiver is one subscription. Its connection's reading goroutine alone
// fills it; the judge reads it after the connection has ended.
type receiver struct {
	play    *play
	room    *room
	node    int // of Config.URLs
	conn    *wsclient.Conn
	tracks  []track // of the room's streams
	lastSeq int64
	doubled int
	late    int // reordered
}

func newPlay(cfg Config, s Scenario) *play {
	p := &play{
		cfg: cfg, scenario: s, run: rand.Int64N(1 << 60), began: time.Now(), //nolint:gosec // a name, no secret
		byNode: make([]atomic.Int64, len(cfg.URLs)),
		http:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connectAtOnce}, Timeout: time.Minute},
	}
	for range s.Rooms {
		room := &room{}
		for range s.Streams {
			st := &stream{room: room, number: len(p.streams), unacked: map[int]struct{}{}, all: make(chan struct{}, 1)}
			room.streams, p.streams = append(room.streams, st), append(p.streams, st)
		}
		for range s.Receivers {
			room.receivers = append(room.receivers, &receiver{play: p, room: room, tracks: make([]track, s.Streams)})
		}
		p.rooms = append(p.rooms, room)
	}
	return p
}

func (p *play) say(what string) {
	if p.cfg.Progress != nil {
		p.cfg.Progress(what)
	}
}

func (p *play) fail(err error) {
	p.failed.Add(1)
	text := err.Error()
	p.firstFailure.CompareAndSwap(nil, &text)
}

// handle is called for everything that comes to the subscription.
func (r *receiver) handle(e wsclient.Event) {
	p := r.play
	if e.Kind != wsclient.Next {
		if !p.closing.Load() {
			p.fail(fmt.Errorf("a subscription ended: %s %w", e.Payload, r.conn.Err()))
		}
		return
	}
	m, ok := findMark(e.Payload)
	if !ok || m.run != p.run {
		if bytes.Contains(e.Payload, []byte(`"errors":`)) {
			p.fail(fmt.Errorf("a subscription got %s", e.Payload))
		}
		return
	}
	now := time.Since(p.began)
	first := r.room.streams[0].number
	if m.stream < first || m.stream >= first+len(r.tracks) {
		p.fail(fmt.Errorf("a message of stream %d came to another room", m.stream))
		return
	}
	seen := r.tracks[m.stream-first].see(m.n)
	if seen == doubled {
		r.doubled++
		return
	}
	seq := findSeq(e.Payload)
	if seen == reordered || seq <= r.lastSeq {
		r.late++
	}
	r.lastSeq = max(r.lastSeq, seq)
	p.delivery.add(now - time.Duration(m.at))
	p.delivered.Add(1)
	p.byNode[r.node].Add(1)
	p.last.Store(int64(now))
	if s := p.streams[m.stream]; s.reached.Add(1) == int64(len(r.room.receivers)) {
		select {
		case s.all <- struct{}{}:
		default: // nobody waits
		}
	}
}

// send sends the stream's next message and waits for its acknowledgement,
// and in lockstep until every receiver has it. False ends the stream.
func (p *play) send(ctx context.Context, s *stream) bool {
	n := s.next
	s.next++
	s.reached.Store(0)
	select {
	case <-s.all: // of a message that nobody waited for
	default:
	}
	begin := time.Since(p.began)
	text := mark{p.run, s.number, n, int64(begin)}.text(p.cfg.TextSize)
	p.sent.Add(1)
	_, err := s.conn.Query(ctx, sendDoc, map[string]any{"i": map[string]string{
		"conversationId": s.room.id, "text": text, "clientId": strconv.Itoa(s.number) + "-" + strconv.Itoa(n),
	}})
	if err != nil {
		s.unacked[n] = struct{}{}
		if refused, ok := errors.AsType[*wsclient.ErrorsError](err); ok {
			err = hinted(refused.Code(), refused.Error())
		}
		if ctx.Err() == nil {
			p.fail(fmt.Errorf("send: %w", err))
		}
		return false
	}
	p.acked.Add(1)
	p.ack.add(time.Since(p.began) - begin)
	if !p.scenario.Lockstep {
		return true
	}
	patience := time.NewTimer(p.cfg.Settle)
	defer patience.Stop()
	select {
	case <-s.all:
		return true
	case <-patience.C: // the judge will tell who misses it
	case <-ctx.Done():
	}
	return false
}

// sendAll sends messages, shared out among all streams and paced by the rate.
func (p *play) sendAll(ctx context.Context, messages int) {
	var senders sync.WaitGroup
	begin := time.Now()
	for i, s := range p.streams {
		mine := messages / len(p.streams)
		if i < messages%len(p.streams) {
			mine++
		}
		senders.Go(func() {
			for k := range mine {
				if p.scenario.Rate > 0 {
					slot := float64(k*len(p.streams)+i) / p.scenario.Rate
					if !waitUntil(ctx, begin.Add(time.Duration(slot*float64(time.Second)))) {
						return
					}
				}
				if !p.send(ctx, s) {
					return
				}
			}
		})
	}
	senders.Wait()
	p.settle(ctx)
}

func waitUntil(ctx context.Context, t time.Time) bool {
	if wait := time.Until(t); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// settle waits until every acknowledged message is everywhere, or nothing has
// come for a while.
func (p *play) settle(ctx context.Context) {
	want := p.acked.Load() * int64(p.scenario.Receivers)
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	seen, since := p.delivered.Load(), time.Now()
	for p.delivered.Load() < want && time.Since(since) < p.cfg.Settle {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
		if now := p.delivered.Load(); now != seen {
			seen, since = now, time.Now()
		}
	}
}

// close ends all sockets and waits for their readers.
func (p *play) close() {
	p.once.Do(func() {
		p.closing.Store(true)
		var conns []*wsclient.Conn
		for _, room := range p.rooms {
			for _, s := range room.streams {
				conns = append(conns, s.conn)
			}
			for _, r := range room.receivers {
				conns = append(conns, r.conn)
			}
		}
		var closers sync.WaitGroup
		for mine := range slices.Chunk(conns, max(len(conns)/connectAtOnce, 1)) {
			closers.Go(func() {
				for _, c := range mine {
					if c != nil {
						_ = c.Close() // the server may have closed it before
					}
				}
			})
		}
		closers.Wait()
		p.http.CloseIdleConnections()
	})
}
