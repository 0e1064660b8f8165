package main

import (
	"crypto/rand"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// Nothing of the kind that scanners look for is on the listener that strangers
// reach.
func TestThereIsNoBackDoorToFind(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	for path := range strings.FieldsSeq(`/debug /debug/ /debug/pprof /debug/pprof/ /debug/pprof/heap /debug/pprof/goroutine /debug/pprof/cmdline /debug/vars
		/debug/requests /debug/events /pprof /vars /expvar /health /status /server-status /server-info /info /version /build /env
		/.env /.git /.git/HEAD /.git/config /.svn/entries /.hg /.DS_Store /.htaccess /.htpasswd /.ssh/id_rsa /.aws/credentials /.well-known/ /.well-known/openid-configuration
		/config /config.json /config.yaml /config.yml /chatd.json /chatd.db /chatd-data/ /chatd-data/chatd.db /chatd-data/secret.key /secret.key /data/ /backup /backup.zip /dump.sql
		/admin /admin/ /administrator /console /manage /actuator /actuator/env /actuator/heapdump /_debug /_admin /_stats /_ah/ /phpmyadmin /wp-admin/ /wp-login.php
		/swagger /swagger.json /openapi.json /api /api/v1 /api-docs /graphql/schema /graphql/console /playground /altair /voyager /graphql.json
		/static/../chatd.db /graphiql/../secret.key /graphiql/..%2f..%2fsecret.key /graphiql/%2e%2e/%2e%2e/etc/passwd //etc/passwd /graphiql//etc/passwd /..;/admin
		/go.mod /main.go /package.json /package-lock.json /graphiql/package.json /graphiql/main.jsx /id_rsa /server.key /test /tmp /log /logs /trace`) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := p.do(t, method, path, nil, nil)
			if r.status != http.StatusNotFound && r.status != http.StatusMethodNotAllowed && r.status != http.StatusMovedPermanently {
				t.Errorf("%s %s: %v", method, path, r)
			}
			mustTellNothing(t, path, r, "")
		}
	}
	for _, method := range []string{"TRACE", "TRACK", "CONNECT", "PROPFIND", "DEBUG"} {
		if r := p.do(t, method, "/", nil, nil); r.status < 400 || r.status >= 500 {
			t.Errorf("%s /: %v", method, r)
		}
	}
	r := p.do(t, http.MethodGet, "/", nil, nil)
	if r.header.Get("Server") != "" || r.header.Get("X-Powered-By") != "" {
		t.Errorf("the server tells what it is: %v", r.header)
	}
}

// Behind a proxy on this machine it is the client that counts, not the proxy.
func TestInProductionStrangersSeeNoMetricsAndNoNames(t *testing.T) {
	t.Parallel()
	p := &program{
		dir: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t), env: []string{"CHATD_SECRET=" + rand.Text() + rand.Text()},
		args: []string{"--env", "production", "--public-url", "https://chat.example.org", "--trusted-proxies", "127.0.0.1"},
	}
	p.start(t)
	t.Cleanup(p.kill)
	stranger := map[string]string{"X-Forwarded-For": "203.0.113.9"}
	if r := p.do(t, http.MethodGet, "/metrics", stranger, nil); r.status != http.StatusNotFound && r.status != http.StatusForbidden {
		t.Errorf("metrics: %v", r)
	}
	if r := p.do(t, http.MethodGet, "/readyz", stranger, nil); r.status != http.StatusOK || strings.Contains(r.body, "store") {
		t.Errorf("readiness: %v", r)
	}
	if r := p.do(t, http.MethodGet, "/metrics", nil, nil); r.status != http.StatusOK {
		t.Errorf("metrics from here: %v", r)
	}
	r := p.ask(t, "", `mutation { register(input: {email: "eve@example.org", username: "eve", password: "correct horse battery"}) { user { id } accessToken } }`, nil)
	_, rest, _ := strings.Cut(r.body, `"accessToken":"`)
	token, _, _ := strings.Cut(rest, `"`)
	if _, claims, _ := jwtParts(t, token); claims["role"] != "MEMBER" {
		t.Errorf("whoever comes first is %v", claims["role"])
	}
}

func TestEveryAnswerHasItsSecurityHeaders(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "--public-url", "https://chat.example.org")
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	for _, path := range []string{"/", "/graphiql", "/graphql?query={__typename}", "/schema.graphql", "/.well-known/jwks.json", "/healthz", "/readyz", "/metrics", "/nothing", "/graphql"} {
		r := p.do(t, http.MethodGet, path, nil, nil)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Content-Security-Policy": "frame-ancestors 'none'", "Strict-Transport-Security": "max-age=", "X-Request-Id": "",
		} {
			if got := r.header.Get(name); got == "" || !strings.Contains(got, want) {
				t.Errorf("%s has %s %q", path, name, got)
			}
		}
		csp := r.header.Get("Content-Security-Policy")
		script, _, _ := strings.Cut(csp[max(0, strings.Index(csp, "script-src")):], ";")
		if strings.Contains(csp, "unsafe-eval") || strings.Contains(script, "unsafe-inline") || !strings.Contains(csp, "default-src 'none'") {
			t.Errorf("%s has the policy %s", path, csp)
		}
		if r.header.Get("Content-Type") == "" && r.body != "" || r.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %v", path, r.header)
		}
	}
	var last string
	for _, who := range []person{ada, bob} {
		r := p.do(t, http.MethodGet, "/graphql?query={viewer{user{id}}}", map[string]string{"Authorization": "Bearer " + who.token}, nil)
		if r.header.Get("Cache-Control") != "no-store" || r.header.Get("ETag") != "" || r.body == last || !strings.Contains(r.body, who.id) {
			t.Errorf("%v %v", r, r.header)
		}
		last = r.body
	}
	if r := p.ask(t, "", whoAmI, nil); r.header.Get("WWW-Authenticate") == "" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", r.header)
	}
}

func TestPagesOfOtherSitesMayNotReadAnswers(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "--allowed-origins", "https://app.example.org")
	ada := p.register(t, "ada")
	origins := append(strangeOrigins(p.addr), "https://app.example.org.evil.example", "http://app.example.org", "https://APP.example.org:443")
	for _, origin := range origins {
		for _, method := range []string{http.MethodOptions, http.MethodPost, http.MethodGet} {
			r := p.do(t, method, "/graphql?query={__typename}", map[string]string{
				"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization",
				"Content-Type": "application/json", "Authorization": "Bearer " + ada.token,
			}, buffered(`{"query":"{ viewer { user { id } } }"}`))
			for name := range r.header {
				if strings.HasPrefix(name, "Access-Control-Allow") {
					t.Errorf("%s %s is told %s: %s", method, origin, name, r.header.Get(name))
				}
			}
		}
	}
	r := p.do(t, http.MethodOptions, "/graphql", map[string]string{"Origin": "https://app.example.org", "Access-Control-Request-Method": "POST"}, nil)
	if r.header.Get("Access-Control-Allow-Origin") != "https://app.example.org" || r.header.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(strings.Join(r.header.Values("Vary"), ","), "Origin") {
		t.Errorf("the page that may: %v", r.header)
	}
}
