package limit

import (
	"context"
	"time"
)

// Rate is a budget: Burst at once, and one more each Per. The zero Rate, or
// one without Burst, lets everything pass.
type Rate struct {
	Burst int
	Per   time.Duration
}

// Never is the Rate of what is never refused, where the zero Rate stands for a
// default.
func Never() Rate { return Rate{Burst: -1} }

// Unlimited says that r lets everything pass.
func (r Rate) Unlimited() bool { return r.Burst <= 0 || r.Per <= 0 }

// Limiter keeps a budget per key. Its methods may be called at once from any
// number of goroutines; a count is exact however many call.
type Limiter interface {
	// Allow takes one from key's budget. When there is none left it takes
	// nothing, and retryAfter is how long it is until the next.
	Allow(ctx context.Context, key string, r Rate) (retryAfter time.Duration, ok bool)
}

// Checker is a Limiter that can also be asked without taking anything.
type Checker interface {
	Limiter
	// Check answers what Allow would, and takes nothing.
	Check(ctx context.Context, key string, r Rate) (retryAfter time.Duration, ok bool)
}

// Off lets everything pass.
type Off struct{}

var _ Checker = Off{}

// Allow lets it pass.
func (Off) Allow(context.Context, string, Rate) (time.Duration, bool) { return 0, true }

// Check lets it pass.
func (Off) Check(context.Context, string, Rate) (time.Duration, bool) { return 0, true }
