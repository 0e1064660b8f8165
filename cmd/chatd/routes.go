package main

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authhttp"
	"chatd/internal/auth/authoidc"
	"chatd/internal/chat"
	"chatd/internal/chat/chathttp"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/httpx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/links"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/webassets"
	"chatd/internal/platform/wsgql"
	"chatd/internal/user"
)

// faces are the handlers of the listeners; ws and ops are nil where everything
// is on the main one.
type faces struct {
	main, ws, ops http.Handler
}

// face is what the routes lead to.
type face struct {
	cfg      Config
	files    *chathttp.Face // nil without
	exports  *links.Signer
	signIns  *authoidc.Face
	engine   *gqlx.Engine
	sockets  *wsgql.Server
	accounts *auth.Service
	present  *user.PresenceService
	limits   *limits
	health   *httpx.Health
	registry *prometheus.Registry
	log      zerolog.Logger
}

func (f *face) handlers() faces {
	front := httpx.New(httpx.Deps{Auth: f.accounts, Log: f.log, Metrics: f.registry}, httpx.Config{
		TrustedProxies: f.cfg.Network.TrustedProxies, AllowedOrigins: f.cfg.Network.AllowedOrigins,
		HTTPS: strings.HasPrefix(f.cfg.Network.PublicURL, "https://"),
	})
	var out faces
	all := chi.NewRouter()
	f.graphql(all)
	all.Handle(authoidc.Path+"*", f.limited(f.signIns))
	all.Handle(chathttp.Path+"*", f.limited(f.scoped(f.uploads())))
	all.Handle(authhttp.ExportPath+"*", f.limited(authhttp.NewExports(f.accounts, f.exports, f.log)))
	links := authhttp.New(f.accounts, f.log)
	all.Handle(auth.ResetPath, f.limited(links.Reset()))
	all.Handle(auth.VerifyPath, f.limited(links.Verify()))
	f.pages(all)
	if f.cfg.Network.OpsListen == "" {
		f.operations(all, f.cfg.Production())
	} else {
		ops := chi.NewRouter()
		f.operations(ops, false)
		out.ops = front.Handler(ops)
	}
	if f.cfg.Network.WSListen != "" {
		ws := chi.NewRouter()
		ws.Handle("/graphql", f.upgradeOr(http.HandlerFunc(onlySockets)))
		out.ws = front.Handler(ws)
	}
	out.main = front.Handler(all)
	return out
}

func (f *face) graphql(r chi.Router) {
	r.Handle("/graphql", f.upgradeOr(f.limited(f.active(f.engine.HTTP()))))
	r.Method(http.MethodGet, "/.well-known/jwks.json", f.accounts.Signers())
}

// newFiles is the HTTP face of files; nil without.
func newFiles(cfg Config, s *stores, c *contexts, log zerolog.Logger) (*chathttp.Face, error) {
	if s.files == nil {
		return nil, nil //nolint:nilnil // There is none.
	}
	return chathttp.New(chathttp.Deps{
		Chat: c.chat, Blobs: s.files, Links: c.links, Stands: c.auth.Stands, Log: log, Denied: httpx.TokenError,
	}, chathttp.Config{MaxSize: int64(cfg.Files.MaxFile)})
}

// uploads is the face of files; where there is none it says so.
func (f *face) uploads() http.Handler {
	if f.files != nil {
		return f.files
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { httpx.Fail(w, r, chat.ErrNoUploads) })
}

// scoped asks the scopes of a personal token for files, as the engine does for
// operations: reading to fetch, writing for all else.
func (f *face) scoped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := principal.ScopeWrite
		if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
			want = principal.ScopeRead
		}
		if p, ok := principal.From(r.Context()); ok && !p.Holds(want) {
			httpx.Fail(w, r, errs.ErrForbidden.Saying("The token has not the scope for this."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// upgradeOr sends WebSocket handshakes to the sockets, all else to next.
func (f *face) upgradeOr(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			f.sockets.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func onlySockets(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Upgrade", "websocket")
	http.Error(w, "Only WebSocket handshakes here, subprotocol "+wsgql.Protocol+".", http.StatusUpgradeRequired)
}

// limited counts requests that come over HTTP.
func (f *face) limited(next http.Handler) http.Handler {
	allow := f.limits.requests()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait, ok := allow(r.Context()); !ok {
			httpx.Fail(w, r, errs.ErrRateLimited.With(errs.RetryAfter(wait)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// active counts what somebody asks over HTTP as activity of his: clients send
// by it and listen on a socket.
func (f *face) active(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, ok := principal.From(r.Context()); ok {
			f.present.Active(p.User)
		}
		next.ServeHTTP(w, r)
	})
}

func (f *face) pages(r chi.Router) {
	r.Method(http.MethodGet, "/", webassets.Index())
	if f.cfg.GraphQL.Introspection == On {
		graphiql := webassets.GraphiQL()
		r.Handle("/graphiql", graphiql)
		r.Handle("/graphiql/*", graphiql)
		r.Get("/schema.graphql", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write([]byte(f.engine.SDL()))
		})
	}
}

// operations are what operators and their machines ask. In production, on a
// listener that strangers reach, metrics are for this machine only.
func (f *face) operations(r chi.Router, guarded bool) {
	r.Get("/healthz", f.health.Live)
	r.Get("/readyz", f.health.ReadyHandler)
	metrics := httpx.MetricsHandler(f.registry)
	if guarded {
		metrics = httpx.LoopbackOnly(metrics)
	}
	r.Method(http.MethodGet, "/metrics", metrics)
}

// newSockets makes the WebSocket face of the engine.
func newSockets(cfg Config, e *gqlx.Engine, c *contexts, counted *limits, log zerolog.Logger, reg prometheus.Registerer) *wsgql.Server {
	l := cfg.Limits
	return wsgql.New(wsgql.Deps{
		Engine: wsgql.GQL(e), Auth: c.auth, Meter: counted.meter, Log: log, Metrics: reg,
	}, wsgql.Config{
		Server: "chatd", Version: buildVersion(), SchemaVersion: schemaVersion(e.SDL()),
		Capabilities:   map[string]any{"resume": true, "renewConnection": true},
		AllowedOrigins: cfg.Network.AllowedOrigins,
		InitBytes:      int64(l.MaxInitFrame), MessageBytes: int64(l.MaxFrame),
		UnsentBytes: l.MaxUnsent, Subscriptions: l.MaxSubscriptions, SocketsPerUser: l.MaxSocketsPerUser,
		Unlimited: l.RateLimits == Off, Requests: counted.requests(),
		ConnectRate: counted.table.Budget(wsgql.ConnectBudget).Rate, MessageRate: counted.table.Budget("messages-socket").Rate,
		Attend: func(p principal.Principal) wsgql.Attendance { return c.present.Attend(p.User) },
	})
}

// reconnect closes the sockets of users whose role has changed, so that they
// come back with it.
func (a *app) reconnect(users []ids.User) { a.sockets.Reconnect(users...) }

// endSessions closes the sockets of sessions that have ended.
func (a *app) endSessions(sessions []ids.Session) { a.sockets.EndSessions(sessions...) }
