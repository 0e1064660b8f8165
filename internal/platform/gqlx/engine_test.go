package gqlx_test

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	graphql "github.com/graph-gophers/graphql-go"
	"github.com/rs/zerolog"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

//go:embed testdata/test.graphql
var testSDL string

type query struct{ calls *atomic.Int64 }

type user struct {
	ID   graphql.ID
	Name string
}

func (u *user) Friends(struct {
	First *int32
	After *string
	Last  *int32
},
) *connection {
	return &connection{}
}
func (u *user) Friend() *user { return nil }

type connection struct{}

func (*connection) Edges() []*edge      { return nil }
func (*connection) PageInfo() *pageInfo { return &pageInfo{} }

type edge struct {
	Cursor string
	Node   *user
}

type pageInfo struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string
}

func (q query) Viewer(ctx context.Context) *user {
	q.calls.Add(1)
	p, _ := principal.From(ctx)
	return &user{ID: graphql.ID(p.User.String()), Name: "me"}
}

func (q query) Users(a struct{ IDs []graphql.ID }) []*user {
	q.calls.Add(1)
	return make([]*user, len(a.IDs))
}

func (q query) Hello(a struct{ Name string }) string {
	q.calls.Add(1)
	return "hello " + a.Name
}

var errTaken = errs.New(errs.Conflict, "test.taken", "Taken.", errs.Field("name"))

