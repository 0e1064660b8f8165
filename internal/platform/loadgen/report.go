package loadgen

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Report is what a run has measured and judged. Its JSON is one line of
// `chatd bench --json`. What is of the server is 0 when it was not local.
type Report struct {
	Scenario  string  `json:"scenario"`
	Rooms     int     `json:"rooms"`
	Receivers int     `json:"receivers"`
	Streams   int     `json:"streams"`
	Window    int     `json:"window,omitempty"`
	Rate      float64 `json:"rate,omitempty"`

	Seconds      float64   `json:"seconds"` // from the first measured send to the last delivery
	Sent         int64     `json:"sent"`
	Acked        int64     `json:"acked"`
	Delivered    int64     `json:"delivered"`
	AckRate      float64   `json:"acks_per_s"`
	DeliveryRate float64   `json:"deliveries_per_s"`
	Ack          Quantiles `json:"ack_ms"`      // send to acknowledgement
	Delivery     Quantiles `json:"delivery_ms"` // send to each delivery

	// The judgement, of the whole run with its warm-up: all must be 0.
	Lost      int64  `json:"lost"`
	Doubled   int64  `json:"doubled"`
	Reordered int64  `json:"reordered"`
	Failed    int64  `json:"failed"` // sends and subscriptions
	Failure   string `json:"first_failure,omitempty"`

	ServerCPU      float64 `json:"server_cpu_s"`                // user and system, of the measured part and the hold
	CPUPerDelivery float64 `json:"cpu_us_per_delivery"`         // microseconds
	ServerRSS      int64   `json:"server_rss_bytes"`            // at the end of the measured part
	RSSPerSocket   int64   `json:"rss_bytes_per_socket"`        // after the hold, over what it was with the first quarter of them
	HeldSeconds    float64 `json:"held_s,omitempty"`            // of idle
	HeldCPU        float64 `json:"held_server_cpu_s,omitempty"` // of idle
	Nodes          []Node  `json:"nodes,omitempty"`             // where there are several
}

// Node is what one of several nodes has used, and delivered to its sockets.
type Node struct {
	URL            string  `json:"url"`
	Delivered      int64   `json:"delivered"`
	CPU            float64 `json:"cpu_s"`
	CPUPerDelivery float64 `json:"cpu_us_per_delivery"`
	RSS            int64   `json:"rss_bytes"`
}

// Quantiles are latencies in milliseconds.
type Quantiles struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

// Good says whether nothing was lost, doubled, reordered or refused.
func (r *Report) Good() bool {
	return r.Lost == 0 && r.Doubled == 0 && r.Reordered == 0 && r.Failed == 0
}

func (l *latencies) report() Quantiles {
	q := l.quantiles(0.5, 0.99, 0.999)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return Quantiles{ms(q[0]), ms(q[1]), ms(q[2])}
}

