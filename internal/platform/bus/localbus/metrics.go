package localbus

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	retries *prometheus.CounterVec
	aside   *prometheus.CounterVec
	lost    prometheus.Counter
}

func newMetrics(to prometheus.Registerer) *metrics {
	m := &metrics{
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatd_bus_retries_total", Help: "Tries of events that failed and are repeated, by group.",
		}, []string{"group"}),
		aside: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatd_bus_aside_total", Help: "Events put aside because they kept failing, by group.",
		}, []string{"group"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chatd_bus_lossy_lost_total", Help: "Broadcast events lost to a full queue.",
		}),
	}
	if to != nil {
		to.MustRegister(m.retries, m.aside, m.lost)
	}
	return m
}
