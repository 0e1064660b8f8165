package kafkabus_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/kafkabus"
)

// A relay's way through a broker within the process: batches of 100 events of
// 1,000 keys, up to 8 under way, until a group has handled all of them. What is
// measured is this package and the client, not a network or a disk.
func BenchmarkRelayedEvents(b *testing.B) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	k, err := kafkabus.New(kafkabus.Deps{Log: zerolog.Nop()}, kafkabus.Config{Brokers: c.ListenAddrs(), CreateTopics: true})
	if err != nil {
		b.Fatal(err)
	}
	var handled, waited atomic.Int64
	done := make(chan struct{}, 1)
	goal := int64(b.N) * 100
	err = k.Group("g", []string{"a"}, func(_ context.Context, e bus.Envelope) error {
		waited.Add(int64(time.Since(e.Time)))
		if handled.Add(1) == goal {
			done <- struct{}{}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := k.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer k.Stop(context.Background())
	payload := make([]byte, 300)
	window := make(chan *bus.Receipt, 8)
	b.ResetTimer()
	for i := range b.N {
		events := make([]bus.Envelope, 100)
		for j := range events {
			n := i*100 + j
			events[j] = bus.Envelope{
				ID: fmt.Sprint(n), Name: "a.happened.v1", Topic: "a", Key: fmt.Sprint(n % 1000),
				Pos: int64(n + 1), Time: time.Now(), Payload: payload,
			}
		}
		r, err := k.Receivers()[0].Offer(b.Context(), events...)
		if err != nil {
			b.Fatal(err)
		}
		if len(window) == cap(window) {
			if err := (<-window).Wait(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		window <- r
	}
	<-done
	b.ReportMetric(float64(goal)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(waited.Load())/float64(goal)/1e6, "ms/event-under-way")
}
