package authgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/auth"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/user/usergraph"
)

type beginTotpArgs struct{ Input struct{ Password string } }

// BeginTotp resolves Mutation.beginTotp.
func (m *Mutation) BeginTotp(ctx context.Context, args beginTotpArgs) (*BeginTotpPayload, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	setup, err := m.service.BeginTotp(ctx, viewer, args.Input.Password)
	if err != nil {
		return nil, err
	}
	return &BeginTotpPayload{setup}, nil
}

// BeginTotpPayload is a secret that waits to be confirmed.
type BeginTotpPayload struct{ setup auth.TotpSetup }

// Secret resolves BeginTotpPayload.secret.
func (p *BeginTotpPayload) Secret() string { return p.setup.Secret }

// OtpauthURL resolves BeginTotpPayload.otpauthUrl.
func (p *BeginTotpPayload) OtpauthURL() string { return p.setup.URL }

type confirmTotpArgs struct{ Input struct{ Code string } }

// ConfirmTotp resolves Mutation.confirmTotp.
func (m *Mutation) ConfirmTotp(ctx context.Context, args confirmTotpArgs) (*ConfirmTotpPayload, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	codes, err := m.service.ConfirmTotp(ctx, viewer, args.Input.Code)
	if err != nil {
		return nil, err
	}
	return &ConfirmTotpPayload{codes}, nil
}

// ConfirmTotpPayload has the recovery codes.
type ConfirmTotpPayload struct{ codes []string }

// RecoveryCodes resolves ConfirmTotpPayload.recoveryCodes.
func (p *ConfirmTotpPayload) RecoveryCodes() []string { return p.codes }

type disableTotpArgs struct {
	Input struct{ Password, Code string }
}

// DisableTotp resolves Mutation.disableTotp.
func (m *Mutation) DisableTotp(ctx context.Context, args disableTotpArgs) (*Done, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return done(m.service.DisableTotp(ctx, viewer, args.Input.Password, args.Input.Code))
}

type createPersonalTokenArgs struct {
	Input struct {
		Name      string
		ExpiresAt *gqlx.Time
		Scopes    []string
		UserID    *graphql.ID
	}
}

// scopeNames are the scopes as the schema has them.
var scopeNames = []struct {
	name  string
	scope principal.Scope
}{{"READ", principal.ScopeRead}, {"WRITE", principal.ScopeWrite}, {"ADMIN", principal.ScopeAdmin}}

// CreatePersonalToken resolves Mutation.createPersonalToken.
func (m *Mutation) CreatePersonalToken(ctx context.Context, args createPersonalTokenArgs) (*CreatePersonalTokenPayload, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	n := auth.NewToken{Name: args.Input.Name}
	if n.User, err = botOf(args.Input.UserID); err != nil {
		return nil, err
	}
	if args.Input.ExpiresAt != nil {
		n.ExpiresAt = args.Input.ExpiresAt.Time
	}
	for _, given := range args.Input.Scopes {
		for _, s := range scopeNames {
			if s.name == given {
				n.Scopes |= s.scope
			}
		}
	}
	t, text, err := m.service.CreatePersonalToken(ctx, viewer, n)
	if err != nil {
		return nil, err
	}
	return &CreatePersonalTokenPayload{t, text}, nil
}

// botOf reads the id of a bot; the zero one when it is left out.
func botOf(given *graphql.ID) (ids.User, error) {
	if given == nil {
		return ids.User{}, nil
	}
	id, ok := ids.ParseUser(string(*given))
	if !ok {
		return id, auth.ErrNoBot
	}
	return id, nil
}

// CreatePersonalTokenPayload is a new token.
type CreatePersonalTokenPayload struct {
	token auth.PersonalToken
	text  string
}

// PersonalToken resolves CreatePersonalTokenPayload.personalToken.
func (p *CreatePersonalTokenPayload) PersonalToken() *PersonalToken { return &PersonalToken{p.token} }

// Token resolves CreatePersonalTokenPayload.token.
func (p *CreatePersonalTokenPayload) Token() string { return p.text }

type revokePersonalTokenArgs struct{ Input struct{ TokenID graphql.ID } }

