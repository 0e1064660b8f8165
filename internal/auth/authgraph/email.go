package authgraph

import (
	"context"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/user/usergraph"
)

type requestPasswordResetArgs struct{ Input struct{ Email string } }

// RequestPasswordReset resolves Mutation.requestPasswordReset.
func (m *Mutation) RequestPasswordReset(ctx context.Context, args requestPasswordResetArgs) (*Done, error) {
	return done(m.service.RequestPasswordReset(ctx, args.Input.Email))
}

type resetPasswordArgs struct {
	Input struct{ Token, NewPassword string }
}

// ResetPassword resolves Mutation.resetPassword.
func (m *Mutation) ResetPassword(ctx context.Context, args resetPasswordArgs) (*Done, error) {
	return done(m.service.ResetByLink(ctx, args.Input.Token, args.Input.NewPassword))
}

// RequestEmailVerification resolves Mutation.requestEmailVerification.
func (m *Mutation) RequestEmailVerification(ctx context.Context) (*Done, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return done(m.service.RequestEmailVerification(ctx, viewer))
}

type verifyEmailArgs struct{ Input struct{ Token string } }

// VerifyEmail resolves Mutation.verifyEmail.
func (m *Mutation) VerifyEmail(ctx context.Context, args verifyEmailArgs) (*Done, error) {
	return done(m.service.VerifyEmail(ctx, args.Input.Token))
}

type changeEmailArgs struct {
	Input struct {
		Email    string
		Password string
		Totp     *string
	}
}

// ChangeEmail resolves Mutation.changeEmail.
func (m *Mutation) ChangeEmail(ctx context.Context, args changeEmailArgs) (*Done, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return done(m.service.ChangeEmail(ctx, viewer, auth.ChangeEmailInput{
		Email: args.Input.Email, Password: args.Input.Password, Totp: orEmpty(args.Input.Totp),
	}))
}

type changeUsernameArgs struct {
	Input struct{ Username, Password string }
}

// ChangeUsername resolves Mutation.changeUsername.
func (m *Mutation) ChangeUsername(ctx context.Context, args changeUsernameArgs) (*Renamed, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	a, err := m.service.ChangeUsername(ctx, viewer, args.Input.Username, args.Input.Password)
	if err != nil {
		return nil, err
	}
	return &Renamed{a.ID, m.users}, nil
}

// Renamed is somebody with another username.
type Renamed struct {
	user  ids.User
	users Users
}

// User resolves user.
func (r *Renamed) User(ctx context.Context) (*usergraph.User, error) { return r.users.One(ctx, r.user) }
