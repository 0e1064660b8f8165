package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/errs"
)

const (
	commitEvery = 500 * time.Millisecond // what a crash repeats, at most
	commitFor   = 5 * time.Second        // the last commit of a place that goes
	deadFor     = 10 * time.Second       // one try of writing a dead letter
	breath      = 250 * time.Millisecond // after a failed read
	fetchFor    = 250 * time.Millisecond // how long brokers keep a request while there is nothing
)

// group is one consumer group.
type group struct {
	bus    *Bus
	name   string
	topics []string
	handle bus.Handler
	client *kgo.Client // nil before the start

	drained chan struct{} // a part has room again

	mu     sync.Mutex
	some   *sync.Cond // ready has some, or halted
	ready  []*lane    // bounded by the windows of the parts
	parts  map[place]*part
	halted bool
}

func newGroup(b *Bus, name string, topics []string, h bus.Handler) *group {
	g := &group{
		bus: b, name: name, topics: slices.Clone(topics), handle: h,
		drained: make(chan struct{}, 1), parts: make(map[place]*part),
	}
	g.some = sync.NewCond(&g.mu)
	return g
}

func (g *group) start() error {
	topics := make([]string, len(g.topics))
	for i, t := range g.topics {
		topics[i] = g.bus.cfg.Prefix + t
	}
	client, err := kgo.NewClient(g.bus.with(
		kgo.ConsumerGroup(g.bus.cfg.Prefix+g.name),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // groups know repeats, not holes
		kgo.FetchMaxWait(fetchFor),
		kgo.BlockRebalanceOnPoll(),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(commitEvery),
		kgo.AutoCommitCallback(g.committed),
		kgo.OnPartitionsRevoked(g.revoked),
		kgo.OnPartitionsLost(g.lost),
		kgo.SessionTimeout(g.bus.cfg.Session),
		kgo.HeartbeatInterval(g.bus.cfg.Session/4),
		kgo.RebalanceTimeout(g.bus.cfg.Session+2*g.bus.cfg.Handover),
	)...)
	if err != nil {
		return fmt.Errorf("kafka: group %s: %w", g.name, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.client = client
	return nil
}

func (g *group) read(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := g.client.PollRecords(ctx, g.bus.cfg.Window)
		failed := false
		fetches.EachError(func(topic string, partition int32, err error) {
			if ctx.Err() != nil || errors.Is(err, kgo.ErrClientClosed) {
				return
			}
			failed = true
			g.bus.metrics.errors.WithLabelValues("read").Inc()
			g.bus.log.Warn().Err(err).Str("group", g.name).Str("topic", topic).Int32("partition", partition).
				Msg("reading was interrupted and will be taken up again")
		})
		fetches.EachRecord(g.accept)
		g.client.AllowRebalance()
		g.drain(ctx)
		if failed {
			pause(ctx, breath)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (g *group) work(ctx context.Context) {
	for {
		ctx, l, it := g.take(ctx)
		if l == nil {
			return
		}
		done, after := g.attempt(ctx, l, it)
		g.put(l, done, after)
	}
}

// attempt handles an event once, or writes its dead letter. It says whether
// the event is done, else how long to wait.
func (g *group) attempt(ctx context.Context, l *lane, it *item) (done bool, after time.Duration) {
	cfg := g.bus.cfg
	if it.dead == nil {
		err := g.call(ctx, it.event.Clone())
		if err == nil {
			g.bus.metrics.handled.WithLabelValues(g.name).Inc()
			return true, 0
		}
		if g.bus.stopping() || ctx.Err() != nil {
			return false, 0
		}
		l.tries++
		if l.tries < cfg.Tries || errors.Is(err, errs.ErrUnavailable) {
			g.bus.metrics.retries.WithLabelValues(g.name).Inc()
			g.bus.log.Warn().Err(err).Str("group", g.name).Str("event", it.event.Name).
				Str("event_id", it.event.ID).Int("tries", l.tries).Msg("an event will be handled again")
			return false, backoff(cfg, l.tries)
		}
		it.dead = err
	}
	a := bus.Aside{Group: g.name, Event: it.event, Tries: l.tries, Err: it.dead.Error(), At: time.Now()}
	if err := g.bury(ctx, it, a); err != nil {
		g.bus.metrics.errors.WithLabelValues("dead_letter").Inc()
		g.bus.log.Warn().Err(err).Str("group", g.name).Str("event_id", it.event.ID).
			Msg("a dead letter could not be written and will be tried again")
		return false, cfg.MaxBackoff
	}
	g.bus.keepAside(a, it.dead)
	return true, 0
}

func (g *group) call(ctx context.Context, e bus.Envelope) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return g.handle(ctx, e)
}

// bury writes an event, as it came, to the dead letters. After an error it may
// be there all the same.
func (g *group) bury(ctx context.Context, it *item, a bus.Aside) error {
	ctx, cancel := context.WithTimeout(ctx, deadFor)
	defer cancel()
	from := it.record
	r := &kgo.Record{
		Topic: g.bus.cfg.deadTopic(), Key: from.Key, Value: from.Value,
		Headers: append(slices.Clone(from.Headers),
			header(headerGroup, a.Group),
			header(headerTries, strconv.Itoa(a.Tries)),
			header(headerError, a.Err),
			header(headerOrigin, fmt.Sprintf("%s/%d/%d", from.Topic, from.Partition, from.Offset)),
		),
	}
	taken := make(chan error, 1)
	g.bus.out.TryProduce(ctx, r, func(_ *kgo.Record, err error) { taken <- err })
	select {
	case err := <-taken:
		return err
	case <-ctx.Done(): // what has been sent, the client does not take back
		return ctx.Err()
	}
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

// revoked hands places over: it finishes their events in hand and commits.
func (g *group) revoked(ctx context.Context, client *kgo.Client, lost map[string][]int32) {
	parts := g.closeParts(lost)
	ctx, cancel := context.WithTimeout(ctx, commitFor+g.bus.cfg.Handover)
	defer cancel()
	deadline := time.After(g.bus.cfg.Handover)
	if g.bus.stopping() {
		deadline = time.After(0) // Stop has waited
	}
	for _, p := range parts {
		select {
		case <-p.idle:
			continue
		case <-deadline:
		case <-ctx.Done():
		}
		break
	}
	if err := client.CommitMarkedOffsets(ctx); err != nil {
		g.commitFailed(err)
	}
	g.forget(parts)
}

// lost gives up places that are another node's already.
func (g *group) lost(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	g.bus.log.Warn().Str("group", g.name).Int("topics", len(lost)).
		Msg("partitions were lost to other nodes; events in hand will be handled again there")
	g.forget(g.closeParts(lost))
}

func (g *group) committed(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitResponse, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		g.commitFailed(err)
	}
}

func (g *group) commitFailed(err error) {
	g.bus.metrics.errors.WithLabelValues("commit").Inc()
	g.bus.log.Warn().Err(err).Str("group", g.name).Msg("a position could not be stored; events after it may be handled again")
}

// halt begins nothing more.
func (g *group) halt() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.halted = true
	g.some.Broadcast()
	for _, p := range g.parts {
		for _, l := range p.lanes {
			if l.timer != nil {
				l.timer.Stop()
			}
		}
	}
}

// leave commits and leaves the group, for no longer than ctx.
func (g *group) leave(ctx context.Context) {
	g.mu.Lock()
	client := g.client
	g.mu.Unlock()
	if client == nil {
		return
	}
	if err := client.LeaveGroupContext(ctx); err != nil {
		g.bus.log.Warn().Err(err).Str("group", g.name).Msg("leaving the group was not answered; its partitions wait for the session to end")
	}
	client.CloseAllowingRebalance()
}
