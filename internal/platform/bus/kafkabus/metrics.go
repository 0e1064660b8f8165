package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// lagEvery is how often the brokers are asked how far groups are behind.
const lagEvery = 10 * time.Second

type metrics struct {
	published *prometheus.CounterVec
	handled   *prometheus.CounterVec
	retries   *prometheus.CounterVec
	aside     *prometheus.CounterVec
	errors    *prometheus.CounterVec
	lag       *prometheus.GaugeVec
	lost      prometheus.Counter
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
	}
	if to != nil {
		to.MustRegister(m.published, m.handled, m.retries, m.aside, m.errors, m.lag, m.lost)
	}
	return m
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
type clientLog struct{ log zerolog.Logger }

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
	if level <= kgo.LogLevelWarn {
		e = c.log.Warn()
	}
	for i := 0; i+1 < len(keyvals); i += 2 {
		key := strings.ReplaceAll(fmt.Sprint(keyvals[i]), " ", "_")
		e = e.Str(key, fmt.Sprint(keyvals[i+1]))
	}
	e.Msg(msg)
}
