package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authredis"
	"chatd/internal/chat/chatblob"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/kafkabus"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/httpx"
	"chatd/internal/platform/lifecycle"
	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/wsgql"
	"chatd/internal/platform/zlog"
)

// app is a built server. Its parts are built in the order of their start; the
// stop is its reverse.
type app struct {
	cfg      Config
	log      zerolog.Logger
	out      io.Writer
	stores   *stores
	redis    *redisdb.DB // nil without
	limits   *limits
	contexts *contexts
	ended    *authredis.Ended // nil without Redis
	bus      bus.Bus
	relays   []lifecycle.Part
	engine   *gqlx.Engine
	sockets  *wsgql.Server
	health   *httpx.Health
	servers  []*httpx.Server // the main one first
	ballast  []byte          // see below
}

// ballast counts as live memory to the collector and is never touched, so it
// takes no room: a small server then collects a fifth as often under load.
const ballast = 64 << 20

// serve runs a server until ctx ends.
func serve(ctx context.Context, cfg Config, out io.Writer) error {
	if err := probeKafka(ctx, cfg); err != nil { // before anything is changed elsewhere
		return err
	}
	a, err := build(ctx, cfg, out)
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// migrate brings the store to this version's schema.
func migrate(ctx context.Context, cfg Config, out io.Writer) error {
	s, err := openStores(ctx, cfg, newLog(cfg))
	if err != nil {
		return err
	}
	s.close() //nolint:contextcheck // Closing does not end with what asked for it.
	_, err = fmt.Fprintln(out, "The store has this version's schema.")
	return err
}

func newLog(cfg Config) zerolog.Logger {
	return zlog.New(zlog.Config{Level: cfg.Log.Level, Format: zlog.Format(cfg.Log.Format)})
}

// build opens the stores and makes everything that stands on them. Nothing
// runs yet, and nothing stays open after an error.
func build(ctx context.Context, cfg Config, out io.Writer) (*app, error) {
	a := &app{cfg: cfg, log: newLog(cfg), out: out, ballast: make([]byte, ballast)}
	registry := prometheus.NewRegistry()
	if err := a.open(ctx, registry); err != nil {
		a.close() //nolint:contextcheck // As above.
		return nil, err
	}
	if err := a.assemble(registry); err != nil {
		a.close() //nolint:contextcheck // As above.
		return nil, err
	}
	return a, nil
}

// open opens Redis and then the stores, so that nothing has been changed when
// one of them cannot be used.
func (a *app) open(ctx context.Context, registry *prometheus.Registry) (err error) {
	if url := a.cfg.Data.RedisURL.Reveal(); url != "" {
		if a.redis, err = redisdb.Open(ctx, redisdb.Config{URL: url, Log: a.log, Metrics: registry}); err != nil {
			return atServer("redis-url", err)
		}
	}
	a.stores, err = openStores(ctx, a.cfg, a.log)
	return err
}

func (a *app) close() {
	if a.redis != nil {
		a.redis.Close()
	}
	if a.stores != nil {
		a.stores.close()
	}
}

func (a *app) assemble(registry *prometheus.Registry) (err error) {
	registry.MustRegister(a.stores, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.limits = newLimits(a.cfg, a.redis, a.log, registry)
	if a.bus, err = newBus(a.cfg, a.log, registry); err != nil {
		return err
	}
	if a.contexts, err = newContexts(a.cfg, a.stores, a.bus, a.redis, a.limits, a.log); err != nil {
		return err
	}
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chatd_search_behind",
		Help: "How many changes lie between the newest message that this node knows of and what the search has.",
	}, func() float64 { return float64(a.contexts.chat.SearchBehind()) }))
	a.ended = newEnded(a.contexts, a.redis, a.log)
	if err := (hearers{a.contexts.user.Handle, a.contexts.chat.Hear, a.contexts.present.Hear}).join(a.cfg, a.bus); err != nil {
		return err
	}
	a.relays = newRelays(a.cfg, a.stores, a.bus, a.log, registry)
	if a.engine, err = newEngine(a.contexts.parts(), graphQL(a.cfg, a.log)); err != nil {
		return err
	}
	a.sockets = newSockets(a.cfg, a.engine, a.contexts, a.limits, a.log, registry)
	a.contexts.auth.OnEnded(a.endSessions)
	a.contexts.auth.OnRoleChanged(a.reconnect)
	a.contexts.auth.OnMailed(mailed(registry))
	a.health = httpx.NewHealth(a.log, httpx.HealthConfig{LoopbackOnly: a.cfg.Production() && a.cfg.Network.OpsListen == ""})
	a.health.Add("store", a.stores.ping)
	a.health.Add("auth", a.contexts.auth.Healthy)
	a.health.Add("delivery", func(context.Context) error { return a.contexts.chat.Healthy() })
	if a.redis != nil {
		a.health.AddOptional("redis", a.redis.Health)
	}
	if bucket, ok := a.stores.files.(*chatblob.Bucket); ok {
		a.health.AddOptional("s3", bucket.Ping)
	}
	if kafka, ok := a.bus.(*kafkabus.Bus); ok {
		a.health.AddOptional("kafka", func(context.Context) error { return kafka.Healthy() })
	}
	files, err := newFiles(a.cfg, a.stores, a.contexts, a.log)
	if err != nil {
		return err
	}
	f := &face{
		files: files, exports: a.contexts.exports, signIns: a.contexts.signIns,
		cfg: a.cfg, engine: a.engine, sockets: a.sockets, accounts: a.contexts.auth,
		present: a.contexts.present, limits: a.limits, health: a.health, registry: registry, log: a.log,
	}
	a.listen(f.handlers())
	return nil
}

