package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"chatd/internal/platform/bus"
)

// ErrLost says that another has taken the lease since.
var ErrLost = errors.New("relay: the lease is another's")

// Log is what a relay reads.
type Log interface {
	// Read returns up to limit events after a position, in the order of their
	// commits, and the position of the last; after itself when there is
	// nothing. An event becomes visible only after all before it.
	Read(ctx context.Context, after int64, limit int) ([]bus.Envelope, int64, error)
	// LastChange returns the position of the newest event, 0 when there is
	// none.
	LastChange(ctx context.Context) (int64, error)
}

// State is what is stored of a relay. The zero State is that of a new one.
type State struct {
	Pos  int64 // safe up to here
	Term int64 // of the last holder
	Beat int64 // changes with each sign of the holder
	Free bool  // the holder has let go
}

// Positions stores the states of relays. Each method is one atomic step.
type Positions interface {
	// Load returns a relay's state; that of a new one when there is none.
	Load(ctx context.Context, name string) (State, error)
	// Take begins a new term, which is one more than seen.Term. ErrLost when
	// the state is not as it was seen.
	Take(ctx context.Context, name string, seen State) (State, error)
	// Save stores s.Pos and s.Free and gives a beat. ErrLost when s.Term is
	// not the last.
	Save(ctx context.Context, name string, s State) error
}

// Deps are what a Relay works with; all but Metrics are required.
type Deps struct {
	Events    Log
	Positions Positions
	To        bus.Publisher
	Log       zerolog.Logger
	Metrics   *Metrics // nil counts nowhere
}

// Config tunes a Relay. Zero values are the defaults.
type Config struct {
	Name   string        // of the log and the receiver, as in "auth>user"; required, and stable
	Batch  int           // events read and offered at once; 100
	Window int           // batches offered and not yet safe; 8. Reading waits while there are more
	Poll   time.Duration // between reads when nothing wakes it, and after a failure; 500 ms
	// Save is the least time between two savings of the position, so that a
	// commit of the store for each event is spared; 250 ms. What was safe and
	// not saved at a crash is offered again.
	Save time.Duration
	// Lease is how long a holder may show no sign of life; 3 s.
	Lease time.Duration
	// Alone says that no other program uses the store: the lease is taken at
	// once, and no beats are given.
	Alone bool
}

// Relay is one log on its way to one receiver.
type Relay struct {
	Deps
	cfg  Config
	wake chan struct{}
	safe atomic.Int64 // up to where, for count
}

// New returns a relay. It starts nothing.
func New(deps Deps, cfg Config) *Relay {
	cfg.Batch = cmp.Or(cfg.Batch, 100)
	cfg.Window = cmp.Or(cfg.Window, 8)
	cfg.Poll = cmp.Or(cfg.Poll, 500*time.Millisecond)
	cfg.Save = cmp.Or(cfg.Save, 250*time.Millisecond)
	cfg.Lease = cmp.Or(cfg.Lease, 3*time.Second)
	if deps.Metrics == nil {
		deps.Metrics = NewMetrics(nil)
	}
	deps.Log = deps.Log.With().Str("relay", cfg.Name).Logger()
	return &Relay{Deps: deps, cfg: cfg, wake: make(chan struct{}, 1)}
}

// Wake tells that something was committed. It never blocks and may be called
// by any number of goroutines, before Run too.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Run relays whenever the lease can be had, until ctx ends. What fails is
// logged and tried again. It returns nil, once nothing of it is under way.
func (r *Relay) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		held, err := r.acquire(ctx)
		if err == nil {
			r.Log.Debug().Int64("term", held.Term).Int64("pos", held.Pos).Msg("relaying")
			err = r.lead(ctx, held)
		}
		r.Metrics.backlog.DeleteLabelValues(r.cfg.Name) // it is another's to tell
		if err != nil && ctx.Err() == nil {
			r.Metrics.failures.WithLabelValues(r.cfg.Name).Inc()
			r.Log.Warn().Err(err).Msg("relaying was interrupted and will be taken up again")
			r.pause(ctx, r.cfg.Poll)
		}
	}
	return nil
}

// pending is a batch that has been offered.
type pending struct {
	pos     int64
	receipt *bus.Receipt
}

// lead relays as the holder until the lease is lost, something fails or ctx
// ends.
func (r *Relay) lead(ctx context.Context, held State) error {
	r.safe.Store(held.Pos)
	offered := make(chan pending, r.cfg.Window-1) // and one in keep's hand
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.offer(ctx, held.Pos, offered) })
	group.Go(func() error { return r.keep(ctx, held, offered) })
	group.Go(func() error { return r.count(ctx) })
	return group.Wait()
}

