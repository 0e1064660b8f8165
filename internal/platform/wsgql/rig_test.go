package wsgql_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"chatd/internal/platform/limit"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/wsgql"
	"chatd/internal/platform/wsgql/wsclient"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreTopFunction("os/signal.loop")); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left over:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// rig is a server on a loopback address.
type rig struct {
	*engine
	server *wsgql.Server
	auth   *authority
	url    string
}

func setup(t testing.TB, cfg wsgql.Config) *rig {
	t.Helper()
	r := &rig{engine: newEngine(), auth: &authority{users: map[string]principal.Principal{}}}
	cfg.Server, cfg.Version, cfg.Capabilities = "chatd", "1.2.3", map[string]any{"resume": true}
	r.server = wsgql.New(wsgql.Deps{
		Engine: r.engine, Auth: r.auth, Meter: limit.NewMeter(limit.MeterConfig{}),
		Log: zerolog.Nop(), Metrics: prometheus.NewRegistry(),
	}, cfg)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		a := netip.MustParseAddrPort(req.RemoteAddr).Addr()
		ctx := principal.WithClient(req.Context(), principal.Client{Address: a})
		r.server.ServeHTTP(w, req.WithContext(ctx))
	}))
	r.url = "ws" + strings.TrimPrefix(srv.URL, "http") + "/graphql"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := r.server.Drain(ctx); err != nil {
			t.Errorf("drain: %v", err)
		}
		srv.Close()
		if n := r.streams.Load(); n != 0 {
			t.Errorf("%d streams were not closed", n)
		}
		if n := r.hub.Topics(); n != 0 {
			t.Errorf("%d topics are left", n)
		}
	})
	return r
}

// peer is a bare socket for tests, with a deadline on everything.
type peer struct {
	t testing.TB
	*wsclient.Socket
}

func (r *rig) open(t testing.TB, o wsclient.Options) *peer {
	t.Helper()
	s, err := wsclient.Open(t.Context(), r.url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	_ = s.NetConn().SetDeadline(time.Now().Add(time.Minute))
	return &peer{t, s}
}

// ready opens a socket and initialises it.
func (r *rig) ready(t testing.TB, token string) *peer {
	t.Helper()
	p := r.open(t, wsclient.Options{})
	p.say(`{"type":"connection_init","payload":{"authorization":"Bearer ` + token + `"}}`)
	if m := p.hear(); m.Type != "connection_ack" {
		t.Fatalf("got %+v instead of connection_ack", m)
	}
	return p
}

func (p *peer) say(messages ...string) {
	p.t.Helper()
	for _, m := range messages {
		if err := p.WriteText([]byte(m)); err != nil {
			p.t.Fatalf("say %.80s: %v", m, err)
		}
	}
}

func (p *peer) start(id, document string) {
	p.t.Helper()
	m, err := wsclient.Request(id, document, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.say(string(m))
}

type heard struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload"`
}

func (h heard) String() string {
	return strings.TrimSpace(h.ID + " " + h.Type + " " + string(h.Payload))
}

// code is extensions.code of the first error of an error message.
func (h heard) code() string {
	var list []struct {
		Extensions struct {
			Code string `json:"code"`
		} `json:"extensions"`
	}
	if h.Type != "error" || json.Unmarshal(h.Payload, &list) != nil || len(list) == 0 {
		return ""
	}
	return list[0].Extensions.Code
}

func (p *peer) hear() heard {
	p.t.Helper()
	raw, err := p.ReadMessage()
	if err != nil {
		p.t.Fatalf("hear: %v", err)
	}
	var m heard
	if err := json.Unmarshal(raw, &m); err != nil {
		p.t.Fatalf("hear %q: %v", raw, err)
	}
	return m
}

func (p *peer) wants(want string) {
	p.t.Helper()
	if got := p.hear().String(); got != want {
		p.t.Fatalf("heard %s, want %s", got, want)
	}
}

// closedWith reads until the end and wants a close frame with the code.
func (p *peer) closedWith(code int) {
	p.t.Helper()
	for {
		_, err := p.ReadMessage()
		if err == nil {
			continue
		}
		var c *wsclient.CloseError
		if !errors.As(err, &c) || c.Code != code {
			p.t.Fatalf("ended with %v, want close code %d", err, code)
		}
		return
	}
}

// eventually waits for a condition that something else brings about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("never %s", what)
		}
	}
}
