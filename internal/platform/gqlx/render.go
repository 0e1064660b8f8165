package gqlx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	graphql "github.com/graph-gophers/graphql-go"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

const (
	cachedRenderings = 64          // of a group of several; the oldest goes first
	maxRunners       = 4           // executions of one group at a time; others wait
	idleRunners      = time.Minute // without an event, they are ended
)

var (
	errNotRendering = errors.New("gqlx.Channel was called outside of a rendering")
	errClosed       = errs.New(errs.Unavailable, "gqlx.closed", "The server is stopping.")
)

// groupKey says which live operations share renderings: what they select, the
// values of the variables used in it, and the viewer where it matters. The
// root field's arguments do not matter: they choose events, not their form.
type groupKey struct {
	selection string
	variables string
	viewer    ids.User
	role      principal.Role
}

// group renders the events of all live operations of one key, each event once.
type group struct {
	engine *Engine
	key    groupKey
	doc    *Document // any of them: it serves as the prepared statement
	field  SubscriptionField
	ctx    context.Context //nolint:containedctx // Of the runners, which outlive the call that starts them.
	cancel context.CancelFunc
	refs   atomic.Int64 // its live operations; changed under engine.mu

	last  atomic.Pointer[rendering] // the newest, for the fast path
	slots chan struct{}             // maxRunners

	mu    sync.Mutex
	done  map[any]*rendering
	order []any // of done, oldest first
	idle  []*runner
	timer *time.Timer
}

// rendering is one event's result, or its promise.
type rendering struct {
	event  any
	ready  chan struct{}
	result *Rendered
	err    error
}

// Live is an opened subscription.
type Live struct {
	// Stream brings the events. Closing it also ends the operation's share in
	// the renderings.
	Stream feed.Stream
	// Document is what was subscribed to.
	Document *Document

	group *group
	link  func(dst []byte, path string) []byte
}

// sharedStream leaves the group when the stream is closed.
type sharedStream struct {
	feed.Stream
	once  sync.Once
	leave func()
}

func (s *sharedStream) Close() {
	s.Stream.Close()
	s.once.Do(s.leave)
}

// Subscribe checks a subscription and opens its stream. A non-nil Response
// says why not. The stream must be closed.
func (e *Engine) Subscribe(ctx context.Context, r Request) (*Live, *Response) {
	d, refused := e.Prepare(ctx, r)
	if refused != nil {
		return nil, refused
	}
	return e.Open(ctx, d)
}

// Open opens the stream of a prepared subscription, as Subscribe does.
func (e *Engine) Open(ctx context.Context, d *Document) (*Live, *Response) {
	if d.kind != Subscription {
		return nil, e.refused(ctx, refuse(errs.BadInput, "The operation is no subscription."))
	}
	args, bad := e.schema.arguments(d.root, d.variables)
	if bad != nil {
		r := refuse(errs.BadInput, "%s %s.", bad.field(), bad.why)
		r.attrs = []errs.Attr{errs.Field(bad.field())}
		return nil, e.refused(ctx, r)
	}
	var stream feed.Stream
	field := e.subscriptions[d.root.Name]
	err := recovered(func() (err error) {
		stream, err = field.Open(ctx, args)
		return err
	})
	if err != nil {
		return nil, e.Present(ctx, err)
	}
	g, err := e.join(ctx, d, field)
	if err != nil {
		stream.Close()
		return nil, e.Present(ctx, err)
	}
	l := &Live{Stream: &sharedStream{Stream: stream, leave: g.leave}, Document: d, group: g}
	who, _ := principal.From(ctx)
	l.link = func(dst []byte, path string) []byte { return e.links.AppendLink(dst, who.User, path) }
	return l, nil
}

// join finds or makes the group of a live operation.
func (e *Engine) join(ctx context.Context, d *Document, field SubscriptionField) (*group, error) {
	k := groupKey{selection: d.renderKey}
	own := context.Background()
	if d.viewer {
		p, _ := principal.From(ctx)
		k.viewer, k.role = p.User, p.Role
		p.Session = ids.Session{} // shared by all of the viewer's
		own = principal.With(own, p)
	}
	if len(d.inner) > 0 {
		vars := make(map[string]any, len(d.inner))
		for _, name := range d.inner {
			if v, ok := d.variables[name]; ok {
				vars[name] = v
			}
		}
		b, err := json.Marshal(vars)
		if err != nil {
			return nil, fmt.Errorf("encode the variables: %w", err)
		}
		k.variables = string(b)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errClosed
	}
	g := e.groups[k]
	if g == nil {
		g = &group{
			engine: e, key: k, doc: d, field: field,
			slots: make(chan struct{}, maxRunners), done: map[any]*rendering{},
		}
		g.ctx, g.cancel = context.WithCancel(own)
		e.groups[k] = g
	}
	g.refs.Add(1)
	return g, nil
}

