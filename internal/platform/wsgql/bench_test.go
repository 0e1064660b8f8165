package wsgql_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"chatd/internal/platform/wsgql"
	"chatd/internal/platform/wsgql/wsclient"
)

// BenchmarkFanOut stands for one busy conversation: an event to many sockets
// that hold the same subscription, each event when all have the one before, or
// 32 of them on the way. The clients are in the same process and take part of
// its time.
func BenchmarkFanOut(b *testing.B) {
	for _, sockets := range []int{100, 1000} {
		for _, window := range []int{1, 32} {
			b.Run(fmt.Sprintf("sockets=%d/window=%d", sockets, window), func(b *testing.B) {
				r := setup(b, wsgql.Config{Unlimited: true})
				var got atomic.Int64
				full := make(chan struct{}, 1)
				want := int64(sockets * window)
				for range sockets {
					c, err := wsclient.Dial(b.Context(), r.url, nil)
					if err != nil {
						b.Fatal(err)
					}
					b.Cleanup(func() { _ = c.Close() })
					err = c.Subscribe("1", "sub a", nil, func(e wsclient.Event) {
						if e.Kind == wsclient.Next && got.Add(1)%want == 0 {
							full <- struct{}{}
						}
					})
					if err != nil {
						b.Fatal(err)
					}
					if _, err := c.Query(b.Context(), "{ok}", nil); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				for n := 0; b.Loop(); n += window {
					r.publish("a", n, n+window)
					<-full
				}
				deliveries := float64(b.N * sockets * window)
				b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/deliveries, "ns/delivery")
			})
		}
	}
}

// BenchmarkIdle reports what one more subscribed socket costs in heap and
// stack, its client's half included.
func BenchmarkIdle(b *testing.B) {
	const sockets = 1000
	r := setup(b, wsgql.Config{Unlimited: true})
	inUse := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	for b.Loop() {
		before := inUse()
		conns := make([]*wsclient.Conn, sockets)
		for i := range conns {
			c, err := wsclient.Dial(b.Context(), r.url, nil)
			if err != nil {
				b.Fatal(err)
			}
			conns[i] = c
			if err := c.Subscribe("1", "sub a", nil, func(wsclient.Event) {}); err != nil {
				b.Fatal(err)
			}
			if _, err := c.Query(b.Context(), "{ok}", nil); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(inUse()-before)/sockets, "bytes/socket")
		for _, c := range conns {
			_ = c.Close()
		}
	}
}

// BenchmarkQuery is the round trip of a query that does nothing.
func BenchmarkQuery(b *testing.B) {
	r := setup(b, wsgql.Config{Unlimited: true})
	c, err := wsclient.Dial(b.Context(), r.url, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Query(b.Context(), "{ok}", nil); err != nil {
			b.Fatal(err)
		}
	}
}
