package authgraph_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/rs/zerolog"

	"chatd/internal/auth/authgraph"
	"chatd/internal/auth/authsql"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
	"chatd/internal/user/usergraph"
	"chatd/migrations"
)

type (
	userQuery    = usergraph.Query
	userMutation = usergraph.Mutation
)

type root struct {
	query        *query
	mutation     *mutation
	subscription *usergraph.Subscription
}

type query struct {
	*authgraph.Query
	*userQuery
}

type mutation struct {
	*authgraph.Mutation
	*userMutation
}

// rest is what user's part of the schema takes from the whole.
const rest = `"An event." interface Event { "Its position." cursor: String! @spliced(as: CURSOR) }`

func (r *root) Query() *query       { return r.query }
func (r *root) Mutation() *mutation { return r.mutation }

func (r *root) Subscription() *usergraph.Subscription { return r.subscription }

// people has nobody's profile but an empty one.
type people struct{}

func (people) One(context.Context, ids.User) (*usergraph.User, error) { return &usergraph.User{}, nil }

func (people) Many(_ context.Context, of []ids.User) ([]*usergraph.User, error) {
	return make([]*usergraph.User, len(of)), nil
}

func setup(t *testing.T) (*authtest.House, *gqlx.Engine) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{Path: t.TempDir() + "/auth.db", Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), "auth", migrations.FS("auth")); err != nil {
		t.Fatal(err)
	}
	h := authtest.New(t, authsql.New(db))
	subscription := usergraph.NewSubscription(nil)
	e, err := gqlx.New(gqlx.Config{
		SDL: []gqlx.Source{{Name: "rest", SDL: rest}, {Name: "authgraph", SDL: authgraph.SDL()}, {Name: "usergraph", SDL: usergraph.SDL()}},
		Root: &root{
			query:    &query{Query: authgraph.NewQuery(h.Service, people{}, page.NewSealer([]byte("0123456789abcdef")), nil)},
			mutation: &mutation{Mutation: authgraph.NewMutation(h.Service, people{}, nil)}, subscription: subscription,
		},
		Log: zerolog.Nop(), Subscriptions: subscription.Fields(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h, e
}

// run executes a document and fills data; it returns the first error's code,
// field and reason.
func run(ctx context.Context, t *testing.T, e *gqlx.Engine, document string, variables map[string]any, data any) string {
	t.Helper()
	b, err := json.Marshal(e.Exec(ctx, gqlx.Request{Query: document, Variables: variables}))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code, Field, Reason string }
		}
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Errors) > 0 {
		x := r.Errors[0].Extensions
		if x.Code == "INTERNAL" || len(r.Errors[0].Message) == 0 {
			t.Errorf("%s", b)
		}
		return x.Code + x.Field + x.Reason
	}
	if data != nil {
		if err := json.Unmarshal(r.Data, data); err != nil {
			t.Fatalf("%s: %v", r.Data, err)
		}
	}
	return ""
}

type payload struct {
	AccessToken, RefreshToken, AccessTokenExpiresAt string
	User                                            struct{ ID string }
	Session                                         struct {
		ID, CreatedAt, LastUsedAt, ExpiresAt string
		Device, Address                      *string
		Current                              bool
	}
}

const payloadFields = ` { accessToken refreshToken accessTokenExpiresAt user { id }
	session { id device address createdAt lastUsedAt expiresAt current } } }`

const (
	registerText = `mutation($in: RegisterInput!) { register(input: $in)` + payloadFields
	loginText    = `mutation($in: LoginInput!) { login(input: $in)` + payloadFields
	refreshText  = `mutation($in: RefreshTokenInput!) { refreshToken(input: $in)` + payloadFields
	renewText    = `mutation($in: RenewConnectionInput!) { renewConnection(input: $in) { ok sessionExpiresAt } }`
	revokeText   = `mutation($in: RevokeSessionInput!) { revokeSession(input: $in) { ok } }`
)

func in(kv ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i].(string)] = kv[i+1]
	}
	return map[string]any{"in": m}
}