// measure warms up, holds, and sends what is measured.
func (p *play) measure(ctx context.Context, procs servers, r *Report) {
	if p.cfg.Warmup > 0 {
		p.say(fmt.Sprintf("warming up with %d messages", p.cfg.Warmup))
		p.sendAll(ctx, p.cfg.Warmup)
		p.ack.reset()
		p.delivery.reset()
	}
	start, each := procs.used(), procs.usedEach()
	if p.scenario.Hold > 0 {
		p.say(fmt.Sprintf("holding for %s", p.scenario.Hold))
		begin := time.Now()
		waitUntil(ctx, begin.Add(p.scenario.Hold))
		r.HeldSeconds, r.HeldCPU = time.Since(begin).Seconds(), (procs.used() - start).Seconds()
	}
	if rss := procs.holds(); rss > 0 && p.rssBefore > 0 {
		r.RSSPerSocket = (rss - p.rssBefore) / int64(p.scenario.sockets()-p.socketsBefore)
	}
	sent, acked, delivered := p.sent.Load(), p.acked.Load(), p.delivered.Load()
	had := p.deliveredEach()
	p.say(fmt.Sprintf("sending %d messages", p.scenario.Messages))
	begin := time.Since(p.began)
	p.sendAll(ctx, p.scenario.Messages)
	r.Seconds = (max(time.Duration(p.last.Load()), begin+1) - begin).Seconds()
	r.Sent, r.Acked, r.Delivered = p.sent.Load()-sent, p.acked.Load()-acked, p.delivered.Load()-delivered
	r.AckRate, r.DeliveryRate = float64(r.Acked)/r.Seconds, float64(r.Delivered)/r.Seconds
	r.Ack, r.Delivery = p.ack.report(), p.delivery.report()
	r.ServerCPU = (procs.used() - start).Seconds()
	r.CPUPerDelivery = (r.ServerCPU - r.HeldCPU) * 1e6 / float64(max(r.Delivered, 1))
	r.ServerRSS = procs.holds()
	if len(procs) > 1 {
		for i, now := range procs.usedEach() {
			n := Node{URL: p.cfg.URLs[i], Delivered: p.byNode[i].Load() - had[i], CPU: (now - each[i]).Seconds(), RSS: procs[i].holds()}
			n.CPUPerDelivery = n.CPU * 1e6 / float64(max(n.Delivered, 1))
			r.Nodes = append(r.Nodes, n)
		}
	}
}

func (p *play) deliveredEach() []int64 {
	each := make([]int64, len(p.byNode))
	for i := range p.byNode {
		each[i] = p.byNode[i].Load()
	}
	return each
}

// judge compares what every receiver got with what was acknowledged. All
// connections have ended.
func (p *play) judge(r *Report) {
	for _, room := range p.rooms {
		for _, receiver := range room.receivers {
			r.Doubled += int64(receiver.doubled)
			r.Reordered += int64(receiver.late)
			for i, s := range room.streams {
				r.Lost += int64(receiver.tracks[i].lost(s.next, s.unacked))
			}
		}
	}
	r.Failed = p.failed.Load()
	if first := p.firstFailure.Load(); first != nil {
		r.Failure = *first
	}
}

// WriteJSON writes the report as one line.
func (r *Report) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// WriteTable writes the report for eyes.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	row("scenario", "%s: %d receivers and %d senders in %d conversations", r.Scenario, r.Receivers, r.Streams, r.Rooms)
	row("messages", "%d sent, %d acknowledged, %d delivered in %.2f s", r.Sent, r.Acked, r.Delivered, r.Seconds)
	row("acknowledgements/s", "%.0f", r.AckRate)
	row("deliveries/s", "%.0f", r.DeliveryRate)
	row("acknowledged after", "p50 %.2f ms  p99 %.2f ms  p999 %.2f ms", r.Ack.P50, r.Ack.P99, r.Ack.P999)
	row("delivered after", "p50 %.2f ms  p99 %.2f ms  p999 %.2f ms", r.Delivery.P50, r.Delivery.P99, r.Delivery.P999)
	if r.ServerRSS > 0 {
		row("server", "%.2f s CPU (%.1f us a delivery), %.1f MiB RSS", r.ServerCPU, r.CPUPerDelivery, float64(r.ServerRSS)/(1<<20))
	}
	for _, n := range r.Nodes {
		row(n.URL, "%.2f s CPU (%.1f us a delivery of its own %d), %.1f MiB RSS", n.CPU, n.CPUPerDelivery, n.Delivered, float64(n.RSS)/(1<<20))
	}
	if r.HeldSeconds > 0 && r.ServerRSS > 0 {
		row("held", "%.0f s for %.2f s of server CPU, %.1f KiB a socket", r.HeldSeconds, r.HeldCPU, float64(r.RSSPerSocket)/(1<<10))
	}
	row("judgement", "%d lost, %d doubled, %d reordered, %d failed", r.Lost, r.Doubled, r.Reordered, r.Failed)
	if r.Failure != "" {
		row("first failure", "%s", r.Failure)
	}
	return t.Flush()
}