func (q query) Fail(ctx context.Context, a struct{ How string }) (*string, error) {
	q.calls.Add(1)
	switch a.How {
	case "known":
		return nil, fmt.Errorf("do it: %w", errTaken)
	case "panic":
		panic("secret in a panic")
	case "cancelled":
		return nil, fmt.Errorf("read: %w", context.Canceled)
	case "wait":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, errors.New("secret in an error at /var/lib/x.db")
}

func (q query) Search(a struct {
	Filter *filter
	At     *gqlx.Time
	Radius *float64
},
) *string {
	q.calls.Add(1)
	s := fmt.Sprintf("at=%v", a.At != nil)
	if a.Filter != nil {
		s += fmt.Sprintf(" kinds=%v limit=%d", a.Filter.Kinds, a.Filter.Limit)
	}
	return &s
}

type filter struct {
	Text  *string
	Kinds *[]string
	Limit int32
	And   *[]filter
}

type mutation struct{ calls *atomic.Int64 }

func (m mutation) Login(struct{ Input struct{ Login string } }) *loginPayload {
	m.calls.Add(1)
	return &loginPayload{"t"}
}

func (m mutation) Send(a struct{ Input struct{ Text string } }) *sendPayload {
	m.calls.Add(1)
	return &sendPayload{&message{ID: "m1", Seq: 1, Text: a.Input.Text, calls: m.calls}}
}

type loginPayload struct{ Token string }

type sendPayload struct{ Message *message }

type message struct {
	ID    graphql.ID
	Seq   int32
	Text  string
	calls *atomic.Int64
	stuck bool
}

func (m *message) Slow(ctx context.Context) (string, error) {
	if m.stuck {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return m.Text, nil
}

func (m *message) Sender() *user            { return &user{ID: "u1", Name: "Ann"} }
func (m *message) SentAt() gqlx.Time        { return gqlx.Time{} }
func (m *message) Broken() (*string, error) { return nil, errors.New("secret") }

func (m *message) ClientID(ctx context.Context) *string {
	p, ok := principal.From(ctx)
	if !ok {
		return nil
	}
	s := "of " + p.User.String()
	return &s
}

func (m *message) Picture(ctx context.Context, a struct{ Size int32 }) (string, error) {
	return gqlx.Link(ctx, ownLinks{}, fmt.Sprintf("/pictures/%s/%d", m.ID, a.Size))
}

func (m *message) Sound(ctx context.Context) (*string, error) {
	if m.Text == "" {
		return nil, nil //nolint:nilnil // It has none.
	}
	link, err := gqlx.Link(ctx, ownLinks{}, "/sounds/"+string(m.ID))
	return &link, err
}

// ownLinks name the user, and have all that JSON escapes.
type ownLinks struct{}

func (ownLinks) AppendLink(dst []byte, u ids.User, path string) []byte {
	return append(dst, "https://a.example"+path+"?for="+u.String()+"&until=1&sig=x-_&"...)
}

func (m *message) Loud(a struct{ Times int32 }) string {
	m.calls.Add(1)
	return strings.Repeat(m.Text, int(a.Times))
}

type subscription struct{}

func (subscription) MessageAdded(ctx context.Context, _ struct {
	Room     graphql.ID
	AfterSeq *int32
},
) (<-chan *message, error) {
	return gqlx.Channel[*message](ctx)
}

func (subscription) Events(ctx context.Context, _ struct{ After *string }) (<-chan *event, error) {
	return gqlx.Channel[*event](ctx)
}

type event struct{ v interface{ Cursor() string } }

func (e *event) Cursor() string { return e.v.Cursor() }

func (e *event) ToMessageAdded() (*messageAdded, bool) {
	v, ok := e.v.(*messageAdded)
	return v, ok
}

func (e *event) ToStreamStarted() (*streamStarted, bool) {
	v, ok := e.v.(*streamStarted)
	return v, ok
}

type messageAdded struct {
	Message     *message
	cursor      string
	UnreadCount int32
}

func (e *messageAdded) Cursor() string { return e.cursor }

type streamStarted struct {
	cursor   string
	Greeting string
	Number   int32
}

func (e *streamStarted) Picture(ctx context.Context) (string, error) {
	return gqlx.Link(ctx, ownLinks{}, "/start")
}

func (e *streamStarted) Cursor() string { return e.cursor }

type root struct{ calls *atomic.Int64 }

func (r *root) Query() any        { return &query{r.calls} }
func (r *root) Mutation() any     { return &mutation{r.calls} }
func (r *root) Subscription() any { return &subscription{} }

// stream is a stream that offers nothing.
type stream struct{ closed atomic.Int64 }

func (s *stream) Start(feed.Sink) bool                                   { return false }
func (s *stream) CatchUp(context.Context, func([]feed.Item) error) error { return nil }
func (s *stream) Close()                                                 { s.closed.Add(1) }

type fixture struct {
	*gqlx.Engine

	calls *atomic.Int64 // of root resolvers and Message.loud
	nodes *atomic.Int64 // executed events
	log   *strings.Builder
	args  gqlx.Args // of the last opened subscription
	last  *stream
}

func setup(t testing.TB, change ...func(*gqlx.Config)) *fixture {
	t.Helper()
	f := &fixture{calls: new(atomic.Int64), nodes: new(atomic.Int64), log: new(strings.Builder)}
	open := func(_ context.Context, a gqlx.Args) (feed.Stream, error) {
		if a.ID("room") == "secret" {
			return nil, fmt.Errorf("open: %w", errs.ErrNotFound)
		}
		f.args, f.last = a, &stream{}
		return f.last, nil
	}
	cfg := gqlx.Config{
		SDL:  []gqlx.Source{{Name: "test.graphql", SDL: testSDL}},
		Root: &root{f.calls},
		Subscriptions: []gqlx.SubscriptionField{
			{Name: "messageAdded", Open: open, Node: func(e any) any { f.nodes.Add(1); return e }},
			{Name: "events", Open: open, Node: func(e any) any {
				f.nodes.Add(1)
				return &event{e.(interface{ Cursor() string })}
			}},
		},
		Introspection: true,
		Links:         ownLinks{},
		Log:           zerolog.New(f.log),
	}
	for _, c := range change {
		c(&cfg)
	}
	e, err := gqlx.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	f.Engine = e
	return f
}

func quiet(c *gqlx.Config) { c.Log = zerolog.New(io.Discard) }

var ann, ben = ids.New[ids.User](), ids.New[ids.User]()

func as(ctx context.Context, u ids.User) context.Context {
	return principal.With(ctx, principal.Principal{User: u, Role: principal.Member})
}

func TestAQueryRuns(t *testing.T) {
	t.Parallel()
	f := setup(t)
	r := f.Exec(as(t.Context(), ann), gqlx.Request{Query: `{ viewer { name } hello }`})
	if got := string(r.AppendJSON(nil)); got != `{"data":{"viewer":{"name":"me"},"hello":"hello you"}}` {
		t.Fatal(got)
	}
}
