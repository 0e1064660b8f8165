package authgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/auth"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user/usergraph"
)

// callerAbout is who calls, and about whom.
func callerAbout(ctx context.Context, id graphql.ID) (principal.Principal, ids.User, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return viewer, ids.User{}, err
	}
	who, ok := ids.ParseUser(string(id))
	if !ok {
		return viewer, who, auth.ErrNoAccount
	}
	return viewer, who, nil
}

// Standing is the payload of what is done to an account.
type Standing struct {
	account auth.Account
	users   Users
}

// User resolves user.
func (s *Standing) User(ctx context.Context) (*usergraph.User, error) {
	return s.users.One(ctx, s.account.ID)
}

// Role resolves role.
func (s *Standing) Role() principal.Role { return s.account.Role }

// State resolves state.
func (s *Standing) State() auth.State { return s.account.State }

func (m *Mutation) standing(a auth.Account, err error) (*Standing, error) {
	if err != nil {
		return nil, err
	}
	return &Standing{a, m.users}, nil
}

type setUserRoleArgs struct {
	Input struct {
		UserID graphql.ID
		Role   string
	}
}

// SetUserRole resolves Mutation.setUserRole.
func (m *Mutation) SetUserRole(ctx context.Context, args setUserRoleArgs) (*Standing, error) {
	viewer, who, err := callerAbout(ctx, args.Input.UserID)
	if err != nil {
		return nil, err
	}
	return m.standing(m.service.SetRole(ctx, viewer, who, principal.Role(args.Input.Role)))
}

type suspendUserArgs struct {
	Input struct {
		UserID graphql.ID
		Reason *string
	}
}

// SuspendUser resolves Mutation.suspendUser.
func (m *Mutation) SuspendUser(ctx context.Context, args suspendUserArgs) (*Standing, error) {
	viewer, who, err := callerAbout(ctx, args.Input.UserID)
	if err != nil {
		return nil, err
	}
	return m.standing(m.service.Suspend(ctx, viewer, who, orEmpty(args.Input.Reason)))
}

type reinstateUserArgs struct{ Input struct{ UserID graphql.ID } }

// ReinstateUser resolves Mutation.reinstateUser.
func (m *Mutation) ReinstateUser(ctx context.Context, args reinstateUserArgs) (*Standing, error) {
	viewer, who, err := callerAbout(ctx, args.Input.UserID)
	if err != nil {
		return nil, err
	}
	return m.standing(m.service.Reinstate(ctx, viewer, who))
}

type createInviteArgs struct {
	Input struct {
		Email     *string
		ExpiresAt *gqlx.Time
		MaxUses   *int32
		Role      *string
	}
}

// CreateInvite resolves Mutation.createInvite.
func (m *Mutation) CreateInvite(ctx context.Context, args createInviteArgs) (*InvitePayload, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	n := auth.NewInvite{Email: orEmpty(args.Input.Email), Role: principal.Role(orEmpty(args.Input.Role))}
	if t := args.Input.ExpiresAt; t != nil {
		n.ExpiresAt = t.Time
	}
	if u := args.Input.MaxUses; u != nil {
		uses := int(*u)
		n.MaxUses = &uses
	}
	i, code, err := m.service.CreateInvite(ctx, viewer, n)
	return m.invite(i, code, err)
}

type revokeInviteArgs struct{ Input struct{ InviteID graphql.ID } }

// RevokeInvite resolves Mutation.revokeInvite.
func (m *Mutation) RevokeInvite(ctx context.Context, args revokeInviteArgs) (*InvitePayload, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	id, ok := ids.ParseInvite(string(args.Input.InviteID))
	if !ok {
		return nil, auth.ErrNoInvite
	}
	i, err := m.service.RevokeInvite(ctx, viewer, id)
	return m.invite(i, "", err)
}

func (m *Mutation) invite(i auth.Invitation, code string, err error) (*InvitePayload, error) {
	if err != nil {
		return nil, err
	}
	return &InvitePayload{inviteNodes([]auth.Invitation{i}, m.service, m.users)[0], code}, nil
}

// InvitePayload is an invitation, and its code where it has just been made.
type InvitePayload struct {
	invite *Invite
	code   string
}

