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
