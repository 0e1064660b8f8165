package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/errs"
)

// Limits are what a bus under test is configured with.
type Limits struct {
	Queue   int           // events accepted and not yet safe, per receiver
	Workers int           // events of a group handled at once
	Tries   int           // before an event is put aside
	Backoff time.Duration // between tries, at most
}

// Factory makes a bus that has not been started and that shares nothing with
// others, not even a broker's topics. The suite starts and stops it.
type Factory func(t *testing.T, limits Limits) bus.Bus

// patience is how long something that must happen may take.
const patience = 20 * time.Second

var limits = Limits{Queue: 64, Workers: 4, Tries: 4, Backoff: time.Millisecond}

// Run holds the buses that factory makes to the contract.
func Run(t *testing.T, factory Factory) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Factory){
		"events of a key arrive in order":                    inOrder,
		"a failing event is tried again and holds its key":   failureHoldsItsKey,
		"poison is put aside and the rest of its key flows":  poison,
		"a panic counts as a failure":                        panics,
		"what is unavailable is waited for":                  unavailable,
		"groups never wait for each other":                   groupsApart,
		"a group that is behind makes its publisher wait":    bounded,
		"only topics of a group reach it":                    topics,
		"nothing but bytes passes":                           onlyBytes,
		"stop finishes the event in hand and gives up later": stopping,
		"a handler that overstays is told by its context":    overstaying,
		"broadcast reaches every handler and never blocks":   broadcast,
		"groups are settled before the start":                lateGroups,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, factory)
		})
	}
}

func event(topic, key string, pos int64) bus.Envelope {
	return bus.Envelope{
		ID: topic + "-" + key + "-" + strconv.FormatInt(pos, 10), Name: topic + ".happened.v1",
		Topic: topic, Key: key, Pos: pos, Time: time.UnixMicro(pos).UTC(), Payload: []byte(`{}`),
	}
}

// heard collects the positions that a group has handled, by key.
type heard struct {
	mu    sync.Mutex
	byKey map[string][]int64
	more  chan struct{} // closed at the next event; nil while nobody waits
}

func (h *heard) add(e bus.Envelope) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byKey == nil {
		h.byKey = make(map[string][]int64)
	}
	h.byKey[e.Key] = append(h.byKey[e.Key], e.Pos)
	if h.more != nil {
		close(h.more)
		h.more = nil
	}
}

func (h *heard) of(key string) []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.byKey[key])
}

// until returns what has been handled of key when that is at least n events:
// behind a broker, events are safe before they are handled.
func (h *heard) until(t *testing.T, key string, n int) []int64 {
	t.Helper()
	late := time.After(patience)
	for {
		h.mu.Lock()
		got := slices.Clone(h.byKey[key])
		if h.more == nil {
			h.more = make(chan struct{})
		}
		more := h.more
		h.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("key %s: %d events handled after %s, want %d", key, len(got), patience, n)
		}
	}
}

func (h *heard) handle(context.Context, bus.Envelope) error { return nil }

func group(t *testing.T, b bus.Bus, name string, h bus.Handler, topics ...string) {
	t.Helper()
	if err := b.Group(name, topics, h); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, b bus.Bus) {
	t.Helper()
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func await[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing after %s", what, patience)
		panic("unreachable")
	}
}

// brokered says whether to stands for all groups of a bus, so that events are
// safe as soon as it keeps them.
func brokered(to bus.Receiver, group string) bool { return to.Name() != group }

// receiver returns the one that events for the group go through.
func receiver(t *testing.T, b bus.Bus, name, topic string) bus.Receiver {
	t.Helper()
	all := b.Receivers()
	for _, r := range all {
		if r.Name() == name || len(all) == 1 && r.Hears(topic) {
			return r
		}
	}
	t.Fatalf("no receiver for group %s", name)
	return nil
}

func inOrder(t *testing.T, factory Factory) {
	var h heard
	b := factory(t, limits)
	group(t, b, "g", func(_ context.Context, e bus.Envelope) error {
		h.add(e)
		return nil
	}, "a")
	start(t, b)
	const keys, each = 20, 50
	var events []bus.Envelope
	for i := range keys * each {
		events = append(events, event("a", strconv.Itoa(i%keys), int64(i)))
	}
	if err := b.Publish(patient(t), events...); err != nil {
		t.Fatal(err)
	}
	for k := range keys {
		got := h.until(t, strconv.Itoa(k), each)
		if len(got) != each || !slices.IsSorted(got) {
			t.Errorf("key %d: %v", k, got)
		}
	}
}

