package chatgraph

import (
	"context"
	"embed"
	"math"
	"path"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user/usergraph"
)

//go:embed schema/*.graphql
var schema embed.FS

// SDL returns chat's part of the schema, a source for each topic. They need
// the types User and Event of other parts.
func SDL() []gqlx.Source {
	files, err := schema.ReadDir("schema")
	if err != nil {
		panic(err) // Only when the program was built without the directory.
	}
	parts := make([]gqlx.Source, len(files))
	for i, f := range files {
		text, err := schema.ReadFile(path.Join("schema", f.Name()))
		if err != nil {
			panic(err) // As above.
		}
		parts[i] = gqlx.Source{Name: "chatgraph/" + f.Name(), SDL: string(text)}
	}
	return parts
}

// Service is what the operations call, each family its own part: chat.Service
// in the program.
type Service interface {
	reading
	writing
	keeping
	streams
}

// reading asks.
type reading interface {
	inbox
	history
	archive
	roster
	threads
	finder
}

// writing is what members do with messages, and each with what is his own.
type writing interface {
	writer
	files
	reactors
	pins
	signals
	setter
}

// keeping is who is in a conversation, and what is thought of it.
type keeping interface {
	groups
	channels
	invites
	complaints
}

// People finds the nodes of users.
type People interface {
	// One returns one user.
	One(ctx context.Context, id ids.User) (*usergraph.User, error)
	// Many returns users in the order of the ids, nil where there is none, in
	// a constant number of reads.
	Many(ctx context.Context, of []ids.User) ([]*usergraph.User, error)
	// Remembered returns a user who is in memory.
	Remembered(id ids.User) (*usergraph.User, bool)
}

// Deps are what a Graph works with; all are required.
type Deps struct {
	Chat   Service
	People People
	Sealer *page.Sealer // of list cursors
	Links  gqlx.Links
}

// Graph resolves chat's part of the schema. It is safe for concurrent use.
type Graph struct {
	Deps
}

// New makes a Graph.
func New(deps Deps) *Graph { return &Graph{Deps: deps} }

// Query has chat's fields of Query.
type Query struct{ g *Graph }

// Mutation has chat's fields of Mutation.
type Mutation struct{ g *Graph }

// Subscription has chat's fields of Subscription.
type Subscription struct{}

// Query returns the resolvers of Query, to be embedded by the root's.
func (g *Graph) Query() *Query { return &Query{g} }

// Mutation returns the resolvers of Mutation, to be embedded by the root's.
func (g *Graph) Mutation() *Mutation { return &Mutation{g} }

// Subscription returns the resolvers of Subscription, to be embedded by the
// root's.
func (g *Graph) Subscription() *Subscription { return &Subscription{} }

// viewer returns who is calling.
func viewer(ctx context.Context) (ids.User, error) {
	p, ok := principal.From(ctx)
	if !ok {
		return ids.User{}, errs.ErrUnauthenticated
	}
	return p.User, nil
}

// int32Of narrows a position or count to GraphQL's Int, which ends at 2^31-1.
func int32Of(n int64) int32 { return int32(min(n, math.MaxInt32)) } //nolint:gosec // Bounded above, never negative.

// str returns the string, or the empty one for nil.
func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