// offer reads the log and hands it over, batch after batch.
func (r *Relay) offer(ctx context.Context, pos int64, offered chan<- pending) error {
	for {
		events, last, err := r.Events.Read(ctx, pos, r.cfg.Batch)
		if err != nil {
			return fmt.Errorf("read the log after %d: %w", pos, err)
		}
		if last == pos {
			if !r.pause(ctx, r.cfg.Poll) {
				return ctx.Err()
			}
			continue
		}
		receipt, err := r.To.Offer(ctx, events...)
		if err != nil {
			return fmt.Errorf("offer up to %d: %w", last, err)
		}
		select {
		case offered <- pending{last, receipt}:
		case <-ctx.Done():
			return ctx.Err()
		}
		pos = last
	}
}

// pause waits to be woken, at most for d; false when ctx has ended.
func (r *Relay) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// keep waits for the batches to be safe, one after the other, stores how far
// they are, and keeps the lease. At the end it lets the lease go.
func (r *Relay) keep(ctx context.Context, s State, offered <-chan pending) error {
	saved := s.Pos
	save := time.NewTicker(r.cfg.Save)
	defer save.Stop()
	beaten := time.Now()
	var inHand pending // none while its receipt is nil
	for {
		next, safe := offered, (<-chan struct{})(nil)
		if inHand.receipt != nil {
			next, safe = nil, inHand.receipt.Done()
		}
		select {
		case inHand = <-next:
		case <-safe:
			if err := inHand.receipt.Err(); err != nil {
				return errors.Join(fmt.Errorf("events up to %d: %w", inHand.pos, err), r.letGo(ctx, s))
			}
			s.Pos, inHand = inHand.pos, pending{}
			r.safe.Store(s.Pos)
		case now := <-save.C:
			if s.Pos == saved && (r.cfg.Alone || now.Sub(beaten) < r.cfg.Lease/3) {
				continue
			}
			if err := r.Positions.Save(ctx, r.cfg.Name, s); err != nil && ctx.Err() == nil {
				return fmt.Errorf("save position %d: %w", s.Pos, err)
			}
			saved, beaten = s.Pos, now
		case <-ctx.Done():
			s.Pos = furthest(s.Pos, inHand, offered)
			return r.letGo(ctx, s)
		}
	}
}

// countEvery is the time between two looks at how far the relay is behind.
const countEvery = time.Second

// count tells how far the relay is behind. It is never why relaying fails.
func (r *Relay) count(ctx context.Context) error {
	backlog := r.Metrics.backlog.WithLabelValues(r.cfg.Name)
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		safe := r.safe.Load() // before the newest, so that it is never beyond
		if last, err := r.Events.LastChange(ctx); err == nil {
			backlog.Set(float64(max(0, last-safe)))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// furthest returns how far the batches are safe without waiting for more.
func furthest(pos int64, inHand pending, offered <-chan pending) int64 {
	for {
		if inHand.receipt == nil {
			select {
			case inHand = <-offered:
			default:
				return pos
			}
		}
		select {
		case <-inHand.receipt.Done():
		default:
			return pos
		}
		if inHand.receipt.Err() != nil {
			return pos
		}
		pos, inHand = inHand.pos, pending{}
	}
}

// letGo stores the last position, and that another may go on from it.
func (r *Relay) letGo(ctx context.Context, s State) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Lease)
	defer cancel()
	s.Free = true
	if err := r.Positions.Save(ctx, r.cfg.Name, s); err != nil {
		return fmt.Errorf("let go at %d: %w", s.Pos, err)
	}
	return nil
}

// acquire waits until the lease is this node's. A holder counts as gone when
// its beat has not changed for the time of a lease, by this node's clock: the
// clocks of nodes are not compared.
func (r *Relay) acquire(ctx context.Context) (State, error) {
	var seen State
	since := time.Now()
	for {
		s, err := r.Positions.Load(ctx, r.cfg.Name)
		if err != nil {
			return State{}, fmt.Errorf("load the state: %w", err)
		}
		if s != seen {
			seen, since = s, time.Now()
		}
		if s.Free || s.Term == 0 || r.cfg.Alone || time.Since(since) >= r.cfg.Lease {
			held, err := r.Positions.Take(ctx, r.cfg.Name, s)
			if err == nil {
				return held, nil
			}
			if !errors.Is(err, ErrLost) {
				return State{}, fmt.Errorf("take the lease: %w", err)
			}
		}
		timer := time.NewTimer(r.cfg.Lease / 6)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return State{}, ctx.Err()
		}
	}
}
