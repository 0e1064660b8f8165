package localbus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/errs"
)

// group is one receiver with its queue.
type group struct {
	bus    *Bus
	name   string
	topics []string
	handle bus.Handler
	room   chan struct{} // holds one token for each event that is not yet safe
	ready  chan *lane    // never full: a lane is in it once, and has a token

	mu     sync.Mutex
	closed bool
	lanes  map[laneKey]*lane // those with events
}

type laneKey struct{ topic, key string }

// lane has the events of one key, in order. It is in ready, or in a worker's
// hand, or waits for its timer.
type lane struct {
	key    laneKey
	events []accepted
	tries  int // of the first event
	timer  *time.Timer
}

type accepted struct {
	event bus.Envelope
	offer *offer
}

// offer counts the events of one Offer that are not yet safe.
type offer struct {
	mu     sync.Mutex
	left   int
	settle func(error)
}

// done takes n events off, or ends the whole offer with an error.
func (o *offer) done(n int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left -= n
	if o.settle != nil && (err != nil || o.left == 0) {
		o.settle(err)
		o.settle = nil
	}
}

func newGroup(b *Bus, name string, topics []string, h bus.Handler) *group {
	return &group{
		bus: b, name: name, topics: slices.Clone(topics), handle: h,
		room: make(chan struct{}, b.cfg.Queue), ready: make(chan *lane, b.cfg.Queue),
		lanes: make(map[laneKey]*lane),
	}
}

// Name implements bus.Receiver.
func (g *group) Name() string { return g.name }

// Hears implements bus.Receiver.
func (g *group) Hears(topic string) bool { return slices.Contains(g.topics, topic) }

// Offer implements bus.Publisher.
func (g *group) Offer(ctx context.Context, events ...bus.Envelope) (*bus.Receipt, error) {
	receipt, settle := bus.NewReceipt()
	o := &offer{left: len(events), settle: settle}
	foreign := 0
	for _, e := range events {
		if !g.Hears(e.Topic) {
			foreign++
			continue
		}
		select {
		case g.room <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-g.bus.quit:
			return nil, bus.ErrStopped
		}
		if !g.accept(accepted{event: e.Clone(), offer: o}) {
			return nil, bus.ErrStopped
		}
	}
	o.done(foreign, nil)
	return receipt, nil
}

func (g *group) accept(a accepted) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	key := laneKey{a.event.Topic, a.event.Key}
	l := g.lanes[key]
	if l == nil {
		l = &lane{key: key}
		g.lanes[key] = l
		g.ready <- l
	}
	l.events = append(l.events, a)
	return true
}

func (g *group) work(ctx context.Context) {
	for {
		select {
		case <-g.bus.quit:
			return
		case l := <-g.ready:
			if g.bus.stopping() {
				return
			}
			g.mu.Lock()
			a := l.events[0]
			g.mu.Unlock()
			g.settle(l, a, g.call(ctx, a.event.Clone()))
		}
	}
}

func (g *group) call(ctx context.Context, e bus.Envelope) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return g.handle(ctx, e)
}

// settle decides what becomes of a lane after one try of its first event.
func (g *group) settle(l *lane, a accepted, err error) {
	if err != nil && !g.exhausted(l, a, err) {
		return
	}
	a.offer.done(1, nil)
	g.mu.Lock()
	defer g.mu.Unlock()
	<-g.room
	l.tries = 0
	l.events[0] = accepted{}
	l.events = l.events[1:]
	if len(l.events) == 0 {
		delete(g.lanes, l.key)
		return
	}
	g.ready <- l
}

// exhausted counts a failure: it puts the event aside and reports true after
// the last try, else lets the lane wait.
func (g *group) exhausted(l *lane, a accepted, err error) bool {
	cfg := g.bus.cfg
	g.mu.Lock()
	l.tries++
	tries := l.tries
	stopping := g.bus.stopping()
	wait := tries < cfg.Tries || stopping || errors.Is(err, errs.ErrUnavailable)
	if wait && !stopping {
		l.timer = time.AfterFunc(backoff(cfg, tries), func() { g.ready <- l })
	}
	g.mu.Unlock()
	if wait {
		g.bus.metrics.retries.WithLabelValues(g.name).Inc()
		g.bus.log.Warn().Err(err).Str("group", g.name).Str("event", a.event.Name).
			Str("event_id", a.event.ID).Int("tries", tries).Msg("an event will be handled again")
		return false
	}
	g.bus.putAside(bus.Aside{Group: g.name, Event: a.event, Tries: tries, Err: err.Error(), At: time.Now()}, err)
	return true
}

func backoff(cfg Config, tries int) time.Duration {
	d := cfg.Backoff
	for range tries - 1 {
		if d *= 2; d >= cfg.MaxBackoff {
			return cfg.MaxBackoff
		}
	}
	return d
}

// giveUp ends the offers of what is not safe. The workers have stopped, or
// are not waited for.
func (g *group) giveUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, l := range g.lanes {
		if l.timer != nil {
			l.timer.Stop()
		}
		for _, a := range l.events {
			a.offer.done(0, bus.ErrStopped)
		}
	}
}
