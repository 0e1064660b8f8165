package redisdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/rueidis"
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
	// MaxInFlight is how many calls may be under way (256). Further ones wait
	// for their turn, within Timeout.
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
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 256)
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
	client  rueidis.Client
	flight  chan struct{} // as many as calls are under way
	closed  atomic.Bool
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
	option, where, err := cfg.option()
	if err != nil {
		return nil, "", err
	}
	no := func(err error) (*DB, string, error) {
		return nil, "", fmt.Errorf("redis at %s: %w", where, plain(err, option.TLSConfig != nil, cfg.ConnectTimeout))
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		if client != nil {
			client.Close()
		}
		return no(err)
	}
	d := &DB{cfg: cfg, client: client, flight: make(chan struct{}, cfg.MaxInFlight), probing: trial}
	d.health = breaker{failures: cfg.Failures, log: cfg.Log}
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	version, err := d.fit(ctx)
	if err == nil {
		err = d.probe(ctx)
	}
	if err != nil {
		client.Close()
		return no(err)
	}
	return d, version, nil
}

// option is the driver's configuration, and where Redis is.
func (c Config) option() (o rueidis.ClientOption, where string, err error) {
	// What the driver and net/url say of a URL may quote a password.
	u, err := url.Parse(c.URL)
	if err != nil {
		return o, "", errURL
	}
	if o, err = rueidis.ParseURL(c.URL); err != nil || len(o.InitAddress) != 1 || u.Scheme != "unix" && u.Host == "" {
		return o, "", errURL
	}
	if o.Sentinel.MasterSet != "" {
		return o, "", errors.New("redis: sentinels are not supported; name the server itself")
	}
	o.ForceSingleClient = true
	o.Dialer = net.Dialer{Timeout: c.ConnectTimeout, KeepAlive: time.Second}
	o.ConnWriteTimeout = c.ConnectTimeout
	o.ClientName = "chatd"
	o.DisableCache = true // nothing is cached here, and its memory would be taken
	o.DisableRetry = true // a call that has failed is answered without Redis
	// One connection: calls that come together share a write. Always
	// pipelining, a call whose time is over does not cost the connection.
	o.AlwaysPipelining = true
	o.PipelineMultiplex = -1
	o.ReadBufferEachConn, o.WriteBufferEachConn = 64<<10, 64<<10
	return o, o.InitAddress[0], nil
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
	d.client.Close()
	for range cap(d.flight) {
		d.flight <- struct{}{}
	}
}
