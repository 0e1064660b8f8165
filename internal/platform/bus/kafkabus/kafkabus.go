package kafkabus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"chatd/internal/platform/bus"
)

// farewell is how long a stop waits for brokers, beside its context.
const farewell = 2 * time.Second

var errRunning = errors.New("the bus has been started")

// Deps are what a Bus needs.
type Deps struct {
	Log     zerolog.Logger
	Metrics prometheus.Registerer // nil counts nowhere
}

// Bus is a bus.Bus on Kafka.
type Bus struct {
	cfg     Config
	log     zerolog.Logger
	metrics *metrics
	node    string       // names this process among those that publish live
	quiet   *atomic.Bool // the clients' own warnings are for debugging, since it is told that Kafka is away
	common  []kgo.Opt    // of every client

	out   *kgo.Client
	live  atomic.Pointer[kgo.Client] // nil before the start
	sent  sender
	state atomic.Pointer[state] // nil before the start

	groups  []*group
	hearers []*bus.Hearer
	running sync.WaitGroup
	quit    chan struct{}

	mu      sync.Mutex
	started bool
	stopped bool
	asides  []bus.Aside
	ends    []context.CancelFunc // what runs, from the start on
}

var _ bus.Bus = (*Bus)(nil)

// New checks the configuration and returns a bus without groups that has not
// been started. No broker is asked for anything before Start or Offer.
func New(deps Deps, cfg Config) (*Bus, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	log := deps.Log.With().Str("bus", "kafka").Logger()
	quiet := new(atomic.Bool)
	common, err := cfg.options(clientLog{log, quiet})
	if err != nil {
		return nil, err
	}
	b := &Bus{
		cfg: cfg, log: log, metrics: newMetrics(deps.Metrics), node: rand.Text(),
		quiet: quiet, common: common, quit: make(chan struct{}),
	}
	b.sent = sender{
		bus: b, room: make(chan struct{}, cfg.Queue),
		open: make(map[*offer]struct{}), gaps: make(map[string]int64),
	}
	b.out, err = kgo.NewClient(b.with(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.ZstdCompression(), kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerLinger(0), // what comes while a request is under way makes the next batch
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.UnknownTopicRetries(-1),                      // topics are checked at the start
		kgo.MaxBufferedRecords(cfg.Queue+64*cfg.Workers), // offers wait before it; the rest is room for dead letters
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return b, nil
}

func (b *Bus) with(more ...kgo.Opt) []kgo.Opt { return append(slices.Clone(b.common), more...) }

// Group implements bus.Bus.
func (b *Bus) Group(name string, topics []string, h bus.Handler) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started {
		return fmt.Errorf("group %s: %w", name, errRunning)
	}
	if slices.ContainsFunc(b.groups, func(g *group) bool { return g.name == name }) {
		return fmt.Errorf("group %s is there already", name)
	}
	b.groups = append(b.groups, newGroup(b, name, topics, h))
	return nil
}

// Broadcast implements bus.Bus.
func (b *Bus) Broadcast(topics []string, h func(bus.Envelope)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started {
		return fmt.Errorf("broadcast: %w", errRunning)
	}
	b.hearers = append(b.hearers, bus.NewHearer(topics, h, b.cfg.Lossy))
	return nil
}

// Receivers returns the brokers as one receiver.
func (b *Bus) Receivers() []bus.Receiver { return []bus.Receiver{&b.sent} }

// Publish implements bus.Bus.
func (b *Bus) Publish(ctx context.Context, events ...bus.Envelope) error {
	receipt, err := b.sent.Offer(ctx, events...)
	if err == nil {
		err = receipt.Wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", b.sent.Name(), err)
	}
	return nil
}

// Aside returns what was put aside by this process. The dead letters have
// what all have.
func (b *Bus) Aside() []bus.Aside {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.asides)
}

// heard returns the topics that groups here handle or events here go to.
func (b *Bus) heard() []string {
	all := slices.Clone(b.cfg.Publishes)
	for _, g := range b.groups {
		all = append(all, g.topics...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Start implements bus.Bus. It returns when the brokers have answered, all
// topics are as they must be, and broadcasts are heard; or, in little more
// than Config.Reach, with one line that says what is in the way. After an
// error only Stop may be called.
func (b *Bus) Start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started {
		return errRunning
	}
	b.started = true
	admin := kadm.NewClient(b.out)
	if err := b.settle(ctx, admin, false); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	reading, stopReading := context.WithCancel(ctx)
	handling, stopHandling := context.WithCancel(ctx)
	b.ends = []context.CancelFunc{stopReading, stopHandling}
	if err := b.startLive(reading, admin); err != nil {
		return err
	}
	for _, g := range b.groups {
		if err := g.start(); err != nil {
			return err
		}
		b.running.Go(func() { g.read(reading) })
		for range b.cfg.Workers {
			b.running.Go(func() { g.work(handling) })
		}
	}
	b.running.Go(func() { b.watch(reading, admin) })
	b.running.Go(func() { b.watchLag(reading, admin) })
	return nil
}

// Stop implements bus.Bus. A second Stop does nothing. It commits what has
// been handled and leaves the groups, so that other nodes go on at once.
func (b *Bus) Stop(ctx context.Context) error {
	b.mu.Lock()
	first := !b.stopped
	b.stopped, b.started = true, true
	ends := b.ends
	b.mu.Unlock()
	if !first {
		return nil
	}
	close(b.quit)
	if len(ends) > 0 {
		ends[0]() // reading
	}
	for _, g := range b.groups {
		g.halt()
	}
	finished := make(chan struct{})
	go func() {
		b.running.Wait()
		close(finished)
	}()
	var err error
	select {
	case <-finished:
	case <-ctx.Done():
		err = fmt.Errorf("stop the bus with events in hand: %w", ctx.Err())
	}
	for _, end := range ends {
		end()
	}
	b.leave(ctx)
	return err
}

// leave takes leave of the brokers. Events that are on their way get a moment
// to become safe; those that do not are given up.
func (b *Bus) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	var wg sync.WaitGroup
	for _, g := range b.groups {
		wg.Go(func() { g.leave(ctx) })
	}
	wg.Go(func() {
		if err := b.out.Flush(ctx); err != nil {
			b.log.Warn().Err(err).Msg("events are given up at the stop and will be offered again")
		}
		b.sent.giveUp()
		b.out.Close()
	})
	if live := b.live.Load(); live != nil {
		wg.Go(live.Close)
	}
	wg.Wait()
}

func (b *Bus) stopping() bool {
	select {
	case <-b.quit:
		return true
	default:
		return false
	}
}

func (b *Bus) keepAside(a bus.Aside, err error) {
	b.metrics.aside.WithLabelValues(a.Group).Inc()
	b.log.Error().Err(err).Str("group", a.Group).Str("event", a.Event.Name).Str("event_id", a.Event.ID).
		Str("key", a.Event.Key).Int64("pos", a.Event.Pos).Int("tries", a.Tries).
		Msg("an event was put aside")
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.asides) == b.cfg.Asides {
		b.asides = slices.Delete(b.asides, 0, 1)
	}
	b.asides = append(b.asides, a)
}