func TestAWholeSessionOverGraphQL(t *testing.T) {
	t.Parallel()
	h, e := setup(t)
	ctx := authtest.From(t.Context(), "192.0.2.7")
	var reg struct{ Register payload }
	code := run(ctx, t, e, registerText, in("email", "ada@example.org", "username", "ada", "password", authtest.Password), &reg)
	if p := reg.Register; code != "" || p.AccessToken == "" || !p.Session.Current || *p.Session.Address != "192.0.2.7" || p.Session.ExpiresAt == "" {
		t.Fatalf("%s %+v", code, p)
	}
	var login struct{ Login payload }
	if code := run(ctx, t, e, loginText, in("login", "ADA", "password", authtest.Password, "totp", "123456"), &login); code != "" {
		t.Fatal(code)
	}
	var again struct{ RefreshToken payload }
	if code := run(ctx, t, e, refreshText, in("refreshToken", login.Login.RefreshToken), &again); code != "" ||
		again.RefreshToken.Session.ID != login.Login.Session.ID {
		t.Fatalf("%s %+v", code, again)
	}

	p, err := h.Authenticate(ctx, again.RefreshToken.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	viewer := principal.With(ctx, p)
	var list struct {
		Sessions []struct {
			ID      string
			Current bool
		}
	}
	if code := run(viewer, t, e, `{ sessions { id current } }`, nil, &list); code != "" || len(list.Sessions) != 2 ||
		!list.Sessions[0].Current || list.Sessions[1].Current {
		t.Fatalf("%s %+v", code, list)
	}
	if code := run(viewer, t, e, renewText, in("accessToken", again.RefreshToken.AccessToken), nil); code != "FAILED_PRECONDITIONNOT_A_SOCKET" {
		t.Fatal(code)
	}
	for _, want := range []string{"", "NOT_FOUND"} {
		if code := run(viewer, t, e, revokeText, in("sessionId", list.Sessions[1].ID), nil); code != want {
			t.Fatal(code)
		}
	}
	if code := run(viewer, t, e, revokeText, in("sessionId", "rubbish"), nil); code != "NOT_FOUND" {
		t.Fatal(code)
	}
	if code := run(viewer, t, e, `mutation { logout { ok } }`, nil, nil); code != "" {
		t.Fatal(code)
	}
	if code := run(viewer, t, e, `mutation { logoutEverywhere { ok } }`, nil, nil); code != "" {
		t.Fatal(code)
	}
	if _, err := h.Authenticate(ctx, again.RefreshToken.AccessToken); err == nil {
		t.Fatal("still signed in")
	}
}

func TestARenewedSocketTellsItsEnd(t *testing.T) {
	t.Parallel()
	h, e := setup(t)
	reg := h.Register(t)
	ctx := principal.WithConnection(principal.With(t.Context(), h.Caller(t, reg)), socket{})
	var got struct {
		RenewConnection struct {
			OK               bool
			SessionExpiresAt string
		}
	}
	if code := run(ctx, t, e, renewText, in("accessToken", reg.AccessToken), &got); code != "" || !got.RenewConnection.OK ||
		got.RenewConnection.SessionExpiresAt != reg.AccessTokenExpires.Format("2006-01-02T15:04:05.000Z") {
		t.Fatalf("%s %+v", code, got)
	}
}

type socket struct{}

func (socket) Renew(principal.Principal) error { return nil }

func TestErrorsHaveTheirCode(t *testing.T) {
	t.Parallel()
	h, e := setup(t)
	a := h.Register(t).Account
	for name, c := range map[string]struct {
		document  string
		variables map[string]any
		want      string
	}{
		"bad username":       {registerText, in("email", "a@b.org", "username", "a", "password", authtest.Password), "BAD_USER_INPUTusername"},
		"bad password":       {registerText, in("email", "a@b.org", "username", "abc", "password", "short"), "BAD_USER_INPUTpassword"},
		"taken username":     {registerText, in("email", "a@b.org", "username", a.Username, "password", authtest.Password), "CONFLICTusername"},
		"taken address":      {registerText, in("email", a.Email, "username", "abc", "password", authtest.Password), "CONFLICTemail"},
		"wrong password":     {loginText, in("login", a.Username, "password", "not the password"), "UNAUTHENTICATED"},
		"unknown login":      {loginText, in("login", "nobody", "password", "not the password"), "UNAUTHENTICATED"},
		"bad refresh token":  {refreshText, in("refreshToken", "rubbish"), "UNAUTHENTICATED"},
		"nobody's sessions":  {`{ sessions { id } }`, nil, "UNAUTHENTICATED"},
		"nobody's logout":    {`mutation { logout { ok } }`, nil, "UNAUTHENTICATED"},
		"nobody's everyware": {`mutation { logoutEverywhere { ok } }`, nil, "UNAUTHENTICATED"},
		"nobody's revoking":  {revokeText, in("sessionId", "x"), "UNAUTHENTICATED"},
		"nobody's socket":    {renewText, in("accessToken", "x"), "UNAUTHENTICATED"},
	} {
		if got := run(t.Context(), t, e, c.document, c.variables, nil); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestNodesAreTheOwnersAndAdministrators(t *testing.T) {
	t.Parallel()
	h, _ := setup(t)
	admin, member := h.Register(t), h.Register(t)
	nodes := authgraph.NewNodes(h.Service, people{})
	ctx := principal.With(t.Context(), h.Caller(t, member))
	if a, err := nodes.Account(ctx, member.Account.ID); err != nil || a.Email() != member.Account.Email || a.Role() != "MEMBER" {
		t.Fatal(a, err)
	}
	if _, err := nodes.Account(ctx, admin.Account.ID); err == nil {
		t.Fatal("a member sees an administrator's address")
	}
	if s, err := nodes.Session(ctx, member.Session.ID); err != nil || !s.Current() {
		t.Fatal(s, err)
	}
	if _, err := nodes.Session(ctx, admin.Session.ID); err == nil {
		t.Fatal("another's session")
	}
	if _, err := nodes.Session(t.Context(), member.Session.ID); err == nil {
		t.Fatal("nobody's session")
	}
}
