package bustest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"chatd/internal/platform/bus"
)

func groupsApart(t *testing.T, factory Factory) {
	hold := make(chan struct{})
	var h heard
	b := factory(t, limits)
	group(t, b, "slow", func(context.Context, bus.Envelope) error {
		<-hold
		return nil
	}, "a")
	group(t, b, "quick", func(_ context.Context, e bus.Envelope) error {
		h.add(e)
		return nil
	}, "a")
	start(t, b)
	t.Cleanup(sync.OnceFunc(func() { close(hold) })) // before the stop

	slow, quick := receiver(t, b, "slow", "a"), receiver(t, b, "quick", "a")
	if slow == quick {
		t.Skip("a broker keeps the groups apart") // then each reads at its own speed
	}
	if _, err := slow.Offer(patient(t), event("a", "k", 1)); err != nil {
		t.Fatal(err)
	}
	for i := range int64(10 * limits.Queue) {
		receipt, err := quick.Offer(patient(t), event("a", "k", i))
		if err == nil {
			err = receipt.Wait(patient(t))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := len(h.of("k")); n != 10*limits.Queue {
		t.Errorf("%d events handled", n)
	}
}

func bounded(t *testing.T, factory Factory) {
	hold := make(chan struct{})
	b := factory(t, limits)
	group(t, b, "g", func(context.Context, bus.Envelope) error {
		<-hold
		return nil
	}, "a")
	start(t, b)
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)

	to := receiver(t, b, "g", "a")
	var receipts []*bus.Receipt
	for i := range limits.Queue {
		r, err := to.Offer(patient(t), event("a", "k", int64(i)))
		if err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, r)
	}
	ctx, cancel := context.WithCancel(patient(t))
	refused := make(chan error, 1)
	go func() {
		_, err := to.Offer(ctx, event("a", "k", int64(limits.Queue)))
		refused <- err
	}()
	cancel()
	if err := await(t, refused, "an offer whose context has ended"); !errors.Is(err, context.Canceled) {
		t.Errorf("offered beyond the bound: %v", err)
	}
	release()
	for _, r := range receipts {
		if err := r.Wait(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func topics(t *testing.T, factory Factory) {
	var a, ab heard
	b := factory(t, limits)
	group(t, b, "a", func(_ context.Context, e bus.Envelope) error { a.add(e); return nil }, "a")
	group(t, b, "ab", func(_ context.Context, e bus.Envelope) error { ab.add(e); return nil }, "a", "b")
	start(t, b)
	err := b.Publish(patient(t), event("a", "k", 1), event("b", "k", 2), event("c", "k", 3), event("a", "k", 4))
	if err != nil {
		t.Fatal(err)
	}
	if got := a.of("k"); !slices.Equal(got, []int64{1, 4}) {
		t.Errorf("the group of a heard %v", got)
	}
	got := ab.of("k")
	slices.Sort(got) // topics have an order each
	if !slices.Equal(got, []int64{1, 2, 4}) {
		t.Errorf("the group of a and b heard %v", got)
	}
}

func onlyBytes(t *testing.T, factory Factory) {
	hold := make(chan struct{})
	seen := make(chan bus.Envelope, 8)
	spoil := func(_ context.Context, e bus.Envelope) error {
		<-hold
		seen <- e.Clone()
		clear(e.Payload) // what one handler does to its copy, no other sees
		if len(seen) == 1 {
			return errors.New("once more")
		}
		return nil
	}
	b := factory(t, limits)
	group(t, b, "one", spoil, "a")
	group(t, b, "two", spoil, "a")
	start(t, b)
	sent := event("a", "k", 7)
	sent.Trace, sent.Payload = "trace", []byte(`{"n":"é☃"}`)
	want := sent.Clone()
	done := make(chan error, 1)
	var offers []*bus.Receipt
	for _, to := range b.Receivers() {
		r, err := to.Offer(patient(t), sent)
		if err != nil {
			t.Fatal(err)
		}
		offers = append(offers, r)
	}
	clear(sent.Payload) // nor what the publisher does afterwards
	close(hold)
	go func() {
		for _, r := range offers {
			if err := r.Wait(patient(t)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	if err := await(t, done, "the receipts"); err != nil {
		t.Fatal(err)
	}
	if len(seen) < 2 {
		t.Fatalf("seen %d times", len(seen))
	}
	for range len(seen) {
		got := <-seen
		same := string(got.Payload) == string(want.Payload) && got.Time.Equal(want.Time)
		got.Payload, got.Time = nil, want.Time
		if w := want; !same || got.ID != w.ID || got.Name != w.Name || got.Topic != w.Topic ||
			got.Key != w.Key || got.Pos != w.Pos || got.Trace != w.Trace {
			t.Errorf("arrived as %+v", got)
		}
	}
}

func stopping(t *testing.T, factory Factory) {
	entered, hold := make(chan struct{}), make(chan struct{})
	var h heard
	b := factory(t, limits)
	group(t, b, "g", func(ctx context.Context, e bus.Envelope) error {
		close(entered) // a second event would panic
		<-hold
		h.add(e)
		return ctx.Err()
	}, "a")
	start(t, b)
	to := receiver(t, b, "g", "a")
	inHand, err := to.Offer(patient(t), event("a", "k", 1))
	if err != nil {
		t.Fatal(err)
	}
	later, err := to.Offer(patient(t), event("a", "k", 2))
	if err != nil {
		t.Fatal(err)
	}
	await(t, entered, "the first event")
	stopped := make(chan error, 1)
	go func() { stopped <- b.Stop(patient(t)) }()
	for i := int64(3); ; i++ { // until the stop has begun
		if _, err := to.Offer(patient(t), event("a", "k", i)); err != nil {
			if !errors.Is(err, bus.ErrStopped) {
				t.Fatal(err)
			}
			break
		}
	}
	close(hold)
	if err := await(t, stopped, "the stop"); err != nil {
		t.Fatal(err)
	}
	if err := inHand.Wait(patient(t)); err != nil {
		t.Errorf("the event in hand: %v", err)
	}
	if err := later.Wait(patient(t)); !errors.Is(err, bus.ErrStopped) {
		t.Errorf("the event behind it: %v", err)
	}
	if got := h.of("k"); !slices.Equal(got, []int64{1}) {
		t.Errorf("handled %v", got)
	}
}

func overstaying(t *testing.T, factory Factory) {
	entered, told := make(chan struct{}), make(chan struct{})
	b := factory(t, limits)
	group(t, b, "g", func(ctx context.Context, _ bus.Envelope) error {
		close(entered)
		<-ctx.Done()
		close(told)
		return ctx.Err()
	}, "a")
	start(t, b)
	receipt, err := receiver(t, b, "g", "a").Offer(patient(t), event("a", "k", 1))
	if err != nil {
		t.Fatal(err)
	}
	await(t, entered, "the event")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("stop: %v", err)
	}
	await(t, told, "the end of the handler's context")
	if err := receipt.Wait(patient(t)); !errors.Is(err, bus.ErrStopped) {
		t.Errorf("the event that was broken off: %v", err)
	}
}

func broadcast(t *testing.T, factory Factory) {
	hold := make(chan struct{})
	first, second := make(chan bus.Envelope, 1), make(chan bus.Envelope, 1)
	b := factory(t, limits)
	hear := func(to chan<- bus.Envelope) func(bus.Envelope) {
		return func(e bus.Envelope) {
			<-hold
			select {
			case to <- e:
			default:
			}
		}
	}
	for _, to := range []chan bus.Envelope{first, second} {
		if err := b.Broadcast([]string{"live"}, hear(to)); err != nil {
			t.Fatal(err)
		}
	}
	group(t, b, "g", func(context.Context, bus.Envelope) error {
		t.Error("a group heard a broadcast")
		return nil
	}, "live")
	start(t, b)
	b.PublishLossy(t.Context(), event("other", "k", 0))
	for i := range int64(100 * limits.Queue) { // nobody takes any: it must not wait
		b.PublishLossy(t.Context(), event("live", "k", i+1))
	}
	close(hold)
	for _, from := range []chan bus.Envelope{first, second} {
		if e := await(t, from, "a broadcast"); e.Topic != "live" {
			t.Errorf("heard %s", e.Topic)
		}
	}
}
