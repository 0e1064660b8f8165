package main

import (
	"context"
	_ "embed"
	"sync"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
)

//go:embed federation.graphql
var federationSDL string

// maxEntities is how many objects a router may ask for at once: as many as the
// limit of complexity lets through.
const maxEntities = 1000

var errNoSchema = errs.New(errs.Forbidden, "graph.no_schema", "Introspection is off on this server.")

// subgraphOf makes the SDL for a federation when it is asked for, once.
func subgraphOf(e *gqlx.Engine, introspection bool) func() (string, error) {
	if !introspection {
		return func() (string, error) { return "", errNoSchema }
	}
	return sync.OnceValues(e.SubgraphSDL)
}

// Subgraph is this server as a subgraph of a federation.
type Subgraph struct{ sdl string }

// SDL resolves sdl.
func (s *Subgraph) SDL() string { return s.sdl }

// Service resolves _service.
func (q *Query) Service() (*Subgraph, error) {
	sdl, err := q.g.subgraph()
	if err != nil {
		return nil, err
	}
	return &Subgraph{sdl}, nil
}

// Entities resolves _entities.
func (q *Query) Entities(ctx context.Context, args struct{ Representations []Representation }) ([]*Node, error) {
	if len(args.Representations) > maxEntities {
		return nil, errs.ErrBadInput.With(errs.Field("representations")).Saying("Ask for at most 1,000 objects at once.")
	}
	named := make([]graphql.ID, len(args.Representations))
	for i, r := range args.Representations {
		names := entities[r.typ]
		if r.id == "" || names == nil {
			return nil, errs.ErrBadInput.With(errs.Field("representations")).Saying("Each has __typename, of a type with a @key, and id.")
		}
		if names(r.id) {
			named[i] = graphql.ID(r.id)
		}
	}
	return q.g.nodes(ctx, named)
}

// entities are the types of the union _Entity, and what says whether an id is
// of one of them.
var entities = map[string]func(id string) bool{
	"User":         func(id string) bool { _, ok := ids.ParseUser(id); return ok },
	"Conversation": func(id string) bool { _, ok := ids.ParseConversation(id); return ok },
	"Message":      func(id string) bool { _, ok := ids.ParseMessage(id); return ok },
	"Attachment":   func(id string) bool { _, ok := ids.ParseAttachment(id); return ok },
}

// Representation is the scalar _Any: an object as a router names it. What is
// none has an empty id.
type Representation struct{ typ, id string }

// ImplementsGraphQLType ties the type to the scalar of its name.
func (Representation) ImplementsGraphQLType(name string) bool { return name == "_Any" }

// UnmarshalGraphQL reads __typename and id; further fields are for others.
func (r *Representation) UnmarshalGraphQL(input any) error {
	fields, _ := input.(map[string]any)
	r.typ, _ = fields["__typename"].(string)
	r.id, _ = fields["id"].(string)
	return nil
}
