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
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/fanout"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/turn"
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

// engine is a GraphQL engine whose documents are commands:
//
//	{ok}             a query that anyone may run
//	{me}             a query for who has signed in: his user id
//	{wait}           a query that runs until released or cancelled
//	{big N}          a query with an answer of N bytes
//	mutation renew   extends the connection by an hour
//	mutation wait    like {wait}
//	mutation note X  appends X to notes
//	mutation pass X  the same, passes its turn and waits to be released
//	sub T            events of topic T
//	sub T after N    the same, after N that were missed
//	sub T denied     a subscription that is refused when it is opened
//	panic            panics
//
// All else is refused as invalid.
type engine struct {
	hub     *fanout.Hub[string, feed.Item]
	renders atomic.Int64
	running chan string   // gets the document of each {wait} as it begins
	release chan struct{} // lets one {wait} go on
	streams atomic.Int64  // open streams
	resume  atomic.Pointer[feed.Resume]

	noteMu sync.Mutex
	notes  []string
}

func (e *engine) lastResume() feed.Resume { return *e.resume.Load() }

var errNotFound = errs.ErrNotFound

func itemOf(ev any) feed.Item  { return feed.Item{Event: ev, Size: 64} }
func feedItem(n int) feed.Item { return itemOf(eventOf(n)) }

func newEngine() *engine {
	return &engine{
		hub: fanout.NewHub[string, feed.Item](), running: make(chan string, 1000), release: make(chan struct{}, 1000),
	}
}

// event is what subscribers share.
type event struct {
	rendered *gqlx.Rendered
}

func eventOf(n int) *event {
	return &event{&gqlx.Rendered{JSON: []byte(`{"data":{"n":` + strconv.Itoa(n) + `}}`)}}
}

// publish sends the numbered events [from, to) to the subscribers of a topic.
func (e *engine) publish(topic string, from, to int) {
	for n := from; n < to; n++ {
		e.hub.Publish(topic, feedItem(n))
	}
}

func refusal(code, text string) *gqlx.Response {
	return &gqlx.Response{Errors: []gqlx.Error{{Message: text, Extensions: map[string]any{"code": code}}}}
}

func (e *engine) Present(ctx context.Context, err error) *gqlx.Response {
	k := errs.KindOf(err)
	r := refusal(k.GraphQL(), k.String())
	r.Errors[0].Extensions["requestId"] = principal.RequestID(ctx)
	return r
}

func (e *engine) Prepare(_ context.Context, r gqlx.Request) (wsgql.Operation, *gqlx.Response) {
	op := &operation{engine: e, words: strings.Fields(r.Query), kind: gqlx.Query}
	switch {
	case r.Query == "panic":
		panic("as asked")
	case strings.HasPrefix(r.Query, "sub "):
		op.kind = gqlx.Subscription
	case strings.HasPrefix(r.Query, "mutation "):
		op.kind = gqlx.Mutation
	case strings.HasPrefix(r.Query, "{"):
	default:
		return nil, refusal("GRAPHQL_VALIDATION_FAILED", "No.")
	}
	return op, nil
}

type operation struct {
	engine *engine
	words  []string
	kind   gqlx.Kind
}

func (o *operation) Kind() gqlx.Kind { return o.kind }
func (o *operation) Public() bool    { return o.words[0] != "{me}" }

func (o *operation) Single() bool { return o.words[len(o.words)-1] != "twice" }

func (o *operation) Run(ctx context.Context) *gqlx.Response {
	answer := func(format string, args ...any) *gqlx.Response {
		return &gqlx.Response{Data: fmt.Appendf(nil, format, args...)}
	}
	switch doc := strings.Join(o.words, " "); {
	case doc == "{ok}":
	case doc == "{me}":
		p, _ := principal.From(ctx)
		return answer(`{"me":%q}`, p.User.String())
	case strings.HasSuffix(doc, "wait}"), doc == "mutation wait":
		o.engine.running <- doc
		select {
		case <-o.engine.release:
			return answer(`{"waited":true}`)
		case <-ctx.Done():
			return refusal("UNAVAILABLE", "cancelled")
		}
	case o.words[0] == "{big":
		n, _ := strconv.Atoi(strings.TrimSuffix(o.words[1], "}"))
		return answer(`{"big":%q}`, strings.Repeat("x", n))
	case o.words[1] == "note", o.words[1] == "pass":
		runtime.Gosched() // give others a chance to overtake
		o.engine.noteMu.Lock()
		o.engine.notes = append(o.engine.notes, o.words[2])
		o.engine.noteMu.Unlock()
		turn.Pass(ctx)
		if o.words[1] == "pass" {
			o.engine.running <- doc
			<-o.engine.release
		}
	case doc == "mutation renew":
		p, _ := principal.From(ctx)
		p.Expires = time.Now().Add(time.Hour)
		c, _ := principal.ConnectionFrom(ctx)
		if err := c.Renew(p); err != nil {
			return o.engine.Present(ctx, err)
		}
	case doc == "mutation steal":
		c, _ := principal.ConnectionFrom(ctx)
		err := c.Renew(principal.Principal{User: ids.New[ids.User](), Session: ids.New[ids.Session]()})
		return o.engine.Present(ctx, err)
	}
	return answer(`{"ok":true}`)
}

