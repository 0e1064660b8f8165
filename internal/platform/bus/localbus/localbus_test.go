package localbus_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/bustest"
	"chatd/internal/platform/bus/localbus"
)

func TestLocalBusKeepsTheContract(t *testing.T) {
	t.Parallel()
	bustest.Run(t, func(_ *testing.T, l bustest.Limits) bus.Bus {
		return localbus.New(localbus.Deps{Log: zerolog.Nop()}, localbus.Config{
			Queue: l.Queue, Workers: l.Workers, Tries: l.Tries, Backoff: l.Backoff, MaxBackoff: l.Backoff,
			Lossy: l.Queue,
		})
	})
}

func TestTriesAreSpacedByBackoffAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		counts := prometheus.NewRegistry()
		b := localbus.New(localbus.Deps{Log: zerolog.Nop(), Metrics: counts}, localbus.Config{
			Tries: 5, Backoff: time.Second, MaxBackoff: 3 * time.Second,
		})
		fail := func(context.Context, bus.Envelope) error {
			at = append(at, time.Since(begin))
			return errors.New("never")
		}
		if err := b.Group("g", []string{"a"}, fail); err != nil {
			t.Fatal(err)
		}
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Publish(t.Context(), bus.Envelope{Topic: "a", Name: "a.b.v1"}); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, time.Second, 3 * time.Second, 6 * time.Second, 9 * time.Second}
		if len(at) != len(want) {
			t.Fatalf("tried at %v", at)
		}
		for i := range want {
			if at[i] != want[i] {
				t.Errorf("try %d at %s, want %s", i, at[i], want[i])
			}
		}
		if n, err := testutil.GatherAndCount(counts, "chatd_bus_aside_total", "chatd_bus_retries_total"); err != nil || n != 2 {
			t.Errorf("%d counters, %v", n, err)
		}
		if err := b.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOnlyTheLatestAsidesAreKept(t *testing.T) {
	t.Parallel()
	b := localbus.New(localbus.Deps{Log: zerolog.Nop()}, localbus.Config{Tries: 1, Asides: 2, Workers: 1})
	fail := func(context.Context, bus.Envelope) error { return errors.New("never") }
	if err := b.Group("g", []string{"a"}, fail); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2", "3"} {
		if err := b.Publish(t.Context(), bus.Envelope{Topic: "a", ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	got := b.Aside()
	if len(got) != 2 || got[0].Event.ID != "2" || got[1].Event.ID != "3" {
		t.Errorf("kept %+v", got)
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
