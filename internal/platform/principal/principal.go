package principal

import (
	"context"
	"net/netip"
	"time"

	"chatd/internal/platform/ids"
)

// Role is an account's standing on the whole server.
type Role string

// The roles.
const (
	Admin  Role = "ADMIN"
	Member Role = "MEMBER"
	Guest  Role = "GUEST"
	Bot    Role = "BOT"
)

// Principal is a signed-in user as one session knows him, or a user as one of
// his personal tokens does. It is immutable.
type Principal struct {
	User ids.User
	// Session is what ends; of a personal token, the same bytes as Token.
	Session ids.Session
	// Role is the account's. A personal token without ScopeAdmin has at
	// most that of a member.
	Role Role
	// Expires is when the access token ends; a socket ends with it unless it
	// is renewed. Zero for a personal token that has no end.
	Expires time.Time
	// Token is the personal token that speaks; zero for a session.
	Token ids.PersonalToken
	// Scopes is what Token may be used for.
	Scopes Scope
}

// Client is what is known of the calling program, signed in or not.
type Client struct {
	// Address is the client's own address; behind trusted proxies the one
	// that they name. Invalid when unknown.
	Address netip.Addr
	// Device is the User-Agent, cut to 200 bytes.
	Device string
}

// Network is the key that limits count an address by: the whole IPv4 address,
// or the /64 of an IPv6 one. Empty when unknown.
func (c Client) Network() string {
	a := c.Address.Unmap()
	switch {
	case !a.IsValid():
		return ""
	case a.Is4():
		return a.String()
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a.String()
	}
	return p.String()
}

// NetworkID is Network in 16 bytes, for what counts without allocating; zero
// when unknown.
func (c Client) NetworkID() (id [16]byte) {
	a := c.Address.Unmap()
	if !a.IsValid() {
		return id
	}
	id = a.As16()
	if !a.Is4() {
		clear(id[8:])
	}
	return id
}

// Connection is the socket that an operation came in by.
type Connection interface {
	// Renew puts a newer principal of the same user and session in force, so
	// that the socket outlives its first access token. It may be called from
	// any goroutine.
	Renew(p Principal) error
}

type (
	principalKey  struct{}
	clientKey     struct{}
	connectionKey struct{}
	requestIDKey  struct{}
)

// With returns a context in which p is calling.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From returns who is calling; false when nobody has signed in.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// WithClient returns a context with the calling program in it.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientFrom returns the calling program; the zero Client when unknown.
func ClientFrom(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}

// WithConnection returns a context of an operation that came in by c.
func WithConnection(ctx context.Context, c Connection) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// ConnectionFrom returns the socket of an operation; false over HTTP.
func ConnectionFrom(ctx context.Context) (Connection, bool) {
	c, ok := ctx.Value(connectionKey{}).(Connection)
	return c, ok
}

// WithRequestID returns a context of the request that is named id in answers
// and logs.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the request's name; empty outside a request.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
