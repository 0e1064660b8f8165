package wsgql_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/fanout"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/turn"
	"chatd/internal/platform/wsgql"
)

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

func (e *engine) Append(dst []byte, r *gqlx.Rendered, local feed.Local) []byte {
	return r.Append(dst, local, nil)
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
		p.Expires = time.Now().Add(3 * time.Second) // time for two operations on a busy machine
	}
	return p, nil
}

// of returns who a token that was used speaks for.
func (a *authority) of(token string) principal.Principal {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.users[token]
}

func (a *authority) user(token string) ids.User {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.users[token].User
}

func (a *authority) session(token string) ids.Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.users[token].Session
}
