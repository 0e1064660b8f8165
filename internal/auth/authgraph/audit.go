package authgraph

import (
	"context"
	"sync"
	"time"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/auth"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user/usergraph"
)

// crowd loads the people of a list once, for all its entries.
type crowd struct {
	users Users
	of    []ids.User
	once  sync.Once
	found map[ids.User]*usergraph.User
	err   error
}

// one returns somebody of the crowd; nil for nobody and for who is gone.
func (c *crowd) one(ctx context.Context, id ids.User) (*usergraph.User, error) {
	if id.IsZero() {
		return nil, nil
	}
	c.once.Do(func() {
		c.found = make(map[ids.User]*usergraph.User, len(c.of))
		var all []*usergraph.User
		if all, c.err = c.users.Many(ctx, c.of); c.err != nil {
			return
		}
		for i, u := range all {
			c.found[c.of[i]] = u
		}
	})
	return c.found[id], c.err
}

func (c *crowd) add(who ...ids.User) {
	for _, id := range who {
		if !id.IsZero() {
			c.of = append(c.of, id)
		}
	}
}

// Invite is the node of an invitation.
type Invite struct {
	i     *auth.Invitation
	now   time.Time
	crowd *crowd
}

func inviteNodes(of []auth.Invitation, s *auth.Service, users Users) []*Invite {
	c, now := &crowd{users: users}, s.Now()
	out := make([]*Invite, len(of))
	for i := range of {
		c.add(of[i].Creator)
		out[i] = &Invite{&of[i], now, c}
	}
	return out
}

// ID resolves id.
func (i *Invite) ID() graphql.ID { return graphql.ID(i.i.ID.String()) }

// Email resolves email.
func (i *Invite) Email() *string { return orNull(i.i.Email) }

// Role resolves role.
func (i *Invite) Role() principal.Role { return i.i.Role }

// CreatedBy resolves createdBy.
func (i *Invite) CreatedBy(ctx context.Context) (*usergraph.User, error) {
	return i.crowd.one(ctx, i.i.Creator)
}

// CreatedAt resolves createdAt.
func (i *Invite) CreatedAt() gqlx.Time { return gqlx.TimeOf(i.i.CreatedAt) }

// ExpiresAt resolves expiresAt.
func (i *Invite) ExpiresAt() gqlx.Time { return gqlx.TimeOf(i.i.ExpiresAt) }

// MaxUses resolves maxUses.
func (i *Invite) MaxUses() int32 { return int32(i.i.MaxUses) } //nolint:gosec // At most MaxInviteUses.

// Uses resolves uses.
func (i *Invite) Uses() int32 { return int32(i.i.Uses) } //nolint:gosec // At most MaxInviteUses.

// RevokedAt resolves revokedAt.
func (i *Invite) RevokedAt() *gqlx.Time { return gqlx.TimePtr(i.i.RevokedAt) }

// Usable resolves usable.
func (i *Invite) Usable() bool { return i.i.Good(i.now) }

// AuditEntry is the node of an entry of the audit log.
type AuditEntry struct {
	a     *auth.Act
	crowd *crowd
}

func auditNodes(of []auth.Act, users Users) []*AuditEntry {
	c := &crowd{users: users}
	out := make([]*AuditEntry, len(of))
	for i := range of {
		c.add(of[i].Actor, of[i].Target)
		out[i] = &AuditEntry{&of[i], c}
	}
	return out
}

// ID resolves id.
func (e *AuditEntry) ID() graphql.ID { return graphql.ID(e.a.ID.String()) }

// Action resolves action.
func (e *AuditEntry) Action() auth.Action { return e.a.Action }

// Actor resolves actor.
func (e *AuditEntry) Actor(ctx context.Context) (*usergraph.User, error) {
	return e.crowd.one(ctx, e.a.Actor)
}

// ActorID resolves actorId.
func (e *AuditEntry) ActorID() *graphql.ID { return idOrNull(e.a.Actor) }

// Target resolves target.
func (e *AuditEntry) Target(ctx context.Context) (*usergraph.User, error) {
	return e.crowd.one(ctx, e.a.Target)
}

// TargetID resolves targetId.
func (e *AuditEntry) TargetID() *graphql.ID { return idOrNull(e.a.Target) }

// SessionID resolves sessionId.
func (e *AuditEntry) SessionID() *graphql.ID { return idOrNull(e.a.Session) }

// InviteID resolves inviteId.
func (e *AuditEntry) InviteID() *graphql.ID { return idOrNull(e.a.Invite) }

// TokenID resolves tokenId.
func (e *AuditEntry) TokenID() *graphql.ID { return idOrNull(e.a.Token) }

// Detail resolves detail.
func (e *AuditEntry) Detail() *string { return orNull(e.a.Detail) }

// Address resolves address.
func (e *AuditEntry) Address() *string { return orNull(e.a.Address) }

// Device resolves device.
func (e *AuditEntry) Device() *string { return orNull(e.a.Device) }

// RequestID resolves requestId.
func (e *AuditEntry) RequestID() *string { return orNull(e.a.RequestID) }

// At resolves at.
func (e *AuditEntry) At() gqlx.Time { return gqlx.TimeOf(e.a.At) }

func idOrNull(id interface {
	IsZero() bool
	String() string
},
) *graphql.ID {
	if id.IsZero() {
		return nil
	}
	text := graphql.ID(id.String())
	return &text
}

// Connection is one page of a list in the shape that Relay asks for.
type Connection[N any] struct {
	list  list
	nodes []N
	key   func(N) []byte
	info  page.Info
}

// connect makes a page of one entry more than were asked for, or of all that
// there are.
func connect[N any](l list, part page.Slice, nodes []N, key func(N) []byte) *Connection[N] {
	c := &Connection[N]{list: l, nodes: nodes[:min(len(nodes), part.Limit)], key: key}
	c.info = page.Info{HasNext: len(nodes) > part.Limit, HasPrevious: part.After != ""}
	if n := len(c.nodes); n > 0 {
		c.info.Start, c.info.End = c.cursor(c.nodes[0]), c.cursor(c.nodes[n-1])
	}
	return c
}

func (c *Connection[N]) cursor(n N) string { return c.list.sealer.Seal(c.list.scope, c.key(n)) }

// Edges resolves edges.
func (c *Connection[N]) Edges() []*Edge[N] {
	out := make([]*Edge[N], len(c.nodes))
	for i, n := range c.nodes {
		out[i] = &Edge[N]{c, n}
	}
	return out
}

// PageInfo resolves pageInfo.
func (c *Connection[N]) PageInfo() *PageInfo { return &PageInfo{c.info} }

// Edge is a node in its list.
type Edge[N any] struct {
	of   *Connection[N]
	node N
}

// Cursor resolves cursor.
func (e *Edge[N]) Cursor() string { return e.of.cursor(e.node) }

// Node resolves node.
func (e *Edge[N]) Node() N { return e.node }

// PageInfo says where a page lies.
type PageInfo struct{ info page.Info }

// HasNextPage resolves hasNextPage.
func (p *PageInfo) HasNextPage() bool { return p.info.HasNext }

// HasPreviousPage resolves hasPreviousPage.
func (p *PageInfo) HasPreviousPage() bool { return p.info.HasPrevious }

// StartCursor resolves startCursor.
func (p *PageInfo) StartCursor() *string { return orNull(p.info.Start) }

// EndCursor resolves endCursor.
func (p *PageInfo) EndCursor() *string { return orNull(p.info.End) }
