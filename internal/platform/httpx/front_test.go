package httpx_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/httpx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

var ann = ids.New[ids.User]()

// tokens knows one good token.
type tokens struct{}

func (tokens) Authenticate(_ context.Context, token string) (principal.Principal, error) {
	switch token {
	case "good":
		return principal.Principal{User: ann}, nil
	case "untold":
		return principal.Principal{}, fmt.Errorf("read revocations: %w", errs.ErrUnavailable)
	case "ours":
		return principal.Principal{}, errors.New("disk")
	}
	return principal.Principal{}, fmt.Errorf("verify: %w", errs.ErrUnauthenticated)
}

type fixture struct {
	handler http.Handler
	log     *strings.Builder
	seen    *http.Request // as the route got it
}

func setup(t testing.TB, cfg httpx.Config, route http.HandlerFunc) *fixture {
	t.Helper()
	f := &fixture{log: new(strings.Builder)}
	front := httpx.New(httpx.Deps{Auth: tokens{}, Log: zerolog.New(f.log), Metrics: prometheus.NewRegistry()}, cfg)
	f.handler = front.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.seen = r
		if route != nil {
			route(w, r)
		}
	}))
	return f
}

func (f *fixture) ask(t testing.TB, method, target, peer string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	r.RemoteAddr = peer
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

func TestTheClientIsTheRightmostHopThatIsNoTrustedProxy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		peer    string
		headers []string
		want    string
	}{
		"no proxy":                    {"203.0.113.5:99", nil, "203.0.113.5"},
		"a stranger's header":         {"203.0.113.5:99", []string{"X-Forwarded-For", "198.51.100.1"}, "203.0.113.5"},
		"a stranger's other headers":  {"203.0.113.5:99", []string{"X-Real-Ip", "1.1.1.1", "True-Client-Ip", "2.2.2.2", "Forwarded", "for=3.3.3.3"}, "203.0.113.5"},
		"one proxy":                   {"10.0.0.1:99", []string{"X-Forwarded-For", "198.51.100.1"}, "198.51.100.1"},
		"one proxy, client lies":      {"10.0.0.1:99", []string{"X-Forwarded-For", "1.2.3.4, 198.51.100.1"}, "198.51.100.1"},
		"two proxies":                 {"10.0.0.1:99", []string{"X-Forwarded-For", "1.2.3.4, 198.51.100.1, 10.9.9.9"}, "198.51.100.1"},
		"several headers":             {"10.0.0.1:99", []string{"X-Forwarded-For", "1.2.3.4", "X-Forwarded-For", "198.51.100.1 ,10.9.9.9"}, "198.51.100.1"},
		"proxies only":                {"10.0.0.1:99", []string{"X-Forwarded-For", "10.0.0.7, 10.0.0.8"}, "10.0.0.7"},
		"a hop that is no address":    {"10.0.0.1:99", []string{"X-Forwarded-For", "198.51.100.1, unknown, 10.0.0.8"}, "10.0.0.8"},
		"an empty header":             {"10.0.0.1:99", []string{"X-Forwarded-For", ""}, "10.0.0.1"},
		"ports and brackets":          {"[fd00::1]:99", []string{"X-Forwarded-For", "[2001:db8::5]:443, 10.0.0.8:80"}, "2001:db8::5"},
		"mapped addresses":            {"[::ffff:10.0.0.1]:99", []string{"X-Forwarded-For", "::ffff:198.51.100.1"}, "198.51.100.1"},
		"X-Real-Ip is never believed": {"10.0.0.1:99", []string{"X-Real-Ip", "1.1.1.1"}, "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, httpx.Config{TrustedProxies: proxies}, nil)
			f.ask(t, "GET", "/", c.peer, c.headers...)
			if got := principal.ClientFrom(f.seen.Context()).Address; got != netip.MustParseAddr(c.want) {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestTheDeviceIsTheUserAgentCutTo200Bytes(t *testing.T) {
	t.Parallel()
	f := setup(t, httpx.Config{}, nil)
	f.ask(t, "GET", "/", "203.0.113.5:99", "User-Agent", strings.Repeat("é", 150))
	if got := principal.ClientFrom(f.seen.Context()).Device; got != strings.Repeat("é", 100) {
		t.Errorf("%d bytes", len(got))
	}
}

func TestARequestHasANameThatOnlyTrustedProxiesChoose(t *testing.T) {
	t.Parallel()
	f := setup(t, httpx.Config{TrustedProxies: proxies}, nil)
	for _, c := range []struct {
		peer, given string
		kept        bool
	}{
		{"10.0.0.1:99", "abc-123_X.9", true},
		{"203.0.113.5:99", "abc-123", false},
		{"10.0.0.1:99", "with space", false},
		{"10.0.0.1:99", "line\nbreak", false},
		{"10.0.0.1:99", strings.Repeat("x", 129), false},
		{"10.0.0.1:99", "", false},
	} {
		w := f.ask(t, "GET", "/", c.peer, "X-Request-Id", c.given)
		got := w.Header().Get("X-Request-Id")
		if got == "" || (got == c.given) != c.kept || got != principal.RequestID(f.seen.Context()) {
			t.Errorf("%q from %s: %q", c.given, c.peer, got)
		}
	}
}

func TestABadTokenGoesOnAsAnonymousAndIsRemembered(t *testing.T) {
	t.Parallel()
	f := setup(t, httpx.Config{}, nil)
	for header, want := range map[string]struct {
		in   bool
		kind errs.Kind // of TokenError, when there is one
		none bool
	}{
		"":                                    {none: true},
		"Bearer good":                         {in: true, none: true},
		"bearer good":                         {in: true, none: true},
		"Bearer bad":                          {kind: errs.Unauthenticated},
		"Bearer ":                             {kind: errs.Unauthenticated},
		"Basic good":                          {kind: errs.Unauthenticated},
		"good":                                {kind: errs.Unauthenticated},
		"Bearer untold":                       {kind: errs.Unavailable},
		"Bearer ours":                         {kind: errs.Internal},
		"Bearer " + strings.Repeat("x", 9000): {kind: errs.Unauthenticated},
	} {
		w := f.ask(t, "GET", "/", "203.0.113.5:99", "Authorization", header)
		ctx := f.seen.Context()
		p, in := principal.From(ctx)
		err := httpx.TokenError(ctx)
		if in != want.in || in && p.User != ann || (err == nil) != want.none || err != nil && errs.KindOf(err) != want.kind {
			t.Errorf("%.20q: %v %v", header, in, err)
		}
		if (header != "") != (w.Header().Get("Cache-Control") == "no-store") {
			t.Errorf("%.20q: Cache-Control %q", header, w.Header().Get("Cache-Control"))
		}
	}
}

func TestEveryAnswerHasTheSecurityHeadersUnlessTheRouteSetsItsOwn(t *testing.T) {
	t.Parallel()
	f := setup(t, httpx.Config{HTTPS: true}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/page" {
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
			w.Header().Add("X-Content-Type-Options", "twice")
		}
	})
	f.ask(t, "GET", "/page", "203.0.113.5:99")
	h := f.ask(t, "GET", "/", "203.0.113.5:99").Header()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Strict-Transport-Security": "max-age=31536000",
	} {
		if got := h.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("CSP %q", h.Get("Content-Security-Policy"))
	}
	if got := f.ask(t, "GET", "/page", "203.0.113.5:99").Header().Get("Content-Security-Policy"); got != "default-src 'self'" {
		t.Errorf("the page's CSP is %q", got)
	}
	if setup(t, httpx.Config{}, nil).ask(t, "GET", "/", "203.0.113.5:99").Header().Get("Strict-Transport-Security") != "" {
		t.Error("HSTS without TLS")
	}
}

