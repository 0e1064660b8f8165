package relay

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts for all relays of a process.
type Metrics struct {
	backlog  *prometheus.GaugeVec
	failures *prometheus.CounterVec
}

// NewMetrics returns metrics that are registered with to; nil counts nowhere.
func NewMetrics(to prometheus.Registerer) *Metrics {
	m := &Metrics{
		backlog: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chatd_relay_backlog", Help: "Events in the log that are not yet safe with the receiver, by relay; on the node that holds it.",
		}, []string{"relay"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatd_relay_failures_total", Help: "How often a relay was interrupted and began again, by relay.",
		}, []string{"relay"}),
	}
	if to != nil {
		to.MustRegister(m.backlog, m.failures)
	}
	return m
}
