// Package turn lets things that must take effect in order overlap all the
// same. Who runs them one after the other gives each a context with its turn
// (With); what they call tells, as soon as their place in the order is fixed,
// that the next may begin (Pass): a writer does so when its job has been
// queued, and need not have been committed.
//
// It orders nothing itself, and a turn that nobody passes ends with its work.
package turn

import "context"

type key struct{}

// With returns a context whose turn ends with pass. pass may be called more
// than once and from any goroutine; it must not block.
func With(ctx context.Context, pass func()) context.Context {
	return context.WithValue(ctx, key{}, pass)
}

// Pass says that what is done under ctx has its place in the order. Without a
// turn it does nothing.
func Pass(ctx context.Context) {
	if pass, ok := ctx.Value(key{}).(func()); ok {
		pass()
	}
}
