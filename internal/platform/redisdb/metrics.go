package redisdb

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	seconds         prometheus.Histogram
	failed, skipped prometheus.Counter
	sent, heard     prometheus.Counter
}

func newMetrics(to prometheus.Registerer, d *DB) *metrics {
	count := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "chatd_redis_" + name, Help: help})
	}
	m := &metrics{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chatd_redis_call_seconds", Help: "How long calls took that Redis answered.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1},
		}),
		failed:  count("failed_calls_total", "Calls that Redis did not answer in time or at all."),
		skipped: count("skipped_calls_total", "Calls that were not tried because Redis was away."),
		sent:    count("published_total", "Messages published."),
		heard:   count("received_total", "Messages received on subscribed channels."),
	}
	if to != nil {
		up := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "chatd_redis_up", Help: "1 while Redis is used, 0 while it is away.",
		}, func() float64 {
			if d.health.away.Load() {
				return 0
			}
			return 1
		})
		to.MustRegister(m.seconds, m.failed, m.skipped, m.sent, m.heard, up)
	}
	return m
}
