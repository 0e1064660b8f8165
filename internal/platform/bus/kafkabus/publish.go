package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"chatd/internal/platform/bus"
)

// errGap ends a publisher that went on after an event that was not taken, so
// that it begins again there and the order of keys is kept.
var errGap = errors.New("an event before these was not taken and must be offered again first")

// sender is the brokers as a bus.Receiver.
type sender struct {
	bus  *Bus
	room chan struct{} // holds one token for each event that is not yet safe

	mu     sync.Mutex
	closed bool
	open   map[*offer]struct{}
	gaps   map[string]int64 // by topic: the lowest position that was not taken
}

// offer counts the events of one Offer that are not yet safe.
type offer struct {
	at     time.Time
	left   int
	settle func(error)
}

// Name implements bus.Receiver.
func (*sender) Name() string { return "kafka" }

// Hears says whether a group here handles the topic, or Config.Publishes has it.
func (s *sender) Hears(topic string) bool {
	return slices.Contains(s.bus.cfg.Publishes, topic) ||
		slices.ContainsFunc(s.bus.groups, func(g *group) bool { return slices.Contains(g.topics, topic) })
}

// Offer implements bus.Publisher. Events of one call, and of calls that follow
// each other, reach each key in order.
func (s *sender) Offer(ctx context.Context, events ...bus.Envelope) (*bus.Receipt, error) {
	events = slices.DeleteFunc(slices.Clone(events), func(e bus.Envelope) bool { return !s.Hears(e.Topic) })
	receipt, settle := bus.NewReceipt()
	o := &offer{at: time.Now(), left: len(events), settle: settle}
	if err := s.admit(o, events); err != nil {
		return nil, err
	}
	for _, e := range events {
		if err := s.enter(ctx); err != nil {
			s.done(o, 0, err)
			return nil, err
		}
		r := record(s.bus.cfg.Prefix+e.Topic, e)
		s.bus.out.Produce(context.WithoutCancel(ctx), r, func(_ *kgo.Record, err error) { s.taken(o, e, err) })
	}
	s.done(o, 0, nil)
	return receipt, nil
}

// admit opens an offer, unless it goes on after a gap. One refusal is enough:
// the publisher begins again at what is not safe.
func (s *sender) admit(o *offer, events []bus.Envelope) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.bus.stopping() {
		return bus.ErrStopped
	}
	for _, e := range events {
		if gap, ok := s.gaps[e.Topic]; ok && e.Pos != 0 {
			delete(s.gaps, e.Topic)
			if e.Pos > gap {
				return fmt.Errorf("offer %s at %d, after %d: %w", e.Topic, e.Pos, gap, errGap)
			}
		}
	}
	s.open[o] = struct{}{}
	return nil
}

func (s *sender) enter(ctx context.Context) error {
	select {
	case s.room <- struct{}{}:
		s.bus.metrics.waiting.Inc()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.bus.quit:
		return bus.ErrStopped
	}
}

// taken hears from the client what became of one event.
func (s *sender) taken(o *offer, e bus.Envelope, err error) {
	<-s.room
	s.bus.metrics.waiting.Dec()
	if err == nil {
		s.bus.metrics.published.WithLabelValues(e.Topic).Inc()
		s.done(o, 1, nil)
		return
	}
	if s.bus.stopping() {
		s.done(o, 1, bus.ErrStopped)
		return
	}
	s.bus.metrics.errors.WithLabelValues("publish").Inc()
	s.mu.Lock()
	if gap, ok := s.gaps[e.Topic]; e.Pos != 0 && (!ok || e.Pos < gap) {
		s.gaps[e.Topic] = e.Pos
	}
	s.mu.Unlock()
	s.done(o, 1, fmt.Errorf("event %s (%s, %d bytes): %w", e.ID, e.Name, len(e.Payload), err))
}

// done takes n events off, or ends the whole offer with an error.
func (s *sender) done(o *offer, n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.left -= n
	if _, ok := s.open[o]; ok && (err != nil || o.left == 0) {
		delete(s.open, o)
		o.settle(err)
	}
}

// oldest says since when an offer has been open; zero when none is.
func (s *sender) oldest() (at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range s.open {
		if at.IsZero() || o.at.Before(at) {
			at = o.at
		}
	}
	return at
}

// giveUp ends the offers that are not safe.
func (s *sender) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for o := range s.open {
		delete(s.open, o)
		o.settle(bus.ErrStopped)
	}
}

// The headers of a record. The key is the record's key, the payload its value.
const (
	headerID    = "id"
	headerName  = "name"
	headerTopic = "topic" // the context
	headerPos   = "pos"   // decimal
	headerTime  = "time"  // RFC 3339, to the nanosecond
	headerTrace = "trace" // only when there is one

	headerNode = "node" // live: who told it

	headerGroup  = "dead_group" // dead letters: who could not handle it,
	headerTries  = "dead_tries" // after how many tries,
	headerError  = "dead_error" // the error of the last,
	headerOrigin = "dead_from"  // and where it lies: "topic/partition/offset"
)

// record returns e for a Kafka topic. It shares no bytes with e.
func record(topic string, e bus.Envelope) *kgo.Record {
	r := &kgo.Record{
		Topic: topic, Key: []byte(e.Key), Value: append([]byte{}, e.Payload...),
		Headers: []kgo.RecordHeader{
			header(headerID, e.ID),
			header(headerName, e.Name),
			header(headerTopic, e.Topic),
			header(headerPos, strconv.FormatInt(e.Pos, 10)),
			header(headerTime, e.Time.UTC().Format(time.RFC3339Nano)),
		},
	}
	if e.Trace != "" {
		r.Headers = append(r.Headers, header(headerTrace, e.Trace))
	}
	return r
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}

func headerOf(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// envelope reads a record. With an error it returns what could be read.
func envelope(r *kgo.Record) (bus.Envelope, error) {
	e := bus.Envelope{
		ID: headerOf(r, headerID), Name: headerOf(r, headerName), Topic: headerOf(r, headerTopic),
		Key: string(r.Key), Trace: headerOf(r, headerTrace), Payload: r.Value,
	}
	if e.Name == "" || e.Topic == "" {
		return e, fmt.Errorf("a record of %s that is no event: it has no name or topic", r.Topic)
	}
	var err error
	if e.Pos, err = strconv.ParseInt(headerOf(r, headerPos), 10, 64); err != nil {
		return e, fmt.Errorf("position of event %s: %w", e.ID, err)
	}
	if e.Time, err = time.Parse(time.RFC3339Nano, headerOf(r, headerTime)); err != nil {
		return e, fmt.Errorf("time of event %s: %w", e.ID, err)
	}
	return e, nil
}
