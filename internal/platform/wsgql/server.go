package wsgql

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/fanout"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/principal"
)

// Protocol is the WebSocket subprotocol that is served.
const Protocol = "graphql-transport-ws"

// ConnectBudget is the name under which new sockets are counted.
const ConnectBudget = "sockets-network"

// Authenticator tells whose an access token is. An error of the kinds
// Unavailable, RateLimited and Internal closes the socket with 1013, so that
// the client comes back; any other with 4403. The context ends after
// Config.InitTimeout.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (principal.Principal, error)
}

// Deps are what a Server works with; all but Meter are required.
type Deps struct {
	Engine  Engine
	Auth    Authenticator
	Meter   *limit.Meter // counts new sockets per network; nil counts nothing
	Log     zerolog.Logger
	Metrics prometheus.Registerer
}

// Config tunes a Server. Zero values are the defaults given beside them.
type Config struct {
	// Server, Version, SchemaVersion and Capabilities are told in connection_ack.
	Server, Version, SchemaVersion string
	Capabilities                   map[string]any

	// AllowedOrigins are the origins ("https://app.example.org") of pages that
	// may connect, beside those of the same host and port.
	AllowedOrigins []string

	InitTimeout  time.Duration // 10 s, from the upgrade to connection_init
	PingEvery    time.Duration // 25 s
	PongWait     time.Duration // 10 s without any sign of life after a ping
	WriteTimeout time.Duration // 10 s for one blocked write of at most 64 KiB
	Linger       time.Duration // 1 s for the peer to answer a close frame
	DrainGrace   time.Duration // 5 s for running operations at Drain
	DrainSpread  time.Duration // 2 s over which Drain closes sockets

	InitBytes    int64 // 8 KiB, the longest message before connection_ack
	MessageBytes int64 // 256 KiB, after it
	UnsentBytes  int   // 1 MiB a socket
	UnsentCount  int   // 4,096 entries a socket
	InFlight     int   // 32 queries and mutations a socket; beyond it reading waits
	CatchUps     int   // 64 replays at once on the server; others wait for their turn

	// What follows is lifted by Unlimited, which is for benchmarks.
	Unlimited         bool
	Subscriptions     int        // 100 a socket
	SocketsPerUser    int        // 20
	SocketsPerNetwork int        // 256 that nobody has signed in on
	ConnectRate       limit.Rate // 600 at once, 20 a second, a network
	MessageRate       limit.Rate // 400 at once, 100 a second, a socket
	// Requests counts an operation of whoever asks, as it does elsewhere; nil
	// counts nothing.
	Requests func(ctx context.Context) (retryAfter time.Duration, ok bool)

	// Attend is told of each socket that somebody has signed in on, before it
	// is acknowledged; nil tells nobody. It must not block.
	Attend func(principal.Principal) Attendance
}

// Attendance is told of one socket's life. Its methods are called by one
// goroutine at a time and must not block.
type Attendance interface {
	// Active says that the client has begun an operation: it is called for
	// each, so it must cost next to nothing.
	Active()
	// End says that the connection is gone. Nothing is called after it.
	End()
}

func (c Config) withDefaults() Config {
	duration := func(p *time.Duration, d time.Duration) {
		if *p <= 0 {
			*p = d
		}
	}
	count := func(p *int, n int) {
		if *p <= 0 {
			*p = n
		}
	}
	rate := func(p *limit.Rate, r limit.Rate) {
		if *p == (limit.Rate{}) {
			*p = r
		}
	}
	duration(&c.InitTimeout, 10*time.Second)
	duration(&c.PingEvery, 25*time.Second)
	duration(&c.PongWait, 10*time.Second)
	duration(&c.WriteTimeout, 10*time.Second)
	duration(&c.Linger, time.Second)
	duration(&c.DrainGrace, 5*time.Second)
	duration(&c.DrainSpread, 2*time.Second)
	count(&c.UnsentBytes, 1<<20)
	count(&c.UnsentCount, 4096)
	count(&c.InFlight, 32)
	count(&c.CatchUps, 64)
	count(&c.Subscriptions, 100)
	count(&c.SocketsPerUser, 20)
	count(&c.SocketsPerNetwork, 256)
	rate(&c.ConnectRate, limit.Rate{Burst: 600, Per: 50 * time.Millisecond})
	rate(&c.MessageRate, limit.Rate{Burst: 400, Per: 10 * time.Millisecond})
	if c.InitBytes <= 0 {
		c.InitBytes = 8 << 10
	}
	if c.MessageBytes <= 0 {
		c.MessageBytes = 256 << 10
	}
	return c
}