func (o *operation) Open(ctx context.Context) (feed.Stream, wsgql.Renderer, *gqlx.Response) {
	resume := feed.ResumeFrom(ctx)
	o.engine.resume.Store(&resume)
	s := &stream{engine: o.engine, topic: o.words[1]}
	if len(o.words) == 3 {
		return nil, nil, refusal("NOT_FOUND", "No such topic.")
	}
	if len(o.words) == 4 {
		s.missed, _ = strconv.Atoi(o.words[3])
	}
	o.engine.streams.Add(1)
	return s, o.engine, nil
}

func (e *engine) Render(_ context.Context, it feed.Item) (*gqlx.Rendered, error) {
	e.renders.Add(1)
	switch ev := it.Event.(type) {
	case *event:
		return ev.rendered, nil
	case chan struct{}: // a store that does not answer
		<-ev
		return &gqlx.Rendered{JSON: []byte(`{"data":{"n":-1}}`)}, nil
	case string:
		panic(ev)
	default:
		return nil, errs.ErrNotFound
	}
}

// stream is a topic of the hub with some made-up events before it.
type stream struct {
	engine *engine
	topic  string
	missed int

	mu   sync.Mutex
	sub  *fanout.Subscription[string, feed.Item]
	sink feed.Sink
	gone bool
}

// end is published to end the streams of a topic with an error; nil completes.
type end struct{ why error }

func (s *stream) Offer(it feed.Item) bool {
	if e, ok := it.Event.(end); ok {
		s.sink.End(e.why)
		return true
	}
	return s.sink.Offer(it)
}

func (s *stream) Start(sink feed.Sink) bool {
	s.sink = sink
	if s.missed > 0 {
		return true
	}
	s.live()
	return false
}

func (s *stream) live() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.sub = s.engine.hub.Subscribe(s.topic, s)
	}
}

func (s *stream) CatchUp(_ context.Context, emit func([]feed.Item) error) error {
	const page = 100
	for n := 0; n < s.missed; n += page {
		var items []feed.Item
		for i := n; i < min(n+page, s.missed); i++ {
			items = append(items, feedItem(i))
		}
		if err := emit(items); err != nil {
			return err
		}
	}
	s.live()
	return nil
}

func (s *stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return
	}
	s.gone = true
	s.engine.streams.Add(-1)
	if s.sub != nil {
		s.sub.Unsubscribe()
	}
}

// authority knows tokens: "good" and "good NAME" are valid for an hour,
// "short" for a moment, "down" is not to be had, "broken" an internal error.
type authority struct {
	mu    sync.Mutex
	users map[string]principal.Principal
	hold  chan struct{} // if set, "held" waits for it
}

func (a *authority) Authenticate(ctx context.Context, token string) (principal.Principal, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case token == "down":
		return principal.Principal{}, fmt.Errorf("verify: %w", errs.ErrUnavailable)
	case token == "broken":
		return principal.Principal{}, errors.New("broken")
	case !strings.HasPrefix(token, "good") && token != "short" && token != "held":
		return principal.Principal{}, errs.ErrUnauthenticated
	}
	if token == "held" {
		select {
		case <-a.hold:
		case <-ctx.Done():
		}
	}
	p, ok := a.users[token]
	if !ok {
		p = principal.Principal{User: ids.New[ids.User](), Session: ids.New[ids.Session](), Role: principal.Member}
		a.users[token] = p
	}
	p.Expires = time.Now().Add(time.Hour)
	if token == "short" {
		p.Expires = time.Now().Add(200 * time.Millisecond)
	}
	return p, nil
}

func (a *authority) session(token string) ids.Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.users[token].Session
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
		Engine: r.engine, Auth: r.auth, Limiter: limit.NewLocal(limit.Config{}),
		Log: zerolog.Nop(), Metrics: prometheus.NewRegistry(),
	}, cfg)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		a := netip.MustParseAddrPort(req.RemoteAddr).Addr()
		ctx := principal.WithClient(req.Context(), principal.Client{Address: a})
		r.server.ServeHTTP(w, req.WithContext(ctx))
	}))
	r.url = "ws" + strings.TrimPrefix(srv.URL, "http") + "/graphql"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
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
	_ = s.NetConn().SetDeadline(time.Now().Add(10 * time.Second))
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
	end := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("never %s", what)
		}
	}
}
