package gqlx_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

const scopedSDL = `
extend type Query {
  "Anybody's." hello: String! @open
  "A viewer's." mine: String!
  "An administrator's." all: String! @admin
  "A session's." devices: String! @session
}
extend type Mutation {
  "A viewer's." change: String!
  "An administrator's." rule: String! @admin
  "A session's." signOut: String! @session
}`

type scoped struct{ ran atomic.Int64 }

func (s *scoped) did() string { s.ran.Add(1); return "done" }

type (
	scopedQuery    struct{ s *scoped }
	scopedMutation struct{ s *scoped }
)

func (s *scoped) Query() *scopedQuery       { return &scopedQuery{s} }
func (s *scoped) Mutation() *scopedMutation { return &scopedMutation{s} }

func (q scopedQuery) Hello() string      { return q.s.did() }
func (q scopedQuery) Mine() string       { return q.s.did() }
func (q scopedQuery) All() string        { return q.s.did() }
func (q scopedQuery) Devices() string    { return q.s.did() }
func (m scopedMutation) Change() string  { return m.s.did() }
func (m scopedMutation) Rule() string    { return m.s.did() }
func (m scopedMutation) SignOut() string { return m.s.did() }

// Documents of every kind, by callers of every kind: what is refused is
// refused whole, before anything of it runs.
func TestScopesAreAskedForBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	root := &scoped{}
	e, err := gqlx.New(gqlx.Config{SDL: []gqlx.Source{{Name: "scoped", SDL: scopedSDL}}, Root: root, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	const ok, session, scope, admin, anybody = "done", "SESSION_REQUIRED", "SCOPE_REQUIRED", "Only the server's administrators", "UNAUTHENTICATED"
	const r, w, a = principal.ScopeRead, principal.ScopeWrite, principal.ScopeAdmin
	callers := []struct {
		name string
		who  *principal.Principal
	}{
		{"nobody", nil},
		{"a member", &principal.Principal{Role: principal.Member}},
		{"an administrator", &principal.Principal{Role: principal.Admin}},
		{"READ", token(principal.Member, r)},
		{"WRITE", token(principal.Member, w)},
		{"ADMIN", token(principal.Admin, a)},
		{"READ WRITE", token(principal.Member, r|w)},
		{"READ WRITE ADMIN", token(principal.Admin, r|w|a)},
		{"ADMIN of a member", token(principal.Member, r|w|a)},
	}
	for doc, want := range map[string][]string{
		`{ hello }`:       {ok, ok, ok, ok, ok, ok, ok, ok, ok},
		`{ mine }`:        {anybody, ok, ok, ok, scope, scope, ok, ok, ok},
		`{ mine hello }`:  {anybody, ok, ok, ok, scope, scope, ok, ok, ok},
		`{ all }`:         {anybody, admin, ok, scope, scope, scope, scope, ok, admin},
		`{ mine x: all }`: {anybody, admin, ok, scope, scope, scope, scope, ok, admin},
		`{ devices }`:     {anybody, ok, ok, session, session, session, session, session, session},
		`{ ...f } fragment f on Query { hello y: devices }`: {anybody, ok, ok, session, session, session, session, session, session},
		`mutation { change }`:                               {anybody, ok, ok, scope, ok, scope, ok, ok, ok},
		`mutation { rule }`:                                 {anybody, admin, ok, scope, scope, scope, scope, ok, admin},
		`mutation { change signOut }`:                       {anybody, ok, ok, session, session, session, session, session, session},
	} {
		for i, c := range callers {
			ctx := t.Context()
			if c.who != nil {
				ctx = principal.With(ctx, *c.who)
			}
			before := root.ran.Load()
			got := e.Exec(ctx, gqlx.Request{Query: doc})
			b := string(got.Data)
			for _, fault := range got.Errors {
				reason, _ := fault.Extensions["reason"].(string)
				code, _ := fault.Extensions["code"].(string)
				b += fault.Message + " " + code + " " + reason
			}
			if !strings.Contains(b, want[i]) || want[i] != ok && root.ran.Load() != before {
				t.Errorf("%s by %s: %s, want %s", doc, c.name, b, want[i])
			}
		}
	}
}

func token(role principal.Role, scopes principal.Scope) *principal.Principal {
	return &principal.Principal{Role: role, Token: ids.New[ids.PersonalToken](), Scopes: scopes}
}
