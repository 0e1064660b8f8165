package auth_test

import (
	"context"
	"testing"
)

// Every request pays for this: after a token's first use nothing is read and
// nothing allocated.
func TestATokenThatWasSeenCostsNoAllocation(t *testing.T) { // not at once with others: it counts allocations
	h := setup(t)
	in := h.Register(t)
	_, text := personal(t, h, h.Caller(t, in), readWrite)
	for what, token := range map[string]string{"access": in.AccessToken, "personal": text} {
		ctx := context.Background()
		n := testing.AllocsPerRun(100, func() {
			if _, err := h.Authenticate(ctx, token); err != nil {
				t.Error(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}
