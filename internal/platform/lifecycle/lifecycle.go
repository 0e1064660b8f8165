package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// DefaultLimit is how long a part may take to stop when it does not say.
const DefaultLimit = 10 * time.Second

// ErrEnded is what a group ends with when a part's Run returns without an
// error though nobody asked it to.
var ErrEnded = errors.New("ended by itself")

// Part is one thing that is started and stopped. Every func may be nil.
type Part struct {
	Name string
	// Start readies the part and returns; ctx ends when the group must stop.
	// After an error the part counts as not started and is not stopped.
	Start func(ctx context.Context) error
	// Run is the part's work: it runs from Start on until its ctx ends, and
	// returns then. Returning earlier stops the group.
	Run func(ctx context.Context) error
	// Stop asks the part to finish and waits for it, until ctx ends. The ctx
	// of Run ends after it.
	Stop func(ctx context.Context) error
	// Limit is how long Stop and the end of Run may take together;
	// DefaultLimit when zero. The group goes on to the next part after it.
	Limit time.Duration
}

// Group is a program's parts in the order of their start. It runs once.
type Group struct {
	log   zerolog.Logger
	parts []Part
}

// New returns an empty group, which logs what starts, stops and fails.
func New(log zerolog.Logger) *Group { return &Group{log: log} }

// Add appends parts. It must not be called once Run is.
func (g *Group) Add(parts ...Part) { g.parts = append(g.parts, parts...) }

type running struct {
	Part
	cancel   context.CancelFunc
	ended    chan struct{} // closed when Run has returned
	stopping *atomic.Bool  // Stop has been called
}

// Run starts the parts, one after the other, waits until ctx ends or a part
// dies, and stops those that were started in reverse. It returns nil after a
// stop that ctx asked for and in which all went well, else all that failed,
// each with its part's name.
func (g *Group) Run(ctx context.Context) error {
	up, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var started []running
	var failures []error
	for _, p := range g.parts {
		r, err := g.start(up, p, cancel)
		if err != nil {
			cancel(err)
			break
		}
		started = append(started, r)
	}
	<-up.Done()
	if ctx.Err() == nil { // else it was asked to stop, perhaps in the middle of the start
		failures = append(failures, context.Cause(up))
	}
	for _, r := range slices.Backward(started) {
		if err := g.stop(context.WithoutCancel(ctx), r); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

func (g *Group) start(ctx context.Context, p Part, died context.CancelCauseFunc) (running, error) {
	r := running{Part: p, cancel: func() {}, ended: make(chan struct{}), stopping: new(atomic.Bool)}
	if err := ctx.Err(); err != nil {
		return r, fmt.Errorf("start %s: %w", p.Name, err)
	}
	if p.Start != nil {
		if err := p.Start(ctx); err != nil {
			return r, fmt.Errorf("start %s: %w", p.Name, err)
		}
	}
	g.log.Debug().Str("part", p.Name).Msg("started")
	if p.Run == nil {
		close(r.ended)
		return r, nil
	}
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	go func() {
		defer close(r.ended)
		err := p.Run(runCtx)
		asked := runCtx.Err() != nil || r.stopping.Load() // a part's Stop may end its Run
		if asked && (err == nil || errors.Is(err, context.Canceled)) {
			return
		}
		err = fmt.Errorf("%s: %w", p.Name, cmp.Or(err, ErrEnded))
		g.log.Error().Err(err).Msg("a part has died")
		died(err)
	}()
	return r, nil
}

// stop returns within the part's limit, whatever the part does.
func (g *Group) stop(ctx context.Context, r running) error {
	begin := time.Now()
	r.stopping.Store(true)
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.Limit, DefaultLimit))
	defer cancel()
	done := make(chan error, 1)
	go func() {
		var err error
		if r.Stop != nil {
			err = r.Stop(ctx)
		}
		r.cancel()
		<-r.ended
		done <- err
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		r.cancel()
		err = ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("stop %s: %w", r.Name, err)
		g.log.Error().Err(err).Msg("a part did not stop well")
		return err
	}
	g.log.Debug().Str("part", r.Name).Dur("took_ms", time.Since(begin)).Msg("stopped")
	return nil
}