func graphQL(cfg Config, log zerolog.Logger) gqlx.Config {
	l := cfg.Limits
	return gqlx.Config{
		Limits: gqlx.Limits{
			DocumentBytes: l.MaxDocument, Depth: l.MaxDepth, Complexity: l.MaxComplexity,
			Aliases: l.MaxAliases, BodyBytes: int64(l.MaxBody), Timeout: l.OperationTimeout,
		},
		Introspection: cfg.GraphQL.Introspection == On, Log: log, Denied: httpx.TokenError,
	}
}

func (a *app) listen(h faces) {
	n := a.cfg.Network
	add := func(name, addr string, cfg httpx.ServerConfig) {
		cfg.Name, cfg.Addr = name, addr
		handler := h.main
		switch name {
		case "websocket":
			handler = h.ws
		case "operations":
			handler = h.ops
		}
		a.servers = append(a.servers, httpx.NewServer(handler, a.log, cfg))
	}
	add("main", n.Listen, httpx.ServerConfig{})
	if h.ws != nil {
		add("websocket", n.WSListen, httpx.ServerConfig{})
	}
	if h.ops != nil {
		add("operations", n.OpsListen, httpx.ServerConfig{})
	}
}

// run starts the parts in order, and stops them in reverse when ctx ends or
// one of them dies.
func (a *app) run(ctx context.Context) error {
	g := lifecycle.New(a.log)
	g.Add(
		lifecycle.Part{Name: "stores", Stop: func(context.Context) error { a.close(); return nil }}, //nolint:contextcheck // As above.
		lifecycle.Part{Name: "bus", Start: a.bus.Start, Stop: a.bus.Stop},
		lifecycle.Part{Name: "auth", Start: a.contexts.auth.Start, Run: until(a.contexts.auth.Run)},
		lifecycle.Part{Name: "chat", Start: a.contexts.chat.Start, Run: a.contexts.chat.Run},
		lifecycle.Part{Name: "presence", Run: a.contexts.present.Run},
	)
	g.Add(lifecycle.Part{Name: "user", Start: a.contexts.user.Start, Run: a.contexts.user.Run})
	g.Add(lifecycle.Part{Name: "names", Start: a.contexts.user.StartIndex, Run: until(a.contexts.user.Index)})
	if a.redis != nil {
		g.Add(
			lifecycle.Part{Name: "redis", Run: until(a.redis.Run)},
			lifecycle.Part{Name: "ended sessions", Run: until(a.ended.Run)},
		)
	}
	if a.limits.settler != nil {
		g.Add(lifecycle.Part{Name: "limits", Run: until(a.limits.settler.Run)})
	}
	g.Add(a.relays...)
	g.Add(eraser(a.stores, a.contexts.auth, a.log), exporter(a.stores, a.contexts.auth, a.log))
	if a.stores.files != nil {
		g.Add(sweeper(a.stores, a.contexts.chat, a.log))
	}
	g.Add(
		lifecycle.Part{Name: "graphql", Stop: func(context.Context) error { a.engine.Close(); return nil }},
		lifecycle.Part{Name: "sockets", Stop: a.sockets.Drain, Limit: drainLimit},
	)
	for _, s := range a.servers {
		g.Add(lifecycle.Part{Name: "listener", Start: s.Start, Run: s.Run, Stop: s.Stop, Limit: drainLimit})
	}
	g.Add(lifecycle.Part{
		Name: "readiness",
		Start: func(ctx context.Context) error {
			a.health.Ready()
			go debug.FreeOSMemory() // what the start took and needs no more
			return a.greet(ctx)
		},
		Stop: func(context.Context) error { a.health.Drain(); return nil },
	})
	return inUse(g.Run(ctx))
}

