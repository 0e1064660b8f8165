package wsgql

import (
	"context"

	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
)

// Engine runs GraphQL; GQL makes one of a *gqlx.Engine. Its methods are called
// by any number of goroutines.
type Engine interface {
	// Prepare checks a request. A non-nil response is the refusal: nothing ran.
	Prepare(ctx context.Context, r gqlx.Request) (Operation, *gqlx.Response)
	// Present makes of an error what clients may see of it.
	Present(ctx context.Context, err error) *gqlx.Response
}

// Operation is a request that passed all checks. One of Run and Open is called,
// once.
type Operation interface {
	Kind() gqlx.Kind
	// Public says that no viewer is needed.
	Public() bool
	// Single says that there is one root field.
	Single() bool
	// Run executes a query or mutation.
	Run(ctx context.Context) *gqlx.Response
	// Open opens a subscription; a non-nil response is the refusal.
	Open(ctx context.Context) (feed.Stream, Renderer, *gqlx.Response)
}

// Renderer gives the JSON of a subscription's events. What is the same for
// many subscribers is one *gqlx.Rendered, the same pointer for each.
type Renderer interface {
	Render(ctx context.Context, it feed.Item) (*gqlx.Rendered, error)
	// Append appends what Render gave with what is the subscriber's own
	// filled in.
	Append(dst []byte, r *gqlx.Rendered, local feed.Local) []byte
}

// GQL lets e serve sockets.
func GQL(e *gqlx.Engine) Engine { return gqlEngine{e} }

type gqlEngine struct{ e *gqlx.Engine }

func (g gqlEngine) Prepare(ctx context.Context, r gqlx.Request) (Operation, *gqlx.Response) {
	d, refusal := g.e.Prepare(ctx, r)
	if refusal != nil {
		return nil, refusal
	}
	return gqlOperation{g.e, d}, nil
}

func (g gqlEngine) Present(ctx context.Context, err error) *gqlx.Response {
	return g.e.Present(ctx, err)
}

type gqlOperation struct {
	e *gqlx.Engine
	d *gqlx.Document
}

func (o gqlOperation) Kind() gqlx.Kind                        { return o.d.Kind() }
func (o gqlOperation) Public() bool                           { return o.d.Open() }
func (o gqlOperation) Single() bool                           { return len(o.d.Fields()) == 1 }
func (o gqlOperation) Run(ctx context.Context) *gqlx.Response { return o.e.Run(ctx, o.d) }

func (o gqlOperation) Open(ctx context.Context) (feed.Stream, Renderer, *gqlx.Response) {
	live, refusal := o.e.Open(ctx, o.d)
	if refusal != nil {
		return nil, nil, refusal
	}
	return live.Stream, live, nil
}
