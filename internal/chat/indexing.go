package chat

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// indexer brings the index of words up to the messages, behind their commits,
// so that no sender waits for it. Where it is, the store knows: it goes on
// there after a restart, and on whichever node comes first.
type indexer struct {
	store Searching
	every time.Duration
	log   zerolog.Logger
	wake  chan struct{}

	failing bool         // it was told
	added   atomic.Int64 // the newest message's position, as far as is known here
	upTo    atomic.Int64 // what is in the index
	done    atomic.Bool  // the store goes on by itself
}

const (
	indexBatch = 256                    // messages
	indexRetry = 500 * time.Millisecond // after a failure, or when another node is at it
)

func newIndexer(store Searching, every time.Duration, log zerolog.Logger) *indexer {
	return &indexer{
		store: store, every: cmp.Or(every, 100*time.Millisecond), log: log, wake: make(chan struct{}, 1),
	}
}

// heard takes note of a new message. It never blocks.
func (x *indexer) heard(pos int64) {
	x.added.Store(pos)
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// behind is how many positions lie between the newest message and the index.
func (x *indexer) behind() int64 {
	if x.done.Load() {
		return 0
	}
	return max(x.added.Load()-x.upTo.Load(), 0)
}

// run indexes until ctx ends: at first what is not in the index yet, then what
// is told. What comes within a short time shares a commit.
func (x *indexer) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-x.wake: // what it tells of is seen now
		default:
		}
		if wait := x.turn(ctx); wait > 0 {
			x.pause(ctx, wait)
			continue
		}
		select {
		case <-ctx.Done():
		case <-x.wake:
			if !x.done.Load() {
				x.pause(ctx, x.every)
			}
		}
	}
}

func (x *indexer) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// turn indexes all that there is; it returns how long to wait when that could
// not be done to the end.
func (x *indexer) turn(ctx context.Context) time.Duration {
	for ctx.Err() == nil && !x.done.Load() {
		at, err := x.store.Index(ctx, indexBatch)
		if err != nil {
			if ctx.Err() == nil && !x.failing {
				x.failing = true
				x.log.Warn().Err(err).Int64("behind", x.behind()).Msg("messages could not be indexed for the search; it is tried until it goes")
			}
			return indexRetry
		}
		x.upTo.Store(at.UpTo)
		x.failing = false
		switch x.done.Store(at.Done); {
		case at.Done, at.UpTo >= at.Newest:
			return 0
		case at.Elsewhere:
			return indexRetry
		}
	}
	return 0
}

// SearchBehind is how many positions the search is behind the newest message
// that this node knows of.
func (s *Service) SearchBehind() int64 { return s.indexer.behind() }
