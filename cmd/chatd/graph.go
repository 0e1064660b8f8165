package main

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"chatd/internal/auth"
	"chatd/internal/auth/authgraph"
	"chatd/internal/chat"
	"chatd/internal/chat/chatgraph"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/links"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
	"chatd/internal/user/usergraph"
)

//go:embed schema.graphql
var rootSDL string

// parts are what the GraphQL face is made of; all are required.
type parts struct {
	auth    *auth.Service
	user    *user.Service
	present *user.PresenceService
	chat    *chat.Service
	feed    *feed.Viewers
	cursors *page.Sealer // of lists
	links   *links.Signer
	exports authgraph.Exports
}

// graph resolves what belongs to no context alone.
type graph struct {
	accounts *authgraph.Nodes
	people   *usergraph.Users
	present  *user.PresenceService
	chat     *chatgraph.Graph
	feed     *feed.Viewers
	subgraph func() (string, error) // the SDL for a federation
}

// newEngine composes the schema and ties it to its resolvers: what cfg says of
// both is filled in here.
func newEngine(p parts, cfg gqlx.Config) (*gqlx.Engine, error) {
	people := usergraph.NewUsers(p.user, p.present, usergraph.Pictures{
		Links: p.links, Path: func(id ids.Attachment) string { return chat.FilePath(id, true) },
	})
	g := &graph{accounts: authgraph.NewNodes(p.auth, people), people: people, present: p.present, feed: p.feed}
	g.chat = chatgraph.New(chatgraph.Deps{Chat: p.chat, People: g.people, Sealer: p.cursors, Links: p.links})
	cfg.SDL = append([]gqlx.Source{
		{Name: "cmd/chatd/schema.graphql", SDL: rootSDL},
		{Name: "cmd/chatd/federation.graphql", SDL: federationSDL},
		{Name: "authgraph/schema.graphql", SDL: authgraph.SDL()},
		{Name: "usergraph/schema.graphql", SDL: usergraph.SDL()},
	}, chatgraph.SDL()...)
	changes := usergraph.NewSubscription(g.people)
	cfg.Root = &Resolver{
		query:        &Query{authgraph.NewQuery(p.auth, g.people, p.cursors, p.exports), usergraph.NewQuery(p.user, g.people), g.chat.Query(), g},
		mutation:     &Mutation{authgraph.NewMutation(p.auth, g.people, p.exports), usergraph.NewMutation(p.user, g.people), g.chat.Mutation()},
		subscription: &Subscription{g.chat.Subscription(), changes},
	}
	cfg.Subscriptions = append(slices.Concat(g.chat.SubscriptionFields(), changes.Fields()), gqlx.SubscriptionField{
		Name: "events", Open: g.openEvents, Node: func(event any) any { return g.event(event, nil) },
	})
	cfg.Before = g.before
	cfg.Direct = g.chat.Direct()
	cfg.Links = p.links
	e, err := gqlx.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("compose the GraphQL schema: %w", err)
	}
	g.subgraph = subgraphOf(e, cfg.Introspection)
	return e, nil
}

// Resolver is the root of all resolvers.
type Resolver struct {
	query        *Query
	mutation     *Mutation
	subscription *Subscription
}

// Query returns the resolvers of Query.
func (r *Resolver) Query() *Query { return r.query }

// Mutation returns the resolvers of Mutation.
func (r *Resolver) Mutation() *Mutation { return r.mutation }

// Subscription returns the resolvers of Subscription.
func (r *Resolver) Subscription() *Subscription { return r.subscription }

type (
	authQuery    = authgraph.Query
	userQuery    = usergraph.Query
	chatQuery    = chatgraph.Query
	authMutation = authgraph.Mutation
	userMutation = usergraph.Mutation
	chatMutation = chatgraph.Mutation

	chatSubscription = chatgraph.Subscription
	userSubscription = usergraph.Subscription
)

// Query resolves Query.
type Query struct {
	*authQuery
	*userQuery
	*chatQuery
	g *graph
}

// Mutation resolves Mutation.
type Mutation struct {
	*authMutation
	*userMutation
	*chatMutation
}

// Subscription resolves Subscription.
type Subscription struct {
	*chatSubscription
	*userSubscription
}

// Viewer is the signed-in user.
type Viewer struct {
	principal principal.Principal
	g         *graph
}

// Viewer resolves viewer.
func (q *Query) Viewer(ctx context.Context) (*Viewer, error) {
	p, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	return &Viewer{p, q.g}, nil
}

// User resolves user.
func (v *Viewer) User(ctx context.Context) (*usergraph.User, error) {
	return v.g.people.One(ctx, v.principal.User)
}

// Account resolves account.
func (v *Viewer) Account(ctx context.Context) (*authgraph.Account, error) {
	return v.g.accounts.Account(ctx, v.principal.User)
}

// ChosenPresence resolves chosenPresence.
func (v *Viewer) ChosenPresence(ctx context.Context) (user.Availability, error) {
	return v.g.present.Choice(ctx, v.principal.User)
}

// Settings resolves settings.
func (v *Viewer) Settings(ctx context.Context) (*usergraph.Settings, error) {
	return v.g.people.Settings(ctx, v.principal.User)
}

// StreamCursor resolves streamCursor.
func (v *Viewer) StreamCursor(ctx context.Context) (string, error) {
	at, ok := ctx.Value(streamCursorKey{}).(streamCursor)
	if !ok {
		return "", fmt.Errorf("%w: the position was not taken before", errs.ErrInternal)
	}
	return at.cursor, at.err
}

type streamCursorKey struct{}

// streamCursor is the position before an operation, or why there is none.
type streamCursor struct {
	cursor string
	err    error
}

// before takes the viewer's position before anything of an operation that
// asks for it is read.
func (g *graph) before(ctx context.Context, d *gqlx.Document) context.Context {
	p, ok := principal.From(ctx)
	if !ok || !d.Selects("streamCursor") {
		return ctx
	}
	var at streamCursor
	at.cursor, at.err = g.feed.Now(ctx, p.User)
	return context.WithValue(ctx, streamCursorKey{}, at)
}
