package gqlx

import (
	"context"
	"errors"
	"fmt"
	"time"

	graphql "github.com/graph-gophers/graphql-go"
)

// runner is a running schema.Subscribe, used as a prepared statement in lock
// step: one node goes in, its response comes out, then the next. So the
// executing library, which drops what is not taken in time, has nothing to
// drop.
type runner struct {
	send   func(ctx context.Context, node any) error
	out    <-chan any
	ctx    context.Context //nolint:containedctx // Its life.
	cancel context.CancelFunc
}

type feederKey struct{}

// feeder is how a subscription's resolver hands its channel to the runner.
type feeder struct {
	send func(ctx context.Context, node any) error
}

// Channel returns what a subscription's resolver returns: the channel on which
// the renderer sends it the nodes that SubscriptionField.Node makes, which
// must be of type T. The channel is unbuffered and never closed; it ends with
// the context.
func Channel[T any](ctx context.Context) (<-chan T, error) {
	f, ok := ctx.Value(feederKey{}).(*feeder)
	if !ok {
		return nil, errNotRendering
	}
	ch := make(chan T)
	f.send = func(ctx context.Context, node any) error {
		v, ok := node.(T)
		if !ok {
			return fmt.Errorf("the node is a %T, the resolver's channel is of %T", node, *new(T))
		}
		select {
		case ch <- v:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ch, nil
}

// runner takes an idle one or starts one.
func (g *group) runner() (*runner, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.idle); n > 0 {
		r := g.idle[n-1]
		g.idle = g.idle[:n-1]
		return r, nil
	}
	if !g.engine.begin() {
		return nil, errClosed
	}
	r := &runner{}
	r.ctx, r.cancel = context.WithCancel(g.ctx)
	var f feeder
	out, err := g.engine.engine.Subscribe(context.WithValue(r.ctx, feederKey{}, &f), g.doc.text, g.doc.operation, g.doc.variables)
	if err != nil || f.send == nil {
		r.cancel()
		g.engine.work.Done()
		return nil, fmt.Errorf("start rendering %s: %w", g.field.Name, notStarted(out, err))
	}
	r.send, r.out = f.send, out
	context.AfterFunc(r.ctx, func() {
		defer g.engine.work.Done()
		for range out { // until the library has ended
		}
	})
	return r, nil
}

// notStarted finds out why the library did not call the resolver, or why the
// resolver did not call Channel.
func notStarted(out <-chan any, err error) error {
	if err != nil {
		return err
	}
	select {
	case v := <-out:
		if resp, ok := v.(*graphql.Response); ok && len(resp.Errors) > 0 {
			if cause := resp.Errors[0].ResolverError; cause != nil {
				return cause
			}
			return resp.Errors[0]
		}
	default:
	}
	return errors.New("its resolver does not return gqlx.Channel")
}

// step executes one node. After an error the runner must be ended.
func (r *runner) step(node any, limit time.Duration) (*graphql.Response, error) {
	// The library gives up by itself at the limit and says so; the second more
	// is for the case that it cannot.
	ctx, cancel := context.WithTimeout(r.ctx, limit+time.Second)
	defer cancel()
	if err := r.send(ctx, node); err != nil {
		return nil, err
	}
	select {
	case v, ok := <-r.out:
		resp, is := v.(*graphql.Response)
		if !ok || !is {
			return nil, errors.New("the engine ended the subscription")
		}
		return resp, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *runner) end() { r.cancel() }

// release keeps the runner for the next event, for a minute.
func (g *group) release(r *runner) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx.Err() != nil {
		r.end()
		return
	}
	g.idle = append(g.idle, r)
	if g.timer == nil {
		g.timer = time.AfterFunc(idleRunners, g.rest)
		return
	}
	g.timer.Reset(idleRunners)
}

// rest ends the idle runners of a group that has had no event for a minute.
func (g *group) rest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.idle {
		r.end()
	}
	g.idle = nil
}