// Invite resolves invite.
func (p *InvitePayload) Invite() *Invite { return p.invite }

// Code resolves code.
func (p *InvitePayload) Code() string { return p.code }

type listArgs struct {
	First *int32
	After *string
}

// Invites resolves Query.invites.
func (q *Query) Invites(ctx context.Context, args listArgs) (*Connection[*Invite], error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	l := list{q.sealer, "auth.invites " + viewer.User.String()}
	part, at, err := l.open(args)
	if err != nil {
		return nil, err
	}
	var before ids.Invite
	if at != nil {
		if before, err = ids.FromBytes[ids.Invite](at); err != nil {
			return nil, errs.ErrBadCursor
		}
	}
	found, err := q.service.Invitations(ctx, viewer, before, part.Limit+1)
	if err != nil {
		return nil, err
	}
	return connect(l, part, inviteNodes(found, q.service, q.users), func(i *Invite) []byte { return i.i.ID.Bytes() }), nil
}

type auditLogArgs struct {
	Filter *struct {
		Actions  *[]string
		ActorID  *graphql.ID
		TargetID *graphql.ID
		Since    *gqlx.Time
		Until    *gqlx.Time
	}
	First *int32
	After *string
}

// filter reads the filter; none for one that no entry can meet.
func (a *auditLogArgs) filter() (f auth.AuditFilter, none bool) {
	in := a.Filter
	if in == nil {
		return f, false
	}
	if in.Actions != nil {
		for _, name := range *in.Actions {
			f.Actions = append(f.Actions, auth.Action(name))
		}
		none = len(f.Actions) == 0
	}
	for _, id := range []struct {
		given *graphql.ID
		to    *ids.User
	}{{in.ActorID, &f.Actor}, {in.TargetID, &f.Target}} {
		if id.given == nil {
			continue
		}
		var ok bool
		if *id.to, ok = ids.ParseUser(string(*id.given)); !ok {
			none = true
		}
	}
	if in.Since != nil {
		f.Since = in.Since.Time
	}
	if in.Until != nil {
		f.Until = in.Until.Time
	}
	return f, none
}

// AuditLog resolves Query.auditLog.
func (q *Query) AuditLog(ctx context.Context, args auditLogArgs) (*Connection[*AuditEntry], error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	l := list{q.sealer, "auth.audit " + viewer.User.String()}
	part, at, err := l.open(listArgs{args.First, args.After})
	if err != nil {
		return nil, err
	}
	var before ids.Audit
	if at != nil {
		if before, err = ids.FromBytes[ids.Audit](at); err != nil {
			return nil, errs.ErrBadCursor
		}
	}
	f, none := args.filter()
	var found []auth.Act
	if !none {
		if found, err = q.service.AuditLog(ctx, viewer, f, before, part.Limit+1); err != nil {
			return nil, err
		}
	}
	return connect(l, part, auditNodes(found, q.users), func(e *AuditEntry) []byte { return e.a.ID.Bytes() }), nil
}

// Invite loads an invitation for an administrator; auth.ErrNoInvite for others.
func (n *Nodes) Invite(ctx context.Context, id ids.Invite) (*Invite, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	i, err := n.service.Invitation(ctx, viewer, id)
	if err != nil {
		return nil, err
	}
	return inviteNodes([]auth.Invitation{i}, n.service, n.users)[0], nil
}

// AuditEntry loads an entry for an administrator; auth.ErrNoAct for others.
func (n *Nodes) AuditEntry(ctx context.Context, id ids.Audit) (*AuditEntry, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	a, err := n.service.Act(ctx, viewer, id)
	if err != nil {
		return nil, err
	}
	return auditNodes([]auth.Act{a}, n.users)[0], nil
}

// list names one list of one viewer; its cursors are good nowhere else.
type list struct {
	sealer *page.Sealer
	scope  string
}

// open checks the arguments and returns the position of the cursor; nil for
// none.
func (l list) open(args listArgs) (page.Slice, []byte, error) {
	part, err := page.Args{First: args.First, After: args.After}.Check()
	if err != nil || part.After == "" {
		return part, nil, err
	}
	at, err := l.sealer.Open(l.scope, part.After)
	return part, at, err
}