// Server serves sockets. Make it with New; ServeHTTP, EndSessions and Drain
// may be called at once.
type Server struct {
	Deps
	cfg          Config
	capabilities json.RawMessage
	origins      map[string]struct{}
	bounds       fanout.Bounds
	metrics      *metrics
	registry     registry
	queue        flushQueue
	spare        sync.Pool // flushers for those who write answers themselves
	wheel        wheel
	catchUps     chan struct{} // a place for each replay

	start   sync.Once
	end     sync.Once
	stop    chan struct{} // closed when Drain is through
	workers sync.WaitGroup
}

// New returns a Server that starts its goroutines with the first socket and
// ends them with Drain. It panics when the capabilities are no JSON or the
// metrics are registered already: both are mistakes of the program.
func New(d Deps, cfg Config) *Server {
	cfg = cfg.withDefaults()
	s := &Server{Deps: d, cfg: cfg, stop: make(chan struct{}), origins: map[string]struct{}{}}
	s.bounds = fanout.Bounds{Count: cfg.UnsentCount, Bytes: cfg.UnsentBytes}
	var err error
	if s.capabilities, err = json.Marshal(cfg.Capabilities); err != nil {
		panic("wsgql: capabilities: " + err.Error())
	}
	for _, o := range cfg.AllowedOrigins {
		s.origins[normalOrigin(o)] = struct{}{}
	}
	s.catchUps = make(chan struct{}, cfg.CatchUps)
	s.registry.init()
	s.queue.init()
	s.spare.New = func() any { return newFlusher(s, 0) }
	s.wheel.init(min(cfg.InitTimeout, cfg.PingEvery, cfg.PongWait) / 8)
	s.metrics = newMetrics(s)
	d.Metrics.MustRegister(s.metrics)
	return s
}

// run starts the flushers and the wheel.
func (s *Server) run() {
	for i := range flushers() {
		s.workers.Go(func() { newFlusher(s, i).run(true) })
	}
	s.workers.Go(func() { s.wheel.run(s.stop, s.relieve) })
}

// ServeHTTP upgrades the request to a socket, or refuses it: 403 for a foreign
// origin, 429 when the network has too many sockets, 503 while draining.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.originAllowed(r) {
		s.refuse(w, "origin", http.StatusForbidden, "This page may not connect here.")
		return
	}
	client := principal.ClientFrom(r.Context())
	network := client.Network()
	if !s.cfg.Unlimited && network != "" {
		if wait, ok := s.Meter.Take(limit.Budget{Name: ConnectBudget, Rate: s.cfg.ConnectRate}, client.NetworkID()); !ok {
			w.Header().Set("Retry-After", seconds(wait))
			s.refuse(w, "rate", http.StatusTooManyRequests, "Too many connections. Try again later.")
			return
		}
	}
	sock := newSocket(s, r, network)
	switch err := s.registry.add(sock, s.perNetwork()); {
	case err == nil:
	case errors.Is(err, errDraining):
		s.refuse(w, "draining", http.StatusServiceUnavailable, "The server is restarting.")
		return
	default:
		s.refuse(w, "network", http.StatusTooManyRequests, "Too many connections. Try again later.")
		return
	}
	s.start.Do(s.run)
	if err := sock.upgrade(w, r); err != nil {
		s.metrics.refused.WithLabelValues("handshake").Inc()
		sock.cancel()
		sock.release()
		return
	}
	sock.upgraded()
	go sock.serve() //nolint:contextcheck // It outlives the request.
}

func (s *Server) perNetwork() int {
	if s.cfg.Unlimited {
		return 0
	}
	return s.cfg.SocketsPerNetwork
}

func (s *Server) refuse(w http.ResponseWriter, why string, status int, text string) {
	s.metrics.refused.WithLabelValues(why).Inc()
	if head := w.Header(); status != http.StatusForbidden && head.Get("Retry-After") == "" {
		head.Set("Retry-After", "5")
	}
	http.Error(w, text, status)
}

// seconds writes a duration for Retry-After: never fewer than it takes.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
