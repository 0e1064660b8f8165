package relay_test

import (
	"context"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/relay"
)

// events is a log.
type events struct {
	mu  sync.Mutex
	all []bus.Envelope
	err error
}

// commit appends n events and returns how many there are.
func (l *events) commit(n int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		l.all = append(l.all, bus.Envelope{Topic: "a", Key: "k", Name: "a.happened.v1", Pos: int64(len(l.all) + 1)})
	}
	return int64(len(l.all))
}

func (l *events) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *events) Read(_ context.Context, after int64, limit int) ([]bus.Envelope, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := l.all[after:]
	part = part[:min(len(part), limit)]
	return part, after + int64(len(part)), l.err
}

func (l *events) LastChange(context.Context) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.all)), l.err
}

// receiver takes events as they are offered; they are safe when release says so.
type receiver struct {
	mu     sync.Mutex
	heard  []int64
	held   bool
	settle []func(error)
}

func (r *receiver) Offer(_ context.Context, events ...bus.Envelope) (*bus.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		r.heard = append(r.heard, e.Pos)
	}
	receipt, settle := bus.NewReceipt()
	if r.held {
		r.settle = append(r.settle, settle)
	} else {
		settle(nil)
	}
	return receipt, nil
}

func (r *receiver) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = true
}

func (r *receiver) release(i int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle[i](err)
}

func (r *receiver) positions() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

// pass lets time go by until all that is due by then has been done.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func upTo(from, to int64) (all []int64) {
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}

// cutOff loses its connection to the store.
type cutOff struct {
	relay.Positions
	mu  sync.Mutex
	err error
}

func (c *cutOff) cut(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *cutOff) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *cutOff) Load(ctx context.Context, name string) (relay.State, error) {
	if err := c.lost(); err != nil {
		return relay.State{}, err
	}
	return c.Positions.Load(ctx, name)
}

func (c *cutOff) Take(ctx context.Context, name string, seen relay.State) (relay.State, error) {
	if err := c.lost(); err != nil {
		return relay.State{}, err
	}
	return c.Positions.Take(ctx, name, seen)
}

func (c *cutOff) Save(ctx context.Context, name string, s relay.State) error {
	if err := c.lost(); err != nil {
		return err
	}
	return c.Positions.Save(ctx, name, s)
}
