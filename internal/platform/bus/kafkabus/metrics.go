package kafkabus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// lagEvery is how often the brokers are asked how far groups are behind.
const lagEvery = 10 * time.Second

const (
	lookEvery = 2 * time.Second // between two looks at the brokers
	silence   = 5 * time.Second // of theirs, after which they count as away
)

type metrics struct {
	published *prometheus.CounterVec
	handled   *prometheus.CounterVec
	retries   *prometheus.CounterVec
	aside     *prometheus.CounterVec
	errors    *prometheus.CounterVec
	lag       *prometheus.GaugeVec
	lost      prometheus.Counter
	waiting   prometheus.Gauge
}

func newMetrics(to prometheus.Registerer) *metrics {
	m := &metrics{
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatd_bus_published_total", Help: "Events that the brokers have taken, by topic.",
		}, []string{"topic"}),
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatd_bus_handled_total", Help: "Events handled, by group.",
		}, []string{"group"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatd_bus_retries_total", Help: "Tries of events that failed and are repeated, by group.",
		}, []string{"group"}),
		aside: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatd_bus_aside_total", Help: "Events put aside as dead letters, by group.",
		}, []string{"group"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatd_bus_errors_total",
			Help: "What the brokers refused or did not answer: publish, read, commit, dead_letter, live or lag.",
		}, []string{"what"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chatd_bus_lag", Help: "Events kept by the brokers that the group, on all nodes, has not committed.",
		}, []string{"group"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chatd_bus_lossy_lost_total", Help: "Broadcast events lost to a full queue or to brokers that were away.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chatd_bus_waiting", Help: "Events that were offered to the brokers and that they have not taken yet.",
		}),
	}
	if to != nil {
		to.MustRegister(m.published, m.handled, m.retries, m.aside, m.errors, m.lag, m.lost, m.waiting)
	}
	return m
}

// state is what the last round of watch found.
type state struct {
	at  time.Time // of the last good one
	err error
}

// Healthy says whether the brokers answer for all topics and take what is
// offered to them. It does not wait.
func (b *Bus) Healthy() error {
	now := b.state.Load()
	switch {
	case now == nil:
		return errors.New("kafka: not started")
	case now.err != nil:
		return now.err
	case time.Since(now.at) > silence:
		return fmt.Errorf("kafka: no broker has answered for %s", time.Since(now.at).Round(time.Second))
	}
	if since := b.sent.oldest(); !since.IsZero() && time.Since(since) > silence {
		return fmt.Errorf("kafka: an event waits since %s to be taken", since.Format(time.RFC3339))
	}
	return nil
}

// watch looks after the brokers, again and again.
func (b *Bus) watch(ctx context.Context, admin *kadm.Client) {
	now := &state{at: time.Now()}
	b.state.Store(now)
	for {
		pause(ctx, lookEvery)
		if ctx.Err() != nil {
			return
		}
		next := &state{now.at, b.look(ctx, admin)}
		if next.err == nil {
			next.at = time.Now()
		}
		switch {
		case next.err != nil && now.err == nil:
			b.quiet.Store(true)
			b.log.Warn().Err(next.err).Msg("Kafka is away; events wait for it")
		case next.err == nil && now.err != nil:
			b.quiet.Store(false)
			b.log.Info().Dur("after_ms", next.at.Sub(now.at)).Msg("Kafka is back")
		}
		now = next
		b.state.Store(now)
	}
}

// look asks whether all topics have leaders.
func (b *Bus) look(ctx context.Context, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	all := names(b.wantedTopics())
	found, err := admin.ListTopics(ctx, all...)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	for _, name := range all {
		if !found.Has(name) {
			return fmt.Errorf("kafka: topic %s is not there", name)
		}
		if err := found[name].Err; err != nil {
			return fmt.Errorf("kafka: topic %s: %w", name, err)
		}
		for _, p := range found[name].Partitions.Sorted() {
			if p.Err != nil || p.Leader < 0 {
				return fmt.Errorf("kafka: partition %d of topic %s has no leader: %w", p.Partition, name, cmp.Or(p.Err, error(kerr.LeaderNotAvailable)))
			}
		}
	}
	return nil
}

// watchLag asks at once and then again and again how far the groups are behind.
func (b *Bus) watchLag(ctx context.Context, admin *kadm.Client) {
	if len(b.groups) == 0 {
		return
	}
	for ctx.Err() == nil {
		if err := b.lag(ctx, admin); err != nil && ctx.Err() == nil {
			b.metrics.errors.WithLabelValues("lag").Inc()
			b.log.Warn().Err(err).Msg("how far groups are behind is not known")
		}
		pause(ctx, lagEvery)
	}
}

func (b *Bus) lag(ctx context.Context, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, lagEvery)
	defer cancel()
	names := make([]string, len(b.groups))
	for i, g := range b.groups {
		names[i] = b.cfg.Prefix + g.name
	}
	lags, err := admin.Lag(ctx, names...)
	if err != nil {
		return fmt.Errorf("lag: %w", err)
	}
	for _, g := range b.groups {
		l := lags[b.cfg.Prefix+g.name]
		if err := l.Error(); errors.Is(err, kerr.GroupIDNotFound) {
			continue // it has not been joined yet
		} else if err != nil {
			return fmt.Errorf("lag of group %s: %w", g.name, err)
		}
		b.metrics.lag.WithLabelValues(g.name).Set(float64(l.Lag.Total()))
	}
	return nil
}

// clientLog is a kgo.Logger. What the client calls an error it heals itself,
// or it comes back as one.
type clientLog struct {
	log   zerolog.Logger
	quiet *atomic.Bool
}

func (c clientLog) Level() kgo.LogLevel {
	switch {
	case c.log.GetLevel() <= zerolog.DebugLevel:
		return kgo.LogLevelInfo
	case c.log.GetLevel() <= zerolog.WarnLevel:
		return kgo.LogLevelWarn
	default:
		return kgo.LogLevelNone
	}
}

func (c clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	e := c.log.Debug()
	if level <= kgo.LogLevelWarn && !c.quiet.Load() {
		e = c.log.Warn()
	}
	for i := 0; i+1 < len(keyvals); i += 2 {
		key := strings.ReplaceAll(fmt.Sprint(keyvals[i]), " ", "_")
		e = e.Str(key, fmt.Sprint(keyvals[i+1]))
	}
	e.Msg(msg)
}