func TestOnlyListedOriginsMayRead(t *testing.T) {
	t.Parallel()
	const good = "https://chat.example.org"
	f := setup(t, httpx.Config{AllowedOrigins: []string{good}}, nil)
	for _, origin := range []string{
		good, "http://chat.example.org", "https://chat.example.org:8443", "https://chat.example.org.evil.test", "https://evilchat.example.org",
		"https://CHAT.example.org", "null", "https://chat.example.org/", "*", "https://example.org", "file://", good + " ",
	} {
		for _, method := range []string{"POST", "OPTIONS"} {
			f.seen = nil
			w := f.ask(t, method, "/graphql", "203.0.113.5:99", "Origin", origin, "Access-Control-Request-Method", "POST")
			got := w.Header().Get("Access-Control-Allow-Origin")
			if want := map[bool]string{true: good}[origin == good]; got != want {
				t.Errorf("%s %q: %q", method, origin, got)
			}
			if w.Header().Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(w.Header().Get("Vary"), "Origin") {
				t.Errorf("%s %q: %v", method, origin, w.Header())
			}
			if preflight := method == "OPTIONS"; preflight != (f.seen == nil) || preflight && w.Code != http.StatusNoContent {
				t.Errorf("%s %q: status %d, reached the route: %v", method, origin, w.Code, f.seen != nil)
			}
		}
	}
}

