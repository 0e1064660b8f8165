package bustest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
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
	if slow != quick { // else what is offered to the broker reaches both
		if _, err := slow.Offer(patient(t), event("a", "k", 1)); err != nil {
			t.Fatal(err)
		}
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
	if got := h.until(t, "k", 10*limits.Queue); len(got) != 10*limits.Queue || !slices.IsSorted(got) {
		t.Errorf("%d events handled: %v", len(got), got)
	}
}

func bounded(t *testing.T, factory Factory) {
	hold := make(chan struct{})
	var h heard
	b := factory(t, limits)
	group(t, b, "g", func(_ context.Context, e bus.Envelope) error {
		<-hold
		h.add(e)
		return nil
	}, "a")
	start(t, b)
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)

	to := receiver(t, b, "g", "a")
	if brokered(to, "g") {
		backlog(t, to, &h, release)
		return
	}
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

// backlog is bounded for a broker: it keeps what a group is behind with, so
// publishers go on, and the group comes by all of it in its own time.
func backlog(t *testing.T, to bus.Receiver, h *heard, release func()) {
	t.Helper()
	n := 20 * limits.Queue
	for i := range n {
		r, err := to.Offer(patient(t), event("a", "k", int64(i)))
		if err == nil && i%limits.Queue == 0 {
			err = r.Wait(patient(t))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	release()
	if got := h.until(t, "k", n); len(got) != n || !slices.IsSorted(got) {
		t.Errorf("%d events handled: %v", len(got), got)
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
	if got := a.until(t, "k", 2); !slices.Equal(got, []int64{1, 4}) {
		t.Errorf("the group of a heard %v", got)
	}
	got := ab.until(t, "k", 3)
	slices.Sort(got) // topics have an order each
	if !slices.Equal(got, []int64{1, 2, 4}) {
		t.Errorf("the group of a and b heard %v", got)
	}
}

func onlyBytes(t *testing.T, factory Factory) {
	hold := make(chan struct{})
	seen := make(chan bus.Envelope, 8)
	var calls atomic.Int32
	spoil := func(_ context.Context, e bus.Envelope) error {
		<-hold
		seen <- e.Clone()
		clear(e.Payload) // what one handler does to its copy, no other sees
		if calls.Add(1) == 1 {
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
	for range 3 { // by each group, and once more
		got := await(t, seen, "the event")
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
	if err := later.Wait(patient(t)); !givenUp(to, "g", err) {
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
	to := receiver(t, b, "g", "a")
	receipt, err := to.Offer(patient(t), event("a", "k", 1))
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
	if err := receipt.Wait(patient(t)); !givenUp(to, "g", err) {
		t.Errorf("the event that was broken off: %v", err)
	}
}

// givenUp says whether err is how the receipt of an event ends that had not
// been handled at the stop: a broker still has it.
func givenUp(to bus.Receiver, group string, err error) bool {
	return errors.Is(err, bus.ErrStopped) || err == nil && brokered(to, group)
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
