package bus_test

import (
	"context"
	"errors"
	"testing"

	"chatd/internal/platform/bus"
)

func TestOnDecodesItsOwnNameAndIgnoresOthers(t *testing.T) {
	t.Parallel()
	type named struct {
		Name string `json:"name"`
	}
	var heard []string
	h := bus.On("zoo.born.v1", func(_ context.Context, _ bus.Envelope, e named) error {
		heard = append(heard, e.Name)
		return nil
	})
	for name, payload := range map[string]string{
		"zoo.born.v1":  `{"name":"Knut","weight":3}`,
		"zoo.moved.v1": `not even JSON`,
	} {
		if err := h(t.Context(), bus.Envelope{Name: name, Payload: []byte(payload)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(heard) != 1 || heard[0] != "Knut" {
		t.Errorf("heard %q", heard)
	}
	if err := h(t.Context(), bus.Envelope{Name: "zoo.born.v1", Payload: []byte(`{`)}); err == nil {
		t.Error("broken JSON was taken")
	}
}

func TestEachStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	calls := 0
	count := func(context.Context, bus.Envelope) error { calls++; return nil }
	fail := func(context.Context, bus.Envelope) error { return broken }
	if err := bus.Each(count, fail, count)(t.Context(), bus.Envelope{}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
}
