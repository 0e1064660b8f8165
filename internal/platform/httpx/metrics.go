package httpx

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// MetricsHandler serves a registry's metrics for Prometheus.
func MetricsHandler(reg prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// requestMetrics counts by method and class of status; what strangers send is
// never a label.
type requestMetrics struct {
	seconds map[string][6]prometheus.Observer
}

func newRequestMetrics(reg prometheus.Registerer) *requestMetrics {
	if reg == nil {
		return &requestMetrics{}
	}
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "chatd_http_request_seconds",
		Help:    "How long requests took to answer; sockets until they were upgraded or ended.",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 30},
	}, []string{"method", "status"})
	reg.MustRegister(vec)
	m := &requestMetrics{seconds: map[string][6]prometheus.Observer{}}
	for _, method := range []string{"GET", "POST", "other"} {
		var row [6]prometheus.Observer
		for class := 1; class <= 5; class++ {
			row[class] = vec.WithLabelValues(method, strconv.Itoa(class)+"xx")
		}
		m.seconds[method] = row
	}
	return m
}

func (m *requestMetrics) observe(method string, status int, took time.Duration) {
	row, ok := m.seconds[method]
	if !ok {
		row = m.seconds["other"]
	}
	if o := row[min(max(status/100, 1), 5)]; o != nil {
		o.Observe(took.Seconds())
	}
}
