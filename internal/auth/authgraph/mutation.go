package authgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/auth"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
)

// Mutation resolves auth's fields of the root type Mutation.
type Mutation struct {
	service *auth.Service
	users   Users
	exports Exports
}

// NewMutation returns the resolvers over a service; users loads who signed in,
// and exports makes links.
func NewMutation(service *auth.Service, users Users, exports Exports) *Mutation {
	return &Mutation{service: service, users: users, exports: exports}
}

type registerArgs struct {
	Input struct {
		Email       string
		Username    string
		Password    string
		DisplayName *string
		SetupToken  *string
		InviteCode  *string
	}
}

// Register resolves Mutation.register.
func (m *Mutation) Register(ctx context.Context, args registerArgs) (*AuthPayload, error) {
	in := args.Input
	return m.payload(m.service.Register(ctx, auth.RegisterInput{
		Email: in.Email, Username: in.Username, Password: in.Password,
		DisplayName: orEmpty(in.DisplayName), SetupToken: orEmpty(in.SetupToken), InviteCode: orEmpty(in.InviteCode),
	}))
}

type loginArgs struct {
	Input struct {
		Login    string
		Password string
		Totp     *string
	}
}

// Login resolves Mutation.login.
func (m *Mutation) Login(ctx context.Context, args loginArgs) (*AuthPayload, error) {
	return m.payload(m.service.Login(ctx, auth.LoginInput{
		Login: args.Input.Login, Password: args.Input.Password, Totp: orEmpty(args.Input.Totp),
	}))
}

type refreshTokenArgs struct{ Input struct{ RefreshToken string } }

// RefreshToken resolves Mutation.refreshToken.
func (m *Mutation) RefreshToken(ctx context.Context, args refreshTokenArgs) (*AuthPayload, error) {
	return m.payload(m.service.Refresh(ctx, args.Input.RefreshToken))
}

func (m *Mutation) payload(in auth.SignIn, err error) (*AuthPayload, error) {
	if err != nil {
		return nil, err
	}
	return &AuthPayload{in: in, users: m.users}, nil
}

// Done is a payload that has nothing else to tell.
type Done struct{}

// OK resolves ok.
func (*Done) OK() bool { return true }

func done(err error) (*Done, error) {
	if err != nil {
		return nil, err
	}
	return &Done{}, nil
}

// Logout resolves Mutation.logout.
func (m *Mutation) Logout(ctx context.Context) (*Done, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return done(m.service.Logout(ctx, viewer))
}

// LogoutEverywhere resolves Mutation.logoutEverywhere.
func (m *Mutation) LogoutEverywhere(ctx context.Context) (*Done, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return done(m.service.LogoutEverywhere(ctx, viewer))
}

type revokeSessionArgs struct {
	Input struct{ SessionID graphql.ID }
}

// RevokeSession resolves Mutation.revokeSession.
func (m *Mutation) RevokeSession(ctx context.Context, args revokeSessionArgs) (*Done, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	id, ok := ids.ParseSession(string(args.Input.SessionID))
	if !ok {
		return nil, auth.ErrNoSession
	}
	return done(m.service.RevokeSession(ctx, viewer, id))
}

type changePasswordArgs struct {
	Input struct{ CurrentPassword, NewPassword string }
}

// ChangePassword resolves Mutation.changePassword.
func (m *Mutation) ChangePassword(ctx context.Context, args changePasswordArgs) (*Done, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return done(m.service.ChangePassword(ctx, viewer, auth.ChangePasswordInput{
		Current: args.Input.CurrentPassword, Next: args.Input.NewPassword,
	}))
}

type deleteAccountArgs struct {
	Input struct {
		Password string
		Totp     *string
	}
}

// DeleteAccount resolves Mutation.deleteAccount.
func (m *Mutation) DeleteAccount(ctx context.Context, args deleteAccountArgs) (*Done, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return done(m.service.DeleteAccount(ctx, viewer, args.Input.Password, orEmpty(args.Input.Totp)))
}

type renewConnectionArgs struct{ Input struct{ AccessToken string } }

// RenewConnection resolves Mutation.renewConnection.
func (m *Mutation) RenewConnection(ctx context.Context, args renewConnectionArgs) (*RenewConnectionPayload, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	next, err := m.service.Renew(ctx, viewer, args.Input.AccessToken)
	if err != nil {
		return nil, err
	}
	return &RenewConnectionPayload{expires: gqlx.TimeOf(next.Expires)}, nil
}

// RenewConnectionPayload says how long the connection goes on.
type RenewConnectionPayload struct {
	Done
	expires gqlx.Time
}

// SessionExpiresAt resolves RenewConnectionPayload.sessionExpiresAt.
func (p *RenewConnectionPayload) SessionExpiresAt() gqlx.Time { return p.expires }

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
