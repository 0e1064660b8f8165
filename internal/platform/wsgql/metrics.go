package wsgql

import (
	"encoding/binary"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"chatd/internal/platform/gqlx"
)

// What is counted for every message.
const (
	received = iota
	deliveries
	writes
	writtenBytes
	blockedWrites
	queries
	mutations
	subscribed
	counterKinds
)

const counterShards = 16

// metrics counts without locks and, for what happens often, without cache
// lines that processors share.
type metrics struct {
	shards [counterShards]struct {
		n [counterKinds]atomic.Uint64
		_ [64]byte
	}
	subscriptions atomic.Int64
	sockets       func() int

	closes  *prometheus.CounterVec
	refused *prometheus.CounterVec
}

func newMetrics(s *Server) *metrics {
	return &metrics{
		sockets: s.registry.size,
		closes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatd_ws_closed_total", Help: "Sockets closed by us, by close code; 0 is without one.",
		}, []string{"code"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatd_ws_refused_total", Help: "Upgrades refused, by reason.",
		}, []string{"reason"}),
	}
}

func (m *metrics) count(shard, kind int, n uint64) {
	m.shards[shard%counterShards].n[kind].Add(n)
}

func (m *metrics) wrote(shard, bytes int) {
	m.count(shard, writes, 1)
	m.count(shard, writtenBytes, uint64(bytes)) //nolint:gosec // never negative
}

func (m *metrics) operation(shard int, k gqlx.Kind) {
	switch k {
	case gqlx.Query:
		m.count(shard, queries, 1)
	case gqlx.Mutation:
		m.count(shard, mutations, 1)
	case gqlx.Subscription:
		m.count(shard, subscribed, 1)
	}
}

// closed counts a socket that we end with the given close frame; nil is none.
func (m *metrics) closed(frame []byte) {
	code := uint16(0)
	if len(frame) >= 4 {
		code = binary.BigEndian.Uint16(frame[2:])
	}
	m.closes.WithLabelValues(strconv.Itoa(int(code))).Inc()
}

func (m *metrics) sum(kind int) float64 {
	var n uint64
	for i := range m.shards {
		n += m.shards[i].n[kind].Load()
	}
	return float64(n)
}

var (
	socketsDesc       = prometheus.NewDesc("chatd_ws_sockets", "Open sockets.", nil, nil)
	subscriptionsDesc = prometheus.NewDesc("chatd_ws_subscriptions", "Subscriptions in force.", nil, nil)
	operationsDesc    = prometheus.NewDesc("chatd_ws_operations_total", "Operations begun, by kind.", []string{"kind"}, nil)
	counterDescs      = map[int]*prometheus.Desc{
		received:      prometheus.NewDesc("chatd_ws_received_messages_total", "Messages received.", nil, nil),
		deliveries:    prometheus.NewDesc("chatd_ws_deliveries_total", "Live events delivered to subscriptions.", nil, nil),
		writes:        prometheus.NewDesc("chatd_ws_writes_total", "Writes to sockets; one takes all that is waiting.", nil, nil),
		writtenBytes:  prometheus.NewDesc("chatd_ws_written_bytes_total", "Bytes written to sockets.", nil, nil),
		blockedWrites: prometheus.NewDesc("chatd_ws_blocked_writes_total", "Times that a socket could not take all at once.", nil, nil),
	}
)

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(socketsDesc, prometheus.GaugeValue, float64(m.sockets()))
	ch <- prometheus.MustNewConstMetric(subscriptionsDesc, prometheus.GaugeValue, float64(m.subscriptions.Load()))
	for kind, d := range counterDescs {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, m.sum(kind))
	}
	for i, kind := range []string{"query", "mutation", "subscription"} {
		ch <- prometheus.MustNewConstMetric(operationsDesc, prometheus.CounterValue, m.sum(queries+i), kind)
	}
	m.closes.Collect(ch)
	m.refused.Collect(ch)
}
