package redisdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/errs"
)

// Config says which Redis to open and how. URL is needed; all else has a
// default.
type Config struct {
	// URL is redis://user:password@host:port/db, or rediss:// for TLS with the
	// system's certificates (skip_verify=true takes any).
	URL string
	// Prefix begins every key and channel, so that several servers may share
	// one Redis: "chatd".
	Prefix string
	// ConnectTimeout bounds the making of a connection (3 s).
	ConnectTimeout time.Duration
	// Timeout bounds every call (100 ms).
	Timeout time.Duration
	// MaxInFlight is how many calls may be under way (64), each with a
	// connection of its own. Further ones wait for their turn, within Timeout.
	// Each Subscribe has one connection more.
	MaxInFlight int
	// Failures in a row after which Redis is away (3). When it says itself
	// that it cannot work, one probe is enough.
	Failures int
	// ProbeEvery is how often Run looks (500 ms).
	ProbeEvery time.Duration
	// Log hears when Redis goes away and comes back; nothing by default.
	Log zerolog.Logger
	// Metrics may be nil.
	Metrics prometheus.Registerer
}

func (c Config) withDefaults() Config {
	c.Prefix = cmp.Or(c.Prefix, "chatd")
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 3*time.Second)
	c.Timeout = cmp.Or(c.Timeout, 100*time.Millisecond)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 64)
	c.Failures = cmp.Or(c.Failures, 3)
	c.ProbeEvery = cmp.Or(c.ProbeEvery, 500*time.Millisecond)
	return c
}

var (
	// ErrAway says that Redis is away: the call was not tried, or its time was
	// over. It is errs.ErrUnavailable.
	ErrAway = fmt.Errorf("redisdb: away: %w", errs.ErrUnavailable)

	errClosed = errors.New("closed")
	errURL    = errors.New("redis: the URL cannot be read; it is redis://user:password@host:port/db, or rediss:// for TLS")
)

// DB is an open Redis. All methods may be called at once.
type DB struct {
	cfg     Config
	at      address
	pool    *redis.Pool
	open    ends
	flight  chan struct{} // as many as calls are under way
	closed  atomic.Bool
	since   time.Time    // it was opened
	trusted atomic.Int64 // after since: connections that have been idle for longer are not used
	health  breaker
	probing *Script
	metrics *metrics
}

// Open connects and makes sure that this is a Redis that can be worked on:
// new enough, a primary, one that may be written to. It takes three times
// ConnectTimeout at most; its error is one line that says what to do and holds
// no secret. Keep Run running afterwards.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	d, _, err := connect(ctx, cfg, probing())
	if err != nil {
		return nil, err
	}
	d.metrics = newMetrics(cfg.Metrics, d)
	return d, nil
}

// Check does as Open does and goes again, and writes nothing. It returns what
// the server says of itself, as "7.0.15".
func Check(ctx context.Context, cfg Config) (version string, err error) {
	d, version, err := connect(ctx, cfg.withDefaults(), looking())
	if err != nil {
		return "", err
	}
	d.Close()
	return version, nil
}

// connect opens a Redis that a script, run once, shows to be usable.
func connect(ctx context.Context, cfg Config, trial *Script) (*DB, string, error) {
	at, err := cfg.address()
	if err != nil {
		return nil, "", err
	}
	d := &DB{cfg: cfg, at: at, flight: make(chan struct{}, cfg.MaxInFlight), since: time.Now(), probing: trial}
	d.health = breaker{failures: cfg.Failures, log: cfg.Log}
	d.pool = &redis.Pool{
		// flight is its limit: a pool that waits panics when it is closed meanwhile.
		DialContext: d.dial, MaxIdle: cfg.MaxInFlight, IdleTimeout: idleConns,
		TestOnBorrow: func(_ redis.Conn, used time.Time) error {
			if used.Sub(d.since) <= time.Duration(d.trusted.Load()) {
				return errClosed
			}
			return nil
		},
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	version, err := d.fit(ctx)
	if err == nil {
		err = d.probe(ctx)
	}
	if err != nil {
		d.Close()
		return nil, "", fmt.Errorf("redis at %s: %w", at.host, plain(err, at.tls != nil, cfg.ConnectTimeout))
	}
	return d, version, nil
}

// Name returns a key or channel of this server's own.
func (d *DB) Name(of string) string { return d.cfg.Prefix + ":" + of }

// Timeout is how long a call takes at most.
func (d *DB) Timeout() time.Duration { return d.cfg.Timeout }

// Health returns nil, or ErrAway with the reason. It asks nobody.
func (d *DB) Health(context.Context) error {
	if why := d.health.why(); why != nil {
		return fmt.Errorf("%w: %w", ErrAway, why)
	}
	return nil
}

// Run keeps looking whether Redis is there until ctx ends, and returns ctx's
// error. Without it, Redis never comes back once it is away.
func (d *DB) Run(ctx context.Context) error {
	tick := time.NewTicker(d.cfg.ProbeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		// A new connection may take its time while nobody waits for it.
		timeout := d.cfg.Timeout
		if d.health.away.Load() {
			timeout = d.cfg.ConnectTimeout
		}
		within, cancel := context.WithTimeout(ctx, timeout)
		err := d.probe(within)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			d.distrust() // a new connection may lead to a server that can work
			d.health.failed(err, isReply(err))
		default:
			d.health.answered(true)
		}
	}
}

// Close ends all calls and waits for them. Subscribe ends too.
func (d *DB) Close() {
	if d.closed.Swap(true) {
		return
	}
	d.open.close()
	_ = d.pool.Close()
	for range cap(d.flight) {
		d.flight <- struct{}{}
	}
	for range cap(d.flight) { // whoever waits for a turn is told
		<-d.flight
	}
}
