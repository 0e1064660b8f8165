package kafkabus

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"chatd/internal/platform/bus"
)

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

func (p place) only() map[string][]int32 { return map[string][]int32{p.topic: {p.partition}} }

// part is a place that is this node's, with what has been read of it and is
// not yet handled. Its fields belong to the group's mutex.
type part struct {
	place   place
	pending []*item // in the order of offsets, from the first that is not done
	lanes   map[string]*lane
	busy    int           // lanes in workers' hands
	paused  bool          // its window is full
	closed  bool          // going to another node: nothing more is begun
	gone    bool          // another node's: nothing more is committed
	idle    chan struct{} // closed once closed and not busy
}

// lane has the events of one key of a part, in order. It is in the group's
// ready, or in a worker's hand, or waits for its timer.
type lane struct {
	part   *part
	key    string
	items  []*item
	tries  int // of the first item
	timer  *time.Timer
	cancel context.CancelFunc // of the try that is under way
}

type item struct {
	record *kgo.Record
	event  bus.Envelope
	done   bool
	dead   error // what it is put aside for, once that is decided
}

// accept takes a record into its lane. Rebalances are held up meanwhile, so
// the record's place is this node's.
func (g *group) accept(r *kgo.Record) {
	it := &item{record: r}
	it.event, it.dead = envelope(r)
	g.mu.Lock()
	defer g.mu.Unlock()
	at := place{r.Topic, r.Partition}
	p := g.parts[at]
	if p == nil {
		p = &part{place: at, lanes: make(map[string]*lane), idle: make(chan struct{})}
		g.parts[at] = p
	}
	p.pending = append(p.pending, it)
	l := p.lanes[it.event.Key]
	if l == nil {
		l = &lane{part: p, key: it.event.Key}
		p.lanes[l.key] = l
		g.queue(l)
	}
	l.items = append(l.items, it)
}

// queue makes a lane ready. The group's mutex is held.
func (g *group) queue(l *lane) {
	g.ready = append(g.ready, l)
	g.some.Signal()
}

// take waits for a lane and takes it in hand; nil when the group is halted.
func (g *group) take(ctx context.Context) (context.Context, *lane, *item) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		for len(g.ready) == 0 && !g.halted {
			g.some.Wait()
		}
		if g.halted {
			return nil, nil, nil
		}
		l := g.ready[0]
		g.ready[0] = nil
		g.ready = g.ready[1:]
		if l.part.closed {
			continue
		}
		l.part.busy++
		ctx, l.cancel = context.WithCancel(ctx)
		return ctx, l, l.items[0]
	}
}

// put takes a lane out of hand. After is how long its first item, which is not
// done, waits for its next try.
func (g *group) put(l *lane, done bool, after time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l.cancel()
	p := l.part
	if p.busy--; done {
		g.finish(l)
	}
	switch {
	case p.closed:
		if p.busy == 0 {
			close(p.idle)
		}
	case g.halted:
	case !done:
		l.timer = time.AfterFunc(after, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.queue(l)
		})
	case len(l.items) == 0:
		delete(p.lanes, l.key)
	default:
		g.queue(l)
	}
}

// finish marks a lane's first item as done, and for committing what is done
// from the first pending item on.
func (g *group) finish(l *lane) {
	p := l.part
	l.items[0].done = true
	l.items[0] = nil
	l.items = l.items[1:]
	l.tries = 0
	if p.gone {
		return
	}
	var last *kgo.Record
	for len(p.pending) > 0 && p.pending[0].done {
		last = p.pending[0].record
		p.pending[0] = nil
		p.pending = p.pending[1:]
	}
	if last == nil {
		return
	}
	g.client.MarkCommitRecords(last)
	if len(p.pending) > g.bus.cfg.Window/2 {
		return
	}
	if p.paused && !p.closed {
		p.paused = false
		g.client.ResumeFetchPartitions(p.place.only())
	}
	select {
	case g.drained <- struct{}{}:
	default:
	}
}

// drain waits while parts are full, but no longer than a request for more
// does: then it has what stays full be passed over, so that others flow. A part
// that is taken up again waits for the request under way, by which time half a
// window of it is not used up if it was so slow.
func (g *group) drain(ctx context.Context) {
	timer := time.NewTimer(fetchFor)
	defer timer.Stop()
	for late := false; g.full(late) && !late; {
		select {
		case <-g.drained:
		case <-timer.C:
			late = true
		case <-ctx.Done():
			return
		}
	}
}

// full says whether a part that is read is full, and stops reading it if told.
func (g *group) full(stop bool) (some bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.parts {
		if p.paused || len(p.pending) < g.bus.cfg.Window {
			continue
		}
		some = true
		if stop {
			p.paused = true
			g.client.PauseFetchPartitions(p.place.only())
		}
	}
	return some
}

// closeParts begins nothing more of the places and returns them.
func (g *group) closeParts(lost map[string][]int32) []*part {
	g.mu.Lock()
	defer g.mu.Unlock()
	var parts []*part
	for topic, partitions := range lost {
		for _, n := range partitions {
			at := place{topic, n}
			p := g.parts[at]
			if p == nil {
				continue
			}
			delete(g.parts, at)
			if p.paused {
				g.client.ResumeFetchPartitions(at.only())
			}
			if p.closed = true; p.busy == 0 {
				close(p.idle)
			}
			for _, l := range p.lanes {
				if l.timer != nil {
					l.timer.Stop()
				}
			}
			parts = append(parts, p)
		}
	}
	return parts
}

// forget ends what parts still have in hand.
func (g *group) forget(parts []*part) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range parts {
		p.gone = true
		for _, l := range p.lanes {
			if l.cancel != nil {
				l.cancel()
			}
		}
	}
}
