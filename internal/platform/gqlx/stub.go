package gqlx

import (
	"context"
	"errors"
	"net/http"

	"chatd/internal/platform/feed"
)

type plan struct {
	kind    Kind
	open    bool
	name    string
	fields  []string
	selects map[string]struct{}
}

// Engine runs the composed schema.
type Engine struct{}

// New composes the schema.
func New(cfg Config) (*Engine, error) { return nil, errors.New("stub") }

// Close ends all renderings and waits for them.
func (e *Engine) Close() {}

// SDL returns the composed schema.
func (e *Engine) SDL() string { return "" }

// Prepare checks a request. A non-nil Response means that it is refused and
// nothing ran.
func (e *Engine) Prepare(ctx context.Context, r Request) (*Document, *Response) { return nil, nil }

// Exec runs a query or mutation.
func (e *Engine) Exec(ctx context.Context, r Request) *Response { return nil }

// Run runs a prepared query or mutation.
func (e *Engine) Run(ctx context.Context, d *Document) *Response { return nil }

// Subscribe opens a subscription.
func (e *Engine) Subscribe(ctx context.Context, r Request) (*Live, *Response) { return nil, nil }

// Open opens a prepared subscription.
func (e *Engine) Open(ctx context.Context, d *Document) (*Live, *Response) { return nil, nil }

// Present turns an error into a refusal.
func (e *Engine) Present(ctx context.Context, err error) *Response { return nil }

// HTTP answers GraphQL over HTTP.
func (e *Engine) HTTP() http.Handler { return nil }

// Live is an opened subscription.
type Live struct{ Stream feed.Stream }

// Render returns the JSON of an event, shared by all who ask the same.
func (l *Live) Render(ctx context.Context, it feed.Item) (*Rendered, error) { return nil, nil }

// SpliceKind says what is filled in at a splice.
type SpliceKind uint8

// The kinds of splice.
const (
	SpliceCursor SpliceKind = iota + 1
	SpliceUnread
)

// Splice is a place in a rendering that is filled in per subscriber.
type Splice struct {
	Start, End int
	Kind       SpliceKind
}

// Rendered is the payload of one event: {"data":…}.
type Rendered struct {
	JSON    []byte
	Splices []Splice
}

// Append appends the payload with the subscriber's own values filled in.
func (r *Rendered) Append(dst []byte, local feed.Local) []byte { return dst }

// What the resolvers of @spliced fields return while rendering.
var (
	CursorPlaceholder string
	UnreadPlaceholder int32
)

// Channel returns what a subscription's resolver returns.
func Channel[T any](ctx context.Context) (<-chan T, error) { return nil, nil }

// AppendJSON appends the response.
func (r *Response) AppendJSON(dst []byte) []byte { return dst }