// drainLimit is how long requests at work and sockets may take to end.
const drainLimit = 15 * time.Second

// until turns the end of a loop that was asked for into success.
func until(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
}

// inUse says what to do when somebody else has the port.
func inUse(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "listen" {
		return fmt.Errorf("%w; stop what listens there, or name another address by --listen, --ws-listen or --ops-listen", err)
	}
	return err
}

// greet tells an operator at a terminal what listens, where the data is and
// what to try next; elsewhere it is one line of the log. In production the
// way to the first administrator is told too.
func (a *app) greet(ctx context.Context) error {
	main := a.servers[0].Addr().String()
	kept := a.stores.dir.Path
	if a.stores.db.Engine() == sqldb.PostgreSQL {
		kept = a.cfg.Data.PostgresURL.String()
	}
	setup := ""
	if a.cfg.Production() {
		token, err := a.contexts.auth.SetupToken(ctx)
		if err != nil {
			return fmt.Errorf("setup token: %w", err)
		}
		setup = token
	}
	if !terminal(a.out) {
		a.log.Info().Str("listen", main).Str("data", kept).Str("version", buildVersion()).Msg("ready")
		if setup != "" {
			_, err := fmt.Fprintln(a.out, "setup token: "+setup)
			return err
		}
		return nil
	}
	var b strings.Builder
	base := "http://" + main
	fmt.Fprintf(&b, "\nchatd %s is ready.\n\n", buildVersion())
	fmt.Fprintf(&b, "  GraphQL    %s/graphql   (WebSocket: ws://%s/graphql)\n", base, main)
	for _, s := range a.servers[1:] {
		fmt.Fprintf(&b, "  also on    http://%s\n", s.Addr())
	}
	fmt.Fprintf(&b, "  data       %s\n\n", kept)
	fmt.Fprintf(&b, "Try next:\n  %s/graphiql   explore the API in a browser\n  chatd bench fanout     put load on it\n", base)
	switch {
	case setup != "":
		fmt.Fprintf(&b, "\nThe first administrator registers with this setup token: %s\n", setup)
	case !a.cfg.Production():
		b.WriteString("\nThe first account of an empty server becomes its administrator.\n")
	}
	_, err := fmt.Fprintln(a.out, b.String())
	return err
}

func terminal(out any) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// schemaVersion names a schema by its text, so that clients notice a change.
func schemaVersion(sdl string) string {
	sum := sha256.Sum256([]byte(sdl))
	return hex.EncodeToString(sum[:6])
}

// mailed counts how tries to send mail ended.
func mailed(reg prometheus.Registerer) func(auth.MailEnd) {
	tries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatd_mail_tries_total", Help: "Tries to send a mail, by their end: sent, unwanted, later, refused, given_up.",
	}, []string{"end"})
	reg.MustRegister(tries)
	return func(end auth.MailEnd) { tries.WithLabelValues(string(end)).Inc() }
}
