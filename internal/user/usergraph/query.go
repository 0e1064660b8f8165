package usergraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
)

// Query resolves user's fields of the root type Query.
type Query struct {
	service *user.Service
	users   *Users
}

// NewQuery returns the resolvers over a service and its loader.
func NewQuery(service *user.Service, users *Users) *Query {
	return &Query{service: service, users: users}
}

// User resolves Query.user.
func (q *Query) User(ctx context.Context, args struct{ ID graphql.ID }) (*User, error) {
	id, ok := ids.ParseUser(string(args.ID))
	if !ok {
		return nil, user.ErrNoUser
	}
	return q.users.seeOne(ctx, id)
}

// UserByUsername resolves Query.userByUsername.
func (q *Query) UserByUsername(ctx context.Context, args struct{ Username string }) (*User, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	p, err := q.service.SeeByUsername(ctx, viewer, args.Username)
	if err != nil {
		return nil, err
	}
	return q.users.node(p), nil
}

// Users resolves Query.users.
func (q *Query) Users(ctx context.Context, args struct{ IDs []graphql.ID }) ([]*User, error) {
	if len(args.IDs) > user.MaxIDs {
		return nil, user.ErrTooMany
	}
	of := make([]ids.User, len(args.IDs)) // an id of no user stays zero, which names nobody
	for i, id := range args.IDs {
		of[i], _ = ids.ParseUser(string(id))
	}
	return q.users.See(ctx, of)
}

type searchArgs struct {
	Query string
	First *int32
	After *string
}

// SearchUsers resolves Query.searchUsers.
func (q *Query) SearchUsers(ctx context.Context, args searchArgs) (*UserConnection, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	found, err := q.service.Search(ctx, viewer, args.Query, page.Args{First: args.First, After: args.After})
	if err != nil {
		return nil, err
	}
	c := &UserConnection{info: found.Info, edges: make([]*UserEdge, len(found.Profiles))}
	for i, u := range q.users.nodes(found.Profiles) {
		c.edges[i] = &UserEdge{cursor: found.Cursors[i], node: u}
	}
	return c, nil
}

// UserConnection is a page of users.
type UserConnection struct {
	edges []*UserEdge
	info  page.Info
}

// Edges resolves UserConnection.edges.
func (c *UserConnection) Edges() []*UserEdge { return c.edges }

// PageInfo resolves UserConnection.pageInfo.
func (c *UserConnection) PageInfo() *PageInfo { return &PageInfo{c.info} }

// UserEdge is a user in a list.
type UserEdge struct {
	cursor string
	node   *User
}

// Cursor resolves UserEdge.cursor.
func (e *UserEdge) Cursor() string { return e.cursor }

// Node resolves UserEdge.node.
func (e *UserEdge) Node() *User { return e.node }

// PageInfo says where a page lies.
type PageInfo struct{ info page.Info }

// HasNextPage resolves PageInfo.hasNextPage.
func (p *PageInfo) HasNextPage() bool { return p.info.HasNext }

// HasPreviousPage resolves PageInfo.hasPreviousPage.
func (p *PageInfo) HasPreviousPage() bool { return p.info.HasPrevious }

// StartCursor resolves PageInfo.startCursor.
func (p *PageInfo) StartCursor() *string { return orNull(p.info.Start) }

// EndCursor resolves PageInfo.endCursor.
func (p *PageInfo) EndCursor() *string { return orNull(p.info.End) }
