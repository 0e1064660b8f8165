package turn_test

import (
	"context"
	"testing"

	"chatd/internal/platform/turn"
)

func TestPassReachesWhoWaits(t *testing.T) {
	t.Parallel()
	turn.Pass(t.Context()) // nobody's turn
	passed := 0
	ctx, cancel := context.WithCancel(turn.With(t.Context(), func() { passed++ }))
	defer cancel()
	turn.Pass(ctx)
	if passed != 1 {
		t.Errorf("passed %d times", passed)
	}
}
