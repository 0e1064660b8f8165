package redisdb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/rs/zerolog"
)

// call runs fn unless Redis is away, and returns when its time is over even
// if fn does not: then what fn writes must not be read. An error reply of the
// server is returned as it is; all else that fails is ErrAway.
func (d *DB) call(ctx context.Context, fn func(redis.Conn) error) error {
	if why := d.health.why(); why != nil {
		d.metrics.skipped.Inc()
		return fmt.Errorf("%w: %w", ErrAway, why)
	}
	begun := time.Now()
	within, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	err := d.bounded(within, fn)
	if err == nil {
		d.health.answered(false)
	}
	// An error reply is quick and may be about this call alone: whether the
	// server can work, the probe finds out.
	if err == nil || isReply(err) {
		d.metrics.seconds.Observe(time.Since(begun).Seconds())
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err() // the caller has gone; that says nothing of Redis
	}
	d.metrics.failed.Inc()
	d.health.failed(err, false)
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// isReply says whether err is what the server has answered.
func isReply(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// bounded runs fn on a goroutine that it leaves behind when ctx ends: what it
// has begun, be it a connection or the wait for an answer, is of use to others
// when it is brought to its end.
func (d *DB) bounded(ctx context.Context, fn func(redis.Conn) error) error {
	select {
	case d.flight <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if d.closed.Load() {
		<-d.flight
		return errClosed
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-d.flight }()
		done <- d.with(ctx, fn)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// breaker remembers whether Redis is away.
type breaker struct {
	failures int
	log      zerolog.Logger
	away     atomic.Bool
	row      atomic.Int32 // failures in a row

	mu    sync.Mutex
	cause error
	since time.Time // it went away, or came back
	good  int       // probes in a row that went well while away
	need  int       // so many are needed to be back
}

// A Redis that goes away again within steady of coming back must answer twice
// as many probes in a row as the last time, up to mostProbes.
const (
	steady     = time.Minute
	mostProbes = 32
)

// why returns the reason why Redis is away, nil when it is not.
func (b *breaker) why() error {
	if !b.away.Load() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause
}

// failed counts a failure. A sure one is enough for Redis to be away.
func (b *breaker) failed(err error, sure bool) {
	if int(b.row.Add(1)) < b.failures && !sure && !b.away.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.good = 0
	if b.away.Load() {
		return
	}
	b.cause = err
	if errors.Is(err, context.DeadlineExceeded) {
		b.cause = errors.New("no answer in time")
	}
	if b.need > 0 && time.Since(b.since) < steady {
		b.need = min(2*b.need, mostProbes)
	} else {
		b.need = 1
	}
	b.since = time.Now()
	b.away.Store(true)
	b.log.Warn().Err(b.cause).Msg("redis is away; what it is for is done without it until it is back")
}

// answered ends a row of failures. A probe's answer also brings Redis back;
// a call's does not, because it may be a late one.
func (b *breaker) answered(probe bool) {
	if !b.away.Load() {
		if b.row.Load() != 0 {
			b.row.Store(0)
		}
		return
	}
	if !probe {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.good++; b.good < b.need {
		return
	}
	b.log.Info().Dur("away", time.Since(b.since)).Msg("redis is back")
	b.since, b.cause = time.Now(), nil
	b.row.Store(0)
	b.away.Store(false)
}
