package authgraph

import (
	"context"
	_ "embed"

	"chatd/internal/auth"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user/usergraph"
)

var (
	//go:embed schema.graphql
	sdl string
	//go:embed tokens.graphql
	tokensSDL string
	//go:embed admin.graphql
	adminSDL string
	//go:embed exports.graphql
	exportsSDL string
	//go:embed identities.graphql
	identitiesSDL string
	//go:embed email.graphql
	emailSDL string
)

// SDL returns this part of the schema.
func SDL() string {
	return sdl + "\n" + tokensSDL + "\n" + adminSDL + "\n" + identitiesSDL + "\n" + emailSDL + "\n" + exportsSDL
}

// Users loads the nodes of people.
type Users interface {
	One(ctx context.Context, id ids.User) (*usergraph.User, error)
	// Many returns them in the order of the ids, nil where there is none, in a
	// constant number of reads.
	Many(ctx context.Context, of []ids.User) ([]*usergraph.User, error)
}

// Query resolves auth's fields of the root type Query.
type Query struct {
	service *auth.Service
	users   Users
	sealer  *page.Sealer
	exports Exports
}

// NewQuery returns the resolvers over a service; sealer makes the cursors of
// lists, and exports links.
func NewQuery(service *auth.Service, users Users, sealer *page.Sealer, exports Exports) *Query {
	return &Query{service, users, sealer, exports}
}

// Sessions resolves Query.sessions.
func (q *Query) Sessions(ctx context.Context) ([]*Session, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list, err := q.service.Sessions(ctx, viewer)
	if err != nil {
		return nil, err
	}
	nodes := make([]*Session, len(list))
	for i, s := range list {
		nodes[i] = &Session{session: s, current: s.ID == viewer.Session}
	}
	return nodes, nil
}

// Nodes loads auth's nodes for the composed schema.
type Nodes struct {
	service *auth.Service
	users   Users
}

// NewNodes returns a loader over a service.
func NewNodes(service *auth.Service, users Users) *Nodes { return &Nodes{service, users} }

// Session loads one of the caller's own sessions; auth.ErrNoSession for all
// others.
func (n *Nodes) Session(ctx context.Context, id ids.Session) (*Session, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if !viewer.Token.IsZero() {
		return nil, auth.ErrNoSession // a token lists no sessions
	}
	s, err := n.service.Session(ctx, viewer, id)
	if err != nil {
		return nil, err
	}
	return &Session{session: s, current: s.ID == viewer.Session}, nil
}

// Account loads an account for its owner or an administrator;
// errs.ErrForbidden for others.
func (n *Nodes) Account(ctx context.Context, id ids.User) (*Account, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	a, err := n.service.Account(ctx, viewer, id)
	if err != nil {
		return nil, err
	}
	return &Account{account: a, service: n.service}, nil
}

func caller(ctx context.Context) (principal.Principal, error) {
	p, ok := principal.From(ctx)
	if !ok {
		return p, errs.ErrUnauthenticated
	}
	return p, nil
}
