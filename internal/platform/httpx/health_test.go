package httpx_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/httpx"
)

type readiness struct {
	Status string
	Checks map[string]string
}

func ready(t *testing.T, h *httpx.Health, peer string, headers ...string) (int, readiness) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/readyz", nil)
	r.RemoteAddr = peer
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ReadyHandler(w, r)
	var got readiness
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return w.Code, got
}

const loopback = "127.0.0.1:9"

func TestReadinessFollowsTheProcessAndItsDependencies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := new(strings.Builder)
		h := httpx.NewHealth(zerolog.New(log), httpx.HealthConfig{})
		var ill atomic.Bool
		var asked atomic.Int64
		h.Add("database", func(context.Context) error {
			asked.Add(1)
			if ill.Load() {
				return errors.New("secret")
			}
			return nil
		})
		expect := func(status int, state, database string) {
			t.Helper()
			code, got := ready(t, h, loopback)
			if code != status || got.Status != state || got.Checks["database"] != database {
				t.Errorf("%d %+v", code, got)
			}
		}
		expect(503, "starting", "ok")
		h.Ready()
		expect(200, "ready", "ok")
		ill.Store(true)
		expect(200, "ready", "ok") // the answer of less than a second ago
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
		<-time.After(time.Second)
		expect(503, "failing", "failing")
		<-time.After(time.Second)
		expect(503, "failing", "failing")
		ill.Store(false)
		<-time.After(time.Second)
		expect(200, "ready", "ok")
		h.Drain()
		expect(503, "draining", "ok")
		if strings.Count(log.String(), "secret") != 1 || strings.Count(log.String(), "is back") != 1 {
			t.Errorf("log: %s", log)
		}
	})
}

func TestWithoutWhatIsOptionalAProcessIsDegradedAndReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := new(strings.Builder)
		h := httpx.NewHealth(zerolog.New(log), httpx.HealthConfig{})
		var redis, store atomic.Pointer[error]
		down := errors.New("down")
		check := func(of *atomic.Pointer[error]) func(context.Context) error {
			return func(context.Context) error {
				if err := of.Load(); err != nil {
					return *err
				}
				return nil
			}
		}
		h.AddOptional("redis", check(&redis))
		h.Add("store", check(&store))
		h.AddOptional("mail", check(&redis))
		expect := func(status int, state, redis, store string) {
			t.Helper()
			<-time.After(time.Second)
			code, got := ready(t, h, loopback)
			if code != status || got.Status != state || got.Checks["redis"] != redis || got.Checks["store"] != store {
				t.Errorf("%d %+v", code, got)
			}
		}
		redis.Store(&down)
		expect(503, "starting", "degraded", "ok")
		h.Ready()
		expect(200, "degraded", "degraded", "ok")
		if log.Len() != 0 {
			t.Errorf("log: %s", log)
		}
		store.Store(&down)
		expect(503, "failing", "degraded", "failing")
		store.Store(nil)
		redis.Store(nil)
		expect(200, "ready", "ok", "ok")
		redis.Store(&down)
		h.Drain()
		expect(503, "draining", "degraded", "ok")
	})
}

func TestACheckThatHangsFailsAfterTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := httpx.NewHealth(zerolog.Nop(), httpx.HealthConfig{})
		h.Ready()
		h.Add("bus", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		h.Add("database", func(context.Context) error { return nil })
		start := time.Now()
		code, got := ready(t, h, loopback)
		if code != 503 || got.Checks["bus"] != "failing" || got.Checks["database"] != "ok" || time.Since(start) != 2*time.Second {
			t.Errorf("%d %+v after %v", code, got, time.Since(start))
		}
	})
}

func TestNamesAreForThisMachineOnlyWhereThatWasAsked(t *testing.T) {
	t.Parallel()
	h := httpx.NewHealth(zerolog.Nop(), httpx.HealthConfig{LoopbackOnly: true})
	h.Add("database", func(context.Context) error { return nil })
	h.Ready()
	metrics := httpx.LoopbackOnly(httpx.MetricsHandler(prometheus.NewRegistry()))
	for _, c := range []struct {
		peer    string
		headers []string
		told    bool
	}{
		{loopback, nil, true},
		{"[::1]:9", nil, true},
		{"203.0.113.5:9", nil, false},
		{loopback, []string{"X-Forwarded-For", "203.0.113.5"}, false}, // a proxy on this machine
		{loopback, []string{"X-Forwarded-For", "127.0.0.1"}, false},
		{"203.0.113.5:9", []string{"X-Forwarded-For", "127.0.0.1"}, false},
	} {
		code, got := ready(t, h, c.peer, c.headers...)
		if code != 200 || got.Status != "ready" || (got.Checks != nil) != c.told {
			t.Errorf("%v: %d %+v", c, code, got)
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
		r.RemoteAddr = c.peer
		for i := 0; i < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		w := httptest.NewRecorder()
		metrics.ServeHTTP(w, r)
		if (w.Code == http.StatusOK) != c.told {
			t.Errorf("%v: metrics %d", c, w.Code)
		}
	}
}

func TestTheProcessIsAlive(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	httpx.NewHealth(zerolog.Nop(), httpx.HealthConfig{}).Live(w, httptest.NewRequestWithContext(t.Context(), "GET", "/healthz", nil))
	if w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"status":"ok"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
