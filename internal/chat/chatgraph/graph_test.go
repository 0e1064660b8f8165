package chatgraph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"chatd/internal/chat/chatgraph"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user/usergraph"
)

// people knows everybody and counts how often it is asked.
type people struct{ *stub }

func (p people) One(context.Context, ids.User) (*usergraph.User, error) {
	p.count("People.One")
	return &usergraph.User{}, nil
}

func (people) Remembered(ids.User) (*usergraph.User, bool) { return nil, false }

func (p people) Many(_ context.Context, of []ids.User) ([]*usergraph.User, error) {
	p.count("People.Many")
	out := make([]*usergraph.User, len(of))
	for i := range of {
		out[i] = &usergraph.User{}
	}
	return out, nil
}

// rig is an engine over chat's part of the schema and a stub of its service.
type rig struct {
	standing principal.Role
	*stub
	t      *testing.T
	engine *gqlx.Engine
	viewer ids.User
}

// rest is what chat's part of the schema needs of the others.
const rest = `
"Has a cursor."
interface Event {
  "The position."
  cursor: String! @spliced(as: CURSOR)
}`

type root struct{ g *chatgraph.Graph }

type query struct {
	*usergraph.Query
	chatQuery
}

type chatQuery struct{ *chatgraph.Query }

type mutation struct {
	*usergraph.Mutation
	chatMutation
}

type chatMutation struct{ *chatgraph.Mutation }

func (r *root) Query() *query {
	return &query{usergraph.NewQuery(nil, nil), chatQuery{r.g.Query()}}
}

func (r *root) Mutation() *mutation {
	return &mutation{usergraph.NewMutation(nil, nil), chatMutation{r.g.Mutation()}}
}

type subscription struct {
	userSubscription
	*chatgraph.Subscription
}

type userSubscription struct{ *usergraph.Subscription }

func (r *root) Subscription() *subscription {
	return &subscription{userSubscription{usergraph.NewSubscription(nil)}, r.g.Subscription()}
}

func setup(t *testing.T) *rig {
	t.Helper()
	s := &stub{}
	g := chatgraph.New(chatgraph.Deps{Chat: s, People: people{s}, Sealer: page.NewSealer([]byte("0123456789abcdef")), Links: links{}})
	e, err := gqlx.New(gqlx.Config{
		SDL:  append([]gqlx.Source{{Name: "rest", SDL: rest}, {Name: "user", SDL: usergraph.SDL()}}, chatgraph.SDL()...),
		Root: &root{g}, Subscriptions: append(g.SubscriptionFields(), usergraph.NewSubscription(nil).Fields()...), Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return &rig{stub: s, t: t, engine: e, viewer: ids.New[ids.User](), standing: principal.Member}
}

func (r *rig) as(viewer ids.User) context.Context {
	return principal.With(r.t.Context(), principal.Principal{User: viewer, Role: r.standing})
}

// try runs a document as the viewer.
func (r *rig) try(doc string, vars map[string]any) *gqlx.Response {
	r.t.Helper()
	return r.engine.Exec(r.as(r.viewer), request(r.t, doc, vars))
}

// request has the variables as they come in by JSON.
func request(t *testing.T, doc string, vars map[string]any) gqlx.Request {
	t.Helper()
	b, err := json.Marshal(vars)
	if err != nil {
		t.Fatal(err)
	}
	req := gqlx.Request{Query: doc}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&req.Variables); err != nil {
		t.Fatal(err)
	}
	return req
}

// run is try for what must succeed; into gets the data.
func (r *rig) run(into any, doc string, vars map[string]any) {
	r.t.Helper()
	got := r.try(doc, vars)
	if len(got.Errors) > 0 {
		r.t.Fatalf("%s: %+v", doc, got.Errors)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(got.Data, into); err != nil {
		r.t.Fatal(err)
	}
}

// refuses runs what must fail with a code and an input field.
func (r *rig) refuses(doc string, vars map[string]any, code, field string) {
	r.t.Helper()
	got := r.try(doc, vars)
	if len(got.Errors) != 1 || got.Errors[0].Code() != code {
		r.t.Errorf("%s %v: %+v, want %s", doc, vars, got.Errors, code)
		return
	}
	if f, _ := got.Errors[0].Extensions["field"].(string); f != field {
		r.t.Errorf("%s %v: field %q, want %q", doc, vars, f, field)
	}
}

type connection struct {
	Edges []struct {
		Cursor string
		Node   map[string]any
	}
	PageInfo struct {
		HasNextPage, HasPreviousPage bool
		StartCursor, EndCursor       *string
	}
}

// of lists one field of the nodes.
func (c connection) of(field string) string {
	out := make([]string, len(c.Edges))
	for i, e := range c.Edges {
		out[i] = fmt.Sprint(e.Node[field])
	}
	return strings.Join(out, " ")
}