// leave ends the group with its last operation.
func (g *group) leave() {
	e := g.engine
	e.mu.Lock()
	end := g.refs.Add(-1) == 0 && !e.closed
	if end {
		delete(e.groups, g.key)
	}
	e.mu.Unlock()
	if end {
		g.end()
	}
}

func (g *group) end() {
	g.cancel() // ends the runners
	g.mu.Lock()
	defer g.mu.Unlock()
	g.idle = nil
	if g.timer != nil {
		g.timer.Stop()
	}
}

// Close ends all renderings and waits for them. Subscriptions are refused
// afterwards.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	groups := e.groups
	e.groups = map[groupKey]*group{}
	e.mu.Unlock()
	for _, g := range groups {
		g.end()
	}
	e.work.Wait()
}

// Render returns the payload of an event, executed once for all operations
// that select the same and kept for the last 64 events (the last one, while the
// operation is alone). Events are told apart by identity. An error means that
// nothing can be told of the event: the operation must end with it, as
// Engine.Present presents it. It may be called from any goroutine.
func (l *Live) Render(ctx context.Context, item feed.Item) (*Rendered, error) {
	g := l.group
	r := g.last.Load()
	if r == nil || r.event != item.Event {
		r = g.find(item.Event) //nolint:contextcheck // A rendering is for all who ask.
	}
	select {
	case <-r.ready:
		return r.result, r.err
	default:
	}
	select {
	case <-r.ready:
		return r.result, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Append appends a payload that Render gave with what is the subscriber's own
// filled in.
func (l *Live) Append(dst []byte, r *Rendered, local feed.Local) []byte {
	return r.Append(dst, local, l.link)
}

// find returns the rendering of an event, and starts it when it is new.
func (g *group) find(event any) *rendering {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.done[event]; r != nil {
		return r
	}
	r := &rendering{event: event, ready: make(chan struct{})}
	if !g.engine.begin() {
		r.err = errClosed
		close(r.ready)
		return r
	}
	keep := cachedRenderings
	if g.refs.Load() == 1 { // nobody else will ask
		keep = 1
	}
	for ; len(g.order) >= keep; g.order = slices.Delete(g.order, 0, 1) {
		delete(g.done, g.order[0])
	}
	g.order = append(g.order, event)
	g.done[event] = r
	if result, ok := g.direct(event); ok {
		r.result = result
		close(r.ready)
		g.last.Store(r)
		g.engine.work.Done()
		return r
	}
	g.last.Store(r)
	go func() {
		defer g.engine.work.Done()
		defer close(r.ready)
		err := recovered(func() (err error) {
			r.result, err = g.render(event)
			return err
		})
		if err != nil {
			r.err = g.engine.tell(g.ctx, g.doc.plan, err)
		}
	}()
	return r
}

// begin counts a piece of work that Close waits for; false after Close.
func (e *Engine) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.work.Add(1)
	}
	return !e.closed
}

// render executes the group's document for one event.
func (g *group) render(event any) (*Rendered, error) {
	node := g.field.Node(event)
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-g.ctx.Done():
		return nil, errClosed
	}
	r, err := g.runner()
	if err != nil {
		return nil, err
	}
	resp, err := r.step(node, g.engine.limits.Timeout)
	if err != nil {
		r.end()
		return nil, fmt.Errorf("render %s: %w", g.field.Name, err)
	}
	g.release(r)
	return g.rendered(resp)
}

func (g *group) rendered(resp *graphql.Response) (*Rendered, error) {
	out := &Response{Data: resp.Data, Errors: g.engine.executed(g.ctx, g.doc.plan, resp.Errors)}
	if len(resp.Data) == 0 {
		if len(resp.Errors) > 0 { // logged by executed
			first := resp.Errors[0]
			return nil, &told{known: g.engine.knownOf(g.ctx, first), id: out.Errors[0].RequestID()}
		}
		return nil, fmt.Errorf("render %s: the engine gave no data", g.field.Name)
	}
	b := out.AppendJSON(make([]byte, 0, len(resp.Data)+32))
	return splice(b, g.doc.splices)
}
