package localbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/bus"
)

// Deps are what a Bus needs.
type Deps struct {
	Log     zerolog.Logger
	Metrics prometheus.Registerer // nil counts nowhere
}

// Config bounds a Bus. Zero values are the defaults.
type Config struct {
	Queue      int           // events accepted and not yet safe, per group; 1,024. Offer waits while full
	Workers    int           // events handled at once, per group; 4
	Tries      int           // before an event is put aside; 10
	Backoff    time.Duration // after the first failure, doubled with each; 100 ms
	MaxBackoff time.Duration // 30 s
	Asides     int           // events put aside that are kept to be read; 1,000. The oldest go
	Lossy      int           // events waiting for one broadcast handler; 1,024. More are lost
}

func (c Config) withDefaults() Config {
	c.Queue = cmp.Or(c.Queue, 1024)
	c.Workers = cmp.Or(c.Workers, 4)
	c.Tries = cmp.Or(c.Tries, 10)
	c.Backoff = cmp.Or(c.Backoff, 100*time.Millisecond)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, 30*time.Second)
	c.Asides = cmp.Or(c.Asides, 1000)
	c.Lossy = cmp.Or(c.Lossy, 1024)
	return c
}

var errRunning = errors.New("the bus has been started")

// Bus is a bus.Bus in memory.
type Bus struct {
	cfg     Config
	log     zerolog.Logger
	metrics *metrics

	groups  []*group
	hearers []*bus.Hearer
	running sync.WaitGroup
	quit    chan struct{}

	mu      sync.Mutex
	started bool
	stopped bool
	asides  []bus.Aside
	cancel  context.CancelFunc
}

var _ bus.Bus = (*Bus)(nil)

// New returns a bus without groups that has not been started.
func New(deps Deps, cfg Config) *Bus {
	return &Bus{
		cfg: cfg.withDefaults(), log: deps.Log, metrics: newMetrics(deps.Metrics),
		quit: make(chan struct{}),
	}
}

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

// Receivers returns the groups.
func (b *Bus) Receivers() []bus.Receiver {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]bus.Receiver, len(b.groups))
	for i, g := range b.groups {
		all[i] = g
	}
	return all
}

// Publish implements bus.Bus.
func (b *Bus) Publish(ctx context.Context, events ...bus.Envelope) error {
	receivers := b.Receivers()
	failures := make([]error, len(receivers))
	var wg sync.WaitGroup
	for i, to := range receivers {
		wg.Go(func() {
			receipt, err := to.Offer(ctx, events...)
			if err == nil {
				err = receipt.Wait(ctx)
			}
			if err != nil {
				failures[i] = fmt.Errorf("publish to %s: %w", to.Name(), err)
			}
		})
	}
	wg.Wait()
	return errors.Join(failures...)
}

// PublishLossy implements bus.Bus.
func (b *Bus) PublishLossy(_ context.Context, e bus.Envelope) {
	for _, h := range b.hearers {
		if !h.Offer(e) {
			b.metrics.lost.Inc()
		}
	}
}

// Aside implements bus.Bus.
func (b *Bus) Aside() []bus.Aside {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.asides)
}

// Start implements bus.Bus. It does not block.
func (b *Bus) Start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started {
		return errRunning
	}
	b.started = true
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, g := range b.groups {
		for range b.cfg.Workers {
			b.running.Go(func() { g.work(ctx) })
		}
	}
	for _, h := range b.hearers {
		b.running.Go(func() { h.Work(b.quit) })
	}
	return nil
}

// Stop implements bus.Bus. A second Stop does nothing.
func (b *Bus) Stop(ctx context.Context) error {
	b.mu.Lock()
	first := !b.stopped
	b.stopped, b.started = true, true
	cancel := b.cancel
	b.mu.Unlock()
	if !first {
		return nil
	}
	close(b.quit)
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
	if cancel != nil {
		cancel()
	}
	for _, g := range b.groups {
		g.giveUp()
	}
	return err
}

func (b *Bus) stopping() bool {
	select {
	case <-b.quit:
		return true
	default:
		return false
	}
}

func (b *Bus) putAside(a bus.Aside, err error) {
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