// RevokePersonalToken resolves Mutation.revokePersonalToken.
func (m *Mutation) RevokePersonalToken(ctx context.Context, args revokePersonalTokenArgs) (*Done, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	id, ok := ids.ParsePersonalToken(string(args.Input.TokenID))
	if !ok {
		return nil, auth.ErrNoToken
	}
	return done(m.service.RevokePersonalToken(ctx, viewer, id))
}

type createBotArgs struct {
	Input struct {
		Username    string
		DisplayName *string
	}
}

// CreateBot resolves Mutation.createBot.
func (m *Mutation) CreateBot(ctx context.Context, args createBotArgs) (*CreateBotPayload, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	a, err := m.service.CreateBot(ctx, viewer, args.Input.Username, orEmpty(args.Input.DisplayName))
	if err != nil {
		return nil, err
	}
	return &CreateBotPayload{a.ID, m.users}, nil
}

// CreateBotPayload is a new bot.
type CreateBotPayload struct {
	bot   ids.User
	users Users
}

// User resolves CreateBotPayload.user.
func (p *CreateBotPayload) User(ctx context.Context) (*usergraph.User, error) {
	return p.users.One(ctx, p.bot)
}

// PersonalTokens resolves Query.personalTokens.
func (q *Query) PersonalTokens(ctx context.Context, args struct{ UserID *graphql.ID }) ([]*PersonalToken, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	of, err := botOf(args.UserID)
	if err != nil {
		return nil, err
	}
	list, err := q.service.PersonalTokens(ctx, viewer, of)
	if err != nil {
		return nil, err
	}
	nodes := make([]*PersonalToken, len(list))
	for i, t := range list {
		nodes[i] = &PersonalToken{t}
	}
	return nodes, nil
}

// PersonalToken loads a token that the caller may manage; auth.ErrNoToken for
// all others, and for callers that are tokens themselves.
func (n *Nodes) PersonalToken(ctx context.Context, id ids.PersonalToken) (*PersonalToken, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if !viewer.Token.IsZero() {
		return nil, auth.ErrNoToken
	}
	t, err := n.service.PersonalToken(ctx, viewer, id)
	if err != nil {
		return nil, err
	}
	return &PersonalToken{t}, nil
}

// PersonalToken is a token as it is listed, without its text.
type PersonalToken struct{ token auth.PersonalToken }

// ID resolves PersonalToken.id.
func (t *PersonalToken) ID() graphql.ID { return graphql.ID(t.token.ID.String()) }

// Name resolves PersonalToken.name.
func (t *PersonalToken) Name() string { return t.token.Name }

// Scopes resolves PersonalToken.scopes.
func (t *PersonalToken) Scopes() []string {
	var names []string
	for _, s := range scopeNames {
		if t.token.Scopes.Has(s.scope) {
			names = append(names, s.name)
		}
	}
	return names
}

// CreatedAt resolves PersonalToken.createdAt.
func (t *PersonalToken) CreatedAt() gqlx.Time { return gqlx.TimeOf(t.token.CreatedAt) }

// ExpiresAt resolves PersonalToken.expiresAt.
func (t *PersonalToken) ExpiresAt() *gqlx.Time { return gqlx.TimePtr(t.token.ExpiresAt) }

// LastUsedAt resolves PersonalToken.lastUsedAt.
func (t *PersonalToken) LastUsedAt() *gqlx.Time { return gqlx.TimePtr(t.token.LastUsedAt) }

// TotpEnabled resolves Account.totpEnabled.
func (a *Account) TotpEnabled(ctx context.Context) (bool, error) {
	on, _, err := a.secondFactor(ctx)
	return on, err
}

// RecoveryCodesLeft resolves Account.recoveryCodesLeft.
func (a *Account) RecoveryCodesLeft(ctx context.Context) (int32, error) {
	_, left, err := a.secondFactor(ctx)
	return int32(left), err //nolint:gosec // Ten at most.
}

func (a *Account) secondFactor(ctx context.Context) (bool, int, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return false, 0, err
	}
	return a.service.SecondFactor(ctx, viewer, a.account.ID)
}
