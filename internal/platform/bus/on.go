package bus

import (
	"context"
	"encoding/json"
	"fmt"
)

// On returns a Handler for the events of one name, decoded from JSON. Events
// of other names and fields that T does not have are ignored, so that
// publishers may add both.
func On[T any](name string, handle func(ctx context.Context, e Envelope, event T) error) Handler {
	return func(ctx context.Context, e Envelope) error {
		if e.Name != name {
			return nil
		}
		var event T
		if err := json.Unmarshal(e.Payload, &event); err != nil {
			return fmt.Errorf("decode %s: %w", e.Name, err)
		}
		return handle(ctx, e, event)
	}
}

// Each returns a Handler that gives an event to each of several, one after the
// other, until one fails. After a failure all of them see it again.
func Each(handlers ...Handler) Handler {
	return func(ctx context.Context, e Envelope) error {
		for _, h := range handlers {
			if err := h(ctx, e); err != nil {
				return err
			}
		}
		return nil
	}
}
