package httpx

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/principal"
)

const (
	checkTimeout  = 2 * time.Second
	checkInterval = time.Second // an answer serves all who ask within it
)

// Health says whether the process lives and may take traffic. The zero state
// is not ready: cmd says when it is.
type Health struct {
	log    zerolog.Logger
	hidden bool

	mu     sync.Mutex
	state  string
	checks []check

	asking sync.Mutex // one round of checks at a time
	at     time.Time  // of the last round
	last   []result
}

type check struct {
	name     string
	optional bool
	run      func(ctx context.Context) error
}

type result struct {
	name     string
	optional bool
	ok       bool
}

// HealthConfig says who is told what.
type HealthConfig struct {
	// LoopbackOnly tells the names of the dependencies to callers from this
	// machine only, for production without a listener of operators' own.
	LoopbackOnly bool
}

// The states that readiness names.
const (
	stateStarting = "starting"
	stateReady    = "ready"
	stateDraining = "draining"
	stateFailing  = "failing"
	stateDegraded = "degraded"
)

// NewHealth returns the registry of a process that is starting.
func NewHealth(log zerolog.Logger, cfg HealthConfig) *Health {
	return &Health{log: log, hidden: cfg.LoopbackOnly, state: stateStarting}
}

// Add registers a dependency. The check is run at most once a second, however
// many ask, and fails when it takes more than 2 s; it must respect its
// context.
func (h *Health) Add(name string, run func(ctx context.Context) error) {
	h.add(check{name: name, run: run})
}

// AddOptional registers a dependency that the process does without: while it
// fails, readiness is "degraded" and still 200. It is not logged here, but by
// whoever does without it.
func (h *Health) AddOptional(name string, run func(ctx context.Context) error) {
	h.add(check{name: name, optional: true, run: run})
}

func (h *Health) add(c check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, c)
}

// Ready says that the process has started.
func (h *Health) Ready() { h.set(stateReady) }

// Drain says that the process stops: no more traffic, from now on.
func (h *Health) Drain() { h.set(stateDraining) }

func (h *Health) set(state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state = state
}

// Live answers /healthz: 200 while the process can answer at all.
func (h *Health) Live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"status": "ok"})
}

// ReadyHandler answers /readyz: 200 when the process may take traffic, also
// without what is optional, else 503, with each dependency by name to those who may know.
func (h *Health) ReadyHandler(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	state, checks := h.state, h.checks
	h.mu.Unlock()
	body := map[string]any{}
	results := h.round(r.Context(), checks)
	named := make(map[string]string, len(results))
	for _, c := range results {
		named[c.name] = "ok"
		switch {
		case c.ok:
		case c.optional:
			named[c.name] = stateDegraded
			if state == stateReady {
				state = stateDegraded
			}
		default:
			named[c.name] = stateFailing
			if state == stateReady || state == stateDegraded {
				state = stateFailing
			}
		}
	}
	body["status"] = state
	if !h.hidden || fromThisMachine(r) {
		body["checks"] = named
	}
	status := http.StatusOK
	if state != stateReady && state != stateDegraded {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, body)
}

// round runs all checks at once, or gives the results of less than a second
// ago. A change is logged.
func (h *Health) round(ctx context.Context, checks []check) []result {
	h.asking.Lock()
	defer h.asking.Unlock()
	if len(h.last) == len(checks) && time.Since(h.at) < checkInterval {
		return h.last
	}
	// A caller who goes away must not make a dependency look ill to the next.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	results := make([]result, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			err := c.run(ctx)
			results[i] = result{c.name, c.optional, err == nil}
			before := i >= len(h.last) || h.last[i].ok
			switch {
			case c.optional:
			case err != nil && before:
				h.log.Warn().Err(err).Str("check", c.name).Msg("dependency fails")
			case err == nil && !before:
				h.log.Info().Str("check", c.name).Msg("dependency is back")
			}
		})
	}
	wg.Wait()
	h.at, h.last = time.Now(), results
	return results
}

// LoopbackOnly answers 404 to all but callers from this machine.
func LoopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromThisMachine(r) {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fromThisMachine is false for what a proxy on this machine passes on, trusted
// or not.
func fromThisMachine(r *http.Request) bool {
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	client := principal.ClientFrom(r.Context()).Address
	return peerAddress(r).IsLoopback() && (!client.IsValid() || client.IsLoopback())
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	head := w.Header()
	head.Set("Content-Type", "application/json; charset=utf-8")
	head.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}