func failureHoldsItsKey(t *testing.T, factory Factory) {
	var h heard
	othersDone := make(chan struct{})
	tries := 0 // of the first event of "bad": only ever in one worker's hand
	b := factory(t, limits)
	group(t, b, "g", func(_ context.Context, e bus.Envelope) error {
		if e.Key == "bad" && e.Pos == 1 {
			tries++
			if tries == 1 {
				return errors.New("not yet")
			}
			<-othersDone // the other key gets through while this one is held
		}
		h.add(e)
		if e.Key == "good" && e.Pos == 20 {
			close(othersDone)
		}
		return nil
	}, "a")
	start(t, b)
	events := []bus.Envelope{event("a", "bad", 1), event("a", "bad", 2)}
	for i := range 10 {
		events = append(events, event("a", "good", int64(11+i)))
	}
	if err := b.Publish(patient(t), events...); err != nil {
		t.Fatal(err)
	}
	if got := h.until(t, "bad", 2); !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("handled %v of the failing key", got)
	}
	if got := h.until(t, "good", 10); len(got) != 10 || !slices.IsSorted(got) {
		t.Errorf("handled %v of the other key", got)
	}
	if tries != 2 {
		t.Errorf("%d tries", tries)
	}
}

func poison(t *testing.T, factory Factory) {
	var h heard
	tries := 0
	b := factory(t, limits)
	group(t, b, "g", func(_ context.Context, e bus.Envelope) error {
		if e.Pos == 1 {
			tries++
			return errors.New("indigestible")
		}
		h.add(e)
		return nil
	}, "a")
	start(t, b)
	if err := b.Publish(patient(t), event("a", "k", 1), event("a", "k", 2)); err != nil {
		t.Fatal(err)
	}
	if got := h.until(t, "k", 1); !slices.Equal(got, []int64{2}) {
		t.Errorf("after the poison came %v", got)
	}
	if tries != limits.Tries {
		t.Errorf("%d tries, want %d", tries, limits.Tries)
	}
	aside := b.Aside()
	if len(aside) != 1 {
		t.Fatalf("%d events put aside", len(aside))
	}
	a := aside[0]
	if a.Group != "g" || a.Event.ID != event("a", "k", 1).ID || a.Tries != limits.Tries || a.Err == "" {
		t.Errorf("put aside as %+v", a)
	}
}

func panics(t *testing.T, factory Factory) {
	var h heard
	calls := 0
	b := factory(t, limits)
	group(t, b, "g", func(_ context.Context, e bus.Envelope) error {
		if calls++; calls == 1 {
			panic("at the first sight")
		}
		h.add(e)
		return nil
	}, "a")
	start(t, b)
	if err := b.Publish(patient(t), event("a", "k", 1)); err != nil {
		t.Fatal(err)
	}
	h.until(t, "k", 1)
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
}

func unavailable(t *testing.T, factory Factory) {
	var h heard
	calls := 0
	b := factory(t, limits)
	group(t, b, "g", func(_ context.Context, e bus.Envelope) error {
		if calls++; calls <= 3*limits.Tries {
			return fmt.Errorf("store: %w", errs.ErrUnavailable)
		}
		h.add(e)
		return nil
	}, "a")
	start(t, b)
	if err := b.Publish(patient(t), event("a", "k", 1)); err != nil {
		t.Fatal(err)
	}
	h.until(t, "k", 1)
	if n := len(b.Aside()); n != 0 {
		t.Errorf("%d events put aside", n)
	}
}

func lateGroups(t *testing.T, factory Factory) {
	b := factory(t, limits)
	group(t, b, "g", (&heard{}).handle, "a")
	if err := b.Group("g", []string{"b"}, (&heard{}).handle); err == nil {
		t.Error("a second group of the same name was taken")
	}
	start(t, b)
	if err := b.Group("late", []string{"a"}, (&heard{}).handle); err == nil {
		t.Error("a group was taken after the start")
	}
}
