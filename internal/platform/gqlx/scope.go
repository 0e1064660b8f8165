package gqlx

import (
	"chatd/internal/platform/errs"
	"chatd/internal/platform/principal"
)

// What a personal token is told that may not do what it asks for.
var (
	errNeedsSession = errs.New(errs.Forbidden, "gqlx.needs_session", "A personal token may not do this: sign in.", errs.Reason("SESSION_REQUIRED"))
	errScopeRead    = errs.New(errs.Forbidden, "gqlx.scope_read", "The token has not the scope READ.", errs.Reason("SCOPE_REQUIRED"))
	errScopeWrite   = errs.New(errs.Forbidden, "gqlx.scope_write", "The token has not the scope WRITE.", errs.Reason("SCOPE_REQUIRED"))
	errScopeAdmin   = errs.New(errs.Forbidden, "gqlx.scope_admin", "The token has not the scope ADMIN.", errs.Reason("SCOPE_REQUIRED"))
)

// permits says whether a personal token may be used for the operation: the one
// place where scopes are asked for. Sessions may do all of it; so may anybody
// what is @open.
func (p *plan) permits(who principal.Principal) error {
	if who.Token.IsZero() || p.open {
		return nil
	}
	scope, missing := principal.ScopeRead, errScopeRead
	if p.kind == Mutation {
		scope, missing = principal.ScopeWrite, errScopeWrite
	}
	switch {
	case p.session:
		return errNeedsSession
	case !who.Holds(scope):
		return missing
	case p.admin && !who.Holds(principal.ScopeAdmin):
		return errScopeAdmin
	}
	return nil
}
