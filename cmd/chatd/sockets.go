package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/wsgql"
)

// newSockets makes the WebSocket face of the engine.
func newSockets(cfg Config, e *gqlx.Engine, c *contexts, limiter limit.Limiter, log zerolog.Logger, reg prometheus.Registerer) *wsgql.Server {
	l := cfg.Limits
	return wsgql.New(wsgql.Deps{
		Engine: wsgql.GQL(e), Auth: c.auth, Limiter: limiter, Log: log, Metrics: reg,
	}, wsgql.Config{
		Server: "chatd", Version: buildVersion(), SchemaVersion: schemaVersion(e.SDL()),
		Capabilities:   map[string]any{"resume": true, "renewConnection": true},
		AllowedOrigins: cfg.Network.AllowedOrigins,
		InitBytes:      int64(l.MaxInitFrame), MessageBytes: int64(l.MaxFrame),
		UnsentBytes: l.MaxUnsent, Subscriptions: l.MaxSubscriptions, SocketsPerUser: l.MaxSocketsPerUser,
		Unlimited: l.RateLimits == Off, Requests: requests(limiter),
		Attend: func(p principal.Principal) wsgql.Attendance { return c.present.Attend(p.User) },
	})
}

// reconnect closes the sockets of users whose role has changed, so that they
// come back with it.
func (a *app) reconnect(users []ids.User) { a.sockets.Reconnect(users...) }

// endSessions closes the sockets of sessions that have ended.
func (a *app) endSessions(sessions []ids.Session) { a.sockets.EndSessions(sessions...) }
