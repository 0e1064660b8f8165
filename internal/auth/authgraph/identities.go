package authgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/auth"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
)

// SignInProviders resolves Query.signInProviders.
func (q *Query) SignInProviders() []*SignInProvider {
	list := q.service.Providers()
	out := make([]*SignInProvider, len(list))
	for i, p := range list {
		out[i] = &SignInProvider{p}
	}
	return out
}

// SignInProvider is another service that signs people in.
type SignInProvider struct{ p auth.Provider }

// Name resolves SignInProvider.name.
func (p *SignInProvider) Name() string { return p.p.Name }

// Label resolves SignInProvider.label.
func (p *SignInProvider) Label() string { return p.p.Label }

// StartPath resolves SignInProvider.startPath.
func (p *SignInProvider) StartPath() string { return "/auth/oidc/" + p.p.Name + "/start" }

// Identities resolves Query.identities.
func (q *Query) Identities(ctx context.Context) ([]*Identity, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list, err := q.service.Identities(ctx, viewer)
	if err != nil {
		return nil, err
	}
	nodes := make([]*Identity, len(list))
	for i, one := range list {
		nodes[i] = &Identity{one}
	}
	return nodes, nil
}

// Identity loads one of the caller's own identities; auth.ErrNoIdentity for
// all others, and for callers that are tokens.
func (n *Nodes) Identity(ctx context.Context, id ids.Identity) (*Identity, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if !viewer.Token.IsZero() {
		return nil, auth.ErrNoIdentity
	}
	i, err := n.service.Identity(ctx, viewer, id)
	if err != nil {
		return nil, err
	}
	return &Identity{i}, nil
}

// Identity is what an account is known by at another provider.
type Identity struct{ i auth.Identity }

// ID resolves Identity.id.
func (i *Identity) ID() graphql.ID { return graphql.ID(i.i.ID.String()) }

// Provider resolves Identity.provider.
func (i *Identity) Provider() string { return i.i.Provider }

// Email resolves Identity.email.
func (i *Identity) Email() *string { return orNull(i.i.Email) }

// LinkedAt resolves Identity.linkedAt.
func (i *Identity) LinkedAt() gqlx.Time { return gqlx.TimeOf(i.i.LinkedAt) }

// LastUsedAt resolves Identity.lastUsedAt.
func (i *Identity) LastUsedAt() *gqlx.Time { return gqlx.TimePtr(i.i.LastUsedAt) }

type exchangeSignInCodeArgs struct {
	Input struct {
		Code       string
		Verifier   string
		Totp       *string
		InviteCode *string
	}
}

// ExchangeSignInCode resolves Mutation.exchangeSignInCode.
func (m *Mutation) ExchangeSignInCode(ctx context.Context, args exchangeSignInCodeArgs) (*AuthPayload, error) {
	in := args.Input
	return m.payload(m.service.ExchangeSignInCode(ctx, auth.ExchangeInput{
		Code: in.Code, Verifier: in.Verifier, Totp: orEmpty(in.Totp), InviteCode: orEmpty(in.InviteCode),
	}))
}

type linkIdentityArgs struct {
	Input struct {
		Code     string
		Verifier string
		Password *string
	}
}

// LinkIdentity resolves Mutation.linkIdentity.
func (m *Mutation) LinkIdentity(ctx context.Context, args linkIdentityArgs) (*LinkIdentityPayload, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	in := args.Input
	i, err := m.service.LinkIdentity(ctx, viewer, auth.LinkInput{Code: in.Code, Verifier: in.Verifier, Password: orEmpty(in.Password)})
	if err != nil {
		return nil, err
	}
	return &LinkIdentityPayload{i}, nil
}

// LinkIdentityPayload is a linked identity.
type LinkIdentityPayload struct{ i auth.Identity }

// Identity resolves LinkIdentityPayload.identity.
func (p *LinkIdentityPayload) Identity() *Identity { return &Identity{p.i} }

type unlinkIdentityArgs struct {
	Input struct{ IdentityID graphql.ID }
}

// UnlinkIdentity resolves Mutation.unlinkIdentity.
func (m *Mutation) UnlinkIdentity(ctx context.Context, args unlinkIdentityArgs) (*Done, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	id, ok := ids.ParseIdentity(string(args.Input.IdentityID))
	if !ok {
		return nil, auth.ErrNoIdentity
	}
	return done(m.service.UnlinkIdentity(ctx, viewer, id))
}