func TestAPanicIsAnsweredAndLoggedOnce(t *testing.T) {
	t.Parallel()
	f := setup(t, httpx.Config{}, func(http.ResponseWriter, *http.Request) { panic("secret") })
	w := f.ask(t, "GET", "/", "203.0.113.5:99")
	var got struct {
		Errors []struct {
			Message    string
			Extensions map[string]string
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 500 || got.Errors[0].Extensions["code"] != "INTERNAL" ||
		got.Errors[0].Extensions["requestId"] != w.Header().Get("X-Request-Id") || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if strings.Count(f.log.String(), "secret") != 1 || !strings.Contains(f.log.String(), "front_test.go") {
		t.Errorf("log: %s", f.log)
	}
	defer func() {
		if recover() != http.ErrAbortHandler { //nolint:errorlint // The very value.
			t.Error("ErrAbortHandler was swallowed")
		}
	}()
	setup(t, httpx.Config{}, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }).ask(t, "GET", "/", "203.0.113.5:99")
}

func TestTheAccessLogTellsNoQueryTokenOrAddress(t *testing.T) {
	t.Parallel()
	f := setup(t, httpx.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "short")
	})
	f.ask(t, "POST", "/graphql?query=secret", "203.0.113.5:99", "Authorization", "Bearer good")
	var line map[string]any
	if err := json.Unmarshal([]byte(f.log.String()), &line); err != nil {
		t.Fatal(err)
	}
	if line["path"] != "/graphql" || line["status"] != 418.0 || line["bytes"] != 5.0 || line["method"] != "POST" ||
		line["user_id"] != ann.String() || line["request_id"] == "" || line["level"] != "info" {
		t.Errorf("%v", line)
	}
	for _, secret := range []string{"secret", "good", "203.0.113.5"} {
		if strings.Contains(f.log.String(), secret) {
			t.Errorf("tells %q: %s", secret, f.log)
		}
	}
}

func TestASocketCanBeUpgradedThroughTheFront(t *testing.T) {
	t.Parallel()
	hijacks := map[string]func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error){
		"Hijacker": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return w.(http.Hijacker).Hijack() },
		"ResponseController": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			return http.NewResponseController(w).Hijack()
		},
	}
	for name, hijack := range hijacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, httpx.Config{}, func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := hijack(w)
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Fprint(c, "raw bytes")
				c.Close()
			})
			s := httptest.NewServer(f.handler)
			defer s.Close()
			var d net.Dialer
			c, err := d.DialContext(t.Context(), "tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			got, _ := bufio.NewReader(c).ReadString('\n')
			if got != "raw bytes" {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestFailShowsWhatIsForClients(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		want   string
	}{
		{fmt.Errorf("x: %w", errs.ErrRateLimited.With(errs.RetryAfter(1e9))), 429, `"retryAfterMs":1000`},
		{errors.New("secret"), 500, `"code":"INTERNAL"`},
	} {
		w := httptest.NewRecorder()
		httpx.Fail(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), c.err)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

func BenchmarkFront(b *testing.B) {
	front := httpx.New(httpx.Deps{Auth: tokens{}, Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()}, httpx.Config{})
	h := front.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequestWithContext(b.Context(), "POST", "/graphql", nil)
	r.Header.Set("Authorization", "Bearer good")
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
