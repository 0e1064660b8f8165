package httpx

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/principal"
)

// Authenticator turns an access token into who is calling. An error that is
// not of the kind errs.Unauthenticated means that it could not tell.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (principal.Principal, error)
}

// Deps are what the front needs.
type Deps struct {
	Auth Authenticator // nil: nobody can sign in here
	Log  zerolog.Logger
	// Metrics takes the request metrics; nil for none.
	Metrics prometheus.Registerer
}

// Config says whom the front believes. The zero Config trusts no proxy and
// allows no other origin.
type Config struct {
	// TrustedProxies may name the client (X-Forwarded-For) and the request
	// (X-Request-Id).
	TrustedProxies []netip.Prefix
	// AllowedOrigins are the other origins whose pages may call, exactly as
	// browsers write them, as in https://chat.example.org.
	AllowedOrigins []string
	// ContentSecurityPolicy of answers that set none of their own; that of an
	// API when empty: nothing may load, nobody may frame.
	ContentSecurityPolicy string
	// HTTPS says that clients come by TLS, here or at a proxy: browsers are
	// told to stay with it.
	HTTPS bool
}

const (
	maxToken  = 8 << 10
	apiPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

var errBadToken = errs.New(errs.Unauthenticated, "httpx.bad_token", "The access token is not valid. Sign in again.")

// Front is what every request passes before its route.
type Front struct {
	deps    Deps
	trusted []netip.Prefix
	origins map[string]bool
	headers map[string][]string
	metrics *requestMetrics
}

// New returns a front.
func New(deps Deps, cfg Config) *Front {
	f := &Front{deps: deps, trusted: cfg.TrustedProxies, origins: map[string]bool{}, metrics: newRequestMetrics(deps.Metrics)}
	for _, o := range cfg.AllowedOrigins {
		f.origins[o] = true
	}
	policy := cfg.ContentSecurityPolicy
	if policy == "" {
		policy = apiPolicy
	}
	f.headers = map[string][]string{
		"X-Content-Type-Options":     {"nosniff"},
		"X-Frame-Options":            {"DENY"},
		"Referrer-Policy":            {"no-referrer"},
		"Cross-Origin-Opener-Policy": {"same-origin"},
		"Content-Security-Policy":    {policy},
	}
	if cfg.HTTPS {
		f.headers["Strict-Transport-Security"] = []string{"max-age=31536000"}
	}
	return f
}

// Handler puts the front before next. What a handler sets of the security
// headers replaces the front's.
func (f *Front) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		start := time.Now()
		w := &writer{ResponseWriter: rw}
		peer := peerAddress(r)
		id := f.requestID(r, peer)
		head := w.Header()
		for name, v := range f.headers {
			head[name] = v[:1:1] // an Add copies, so that the slice can be shared
		}
		head.Set("X-Request-Id", id)

		ctx := principal.WithRequestID(r.Context(), id)
		ctx = principal.WithClient(ctx, principal.Client{Address: f.client(r, peer), Device: device(r)})
		ctx, caller := f.identify(ctx, r, head)
		r = r.WithContext(ctx)
		defer f.finish(w, r, caller, start)
		if f.cors(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// identify reads the bearer token. A request without a good one goes on.
func (f *Front) identify(ctx context.Context, r *http.Request, head http.Header) (context.Context, principal.Principal) {
	given := r.Header.Get("Authorization")
	if given == "" {
		return ctx, principal.Principal{}
	}
	head.Set("Cache-Control", "no-store")
	scheme, token, _ := strings.Cut(given, " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "bearer") || token == "" || len(token) > maxToken || f.deps.Auth == nil {
		return withTokenError(ctx, errBadToken), principal.Principal{}
	}
	p, err := f.deps.Auth.Authenticate(ctx, token)
	if err != nil {
		if errs.KindOf(err) == errs.Unauthenticated {
			err = errs.Of(err) // its sentence is for clients; what was wrapped around it is not
		}
		return withTokenError(ctx, err), principal.Principal{}
	}
	return principal.With(ctx, p), p
}

type tokenErrorKey struct{}

func withTokenError(ctx context.Context, err error) context.Context {
	return context.WithValue(ctx, tokenErrorKey{}, err)
}

// TokenError says why the request's token does not count: of the kind
// errs.Unauthenticated when it is bad, else why it could not be told. Nil when
// there was none, or a good one. Only operations that need a viewer ask.
func TokenError(ctx context.Context) error {
	err, _ := ctx.Value(tokenErrorKey{}).(error)
	return err
}

// requestID takes a trusted proxy's name for the request, else makes one.
func (f *Front) requestID(r *http.Request, peer netip.Addr) string {
	if id := r.Header.Get("X-Request-Id"); id != "" && wellFormed(id) && f.trusts(peer) {
		return id
	}
	return rand.Text()
}

// wellFormed lets through what can stand in a log line and a header as it is.
func wellFormed(id string) bool {
	if len(id) > 128 {
		return false
	}
	for _, c := range []byte(id) {
		if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// finish answers for a panic, counts the request and writes its log line.
func (f *Front) finish(w *writer, r *http.Request, caller principal.Principal, start time.Time) {
	id := principal.RequestID(r.Context())
	if v := recover(); v != nil {
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v) // net/http cuts the connection, as was asked
		}
		f.deps.Log.Error().Str("request_id", id).Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("handler panicked")
		if w.status == 0 && !w.hijacked {
			Fail(w, r, errs.ErrInternal)
		}
	}
	status := w.status
	switch {
	case w.hijacked:
		status = http.StatusSwitchingProtocols
	case status == 0:
		status = http.StatusOK
	}
	took := time.Since(start)
	f.metrics.observe(r.Method, status, took)
	e := f.deps.Log.WithLevel(levelOf(status)) //nolint:zerologlint // Sent below.
	if !caller.User.IsZero() {
		e = e.Stringer("user_id", caller.User)
	}
	e.Str("request_id", id).Str("method", clip(r.Method, 16)).Str("path", clip(r.URL.Path, 200)).
		Int("status", status).Int64("bytes", w.bytes).Dur("took_ms", took).Msg("request")
}

// levelOf is debug for what went well: there is too much of it for a log that
// somebody reads, and the metrics count it.
func levelOf(status int) zerolog.Level {
	switch {
	case status >= http.StatusInternalServerError:
		return zerolog.WarnLevel
	case status >= http.StatusBadRequest:
		return zerolog.InfoLevel
	}
	return zerolog.DebugLevel
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
