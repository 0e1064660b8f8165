package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/oidctest"
	"chatd/internal/platform/testenv"
)

// clientVerifier is what clients of the tests keep while their browser is away.
const clientVerifier = "a verifier that only this client has, and long"

// providerArgs are the settings of a program at an address that signs in by a
// provider, which is told of it.
func providerArgs(t testing.TB, op *oidctest.Provider, addr string, args ...string) []string {
	t.Helper()
	op.Register("chatd", "the client's secret", "http://"+addr+"/auth/oidc/corp/callback")
	text, err := json.Marshal([]map[string]string{
		{"name": "corp", "label": "Corp", "issuer": op.Issuer, "clientId": "chatd", "clientSecret": "the client's secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{"--public-url", "http://" + addr, "--oidc-providers", string(text)}, args...)
}

// startSigningIn starts a program that signs in by a real provider.
func startSigningIn(t testing.TB, args ...string) (*program, *oidctest.Provider) {
	t.Helper()
	op := oidctest.Start(t)
	p := &program{dir: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t)}
	p.args = providerArgs(t, op, p.addr, append(slices.Clone(unlimited), args...)...)
	p.start(t)
	t.Cleanup(p.kill)
	return p, op
}

// knows makes somebody at the provider.
func knows(op *oidctest.Provider, name string) {
	op.Add(oidctest.User{Subject: "subject of " + name, Username: name, First: strings.ToUpper(name), Last: "At Corp", Email: name + "@corp.example", Verified: true})
}

// signInCode sends a browser to the provider and brings it back with a code.
func (p *program) signInCode(t testing.TB, name, intent string) string {
	t.Helper()
	b := oidctest.NewBrowser()
	q := url.Values{"challenge": {auth.ChallengeOf(clientVerifier)}, "returnTo": {p.url("/done?a=b")}, "intent": {intent}}
	at, resp, err := b.Go(t.Context(), p.url("/auth/oidc/corp/start?"+q.Encode()))
	if err != nil || at == nil {
		t.Fatal("the start leads nowhere: ", resp, err)
	}
	answer, err := b.SignIn(t.Context(), at, name)
	if err != nil {
		t.Fatal(err)
	}
	at, resp, err = b.Go(t.Context(), answer.String())
	if err != nil || at == nil || !strings.HasPrefix(at.String(), p.url("/done?a=b&signInCode=sic_")) {
		t.Fatalf("%v %v %v", at, resp, err)
	}
	if h := resp.Header; h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", h)
	}
	return at.Query().Get("signInCode")
}

const exchangeDoc = `mutation($i: ExchangeSignInCodeInput!) { exchangeSignInCode(input: $i) { user { id username displayName } accessToken refreshToken session { current } } }`

// comeBy exchanges a code.
func (p *program) comeBy(t testing.TB, code string, more ...any) (person, error) {
	t.Helper()
	var d struct {
		ExchangeSignInCode struct {
			User                      struct{ ID, Username, DisplayName string }
			AccessToken, RefreshToken string
			Session                   struct{ Current bool }
		}
	}
	in := vars(append([]any{"code", code, "verifier", clientVerifier}, more...)...)
	err := p.gql(t.Context(), "", exchangeDoc, vars("i", in), &d)
	got := d.ExchangeSignInCode
	return person{got.User.ID, got.User.Username, got.AccessToken, got.RefreshToken}, err
}

type identityNode struct{ ID, Provider, Email, LinkedAt, LastUsedAt string }

func (p *program) identities(t testing.TB, who person) []identityNode {
	t.Helper()
	var d struct{ Identities []identityNode }
	if err := p.gql(t.Context(), who.token, `{ identities { id provider email linkedAt lastUsedAt } }`, nil, &d); err != nil {
		t.Fatal(err)
	}
	return d.Identities
}

// linked links an identity of the provider to somebody's account.
func (p *program) linked(t testing.TB, who person, name string) identityNode {
	t.Helper()
	var d struct {
		LinkIdentity struct{ Identity identityNode }
	}
	in := vars("code", p.signInCode(t, name, "link"), "verifier", clientVerifier, "password", "a long passphrase of "+who.name)
	if err := p.gql(t.Context(), who.token, `mutation($i: LinkIdentityInput!) { linkIdentity(input: $i) { identity { id provider email linkedAt lastUsedAt } } }`,
		vars("i", in), &d); err != nil {
		t.Fatal(err)
	}
	return d.LinkIdentity.Identity
}

func TestSomebodySignsInByAProvider(t *testing.T) {
	t.Parallel()
	p, op := startSigningIn(t)
	root := p.register(t, "root")
	knows(op, "ada")
	knows(op, "bob")
	var told struct {
		SignInProviders []struct{ Name, Label, StartPath string }
	}
	if err := p.gql(t.Context(), "", `{ signInProviders { name label startPath } }`, nil, &told); err != nil || len(told.SignInProviders) != 1 ||
		told.SignInProviders[0].Label != "Corp" || told.SignInProviders[0].StartPath != "/auth/oidc/corp/start" {
		t.Fatalf("%+v %v", told, err)
	}
	ada, err := p.comeBy(t, p.signInCode(t, "ada", "sign-in"))
	if err != nil || ada.name != "ada" {
		t.Fatalf("%+v %v", ada, err)
	}
	again, err := p.comeBy(t, p.signInCode(t, "ada", "sign-in"))
	if err != nil || again.id != ada.id || again.token == ada.token {
		t.Fatalf("%+v %v", again, err)
	}
	var d struct{ RefreshToken struct{ AccessToken string } }
	if err := p.gql(t.Context(), "", `mutation($t: String!) { refreshToken(input: {refreshToken: $t}) { accessToken } }`, vars("t", again.refresh), &d); err != nil {
		t.Error(err)
	}
	room := p.group(t, root, ada)
	if _, err := p.send(t.Context(), ada, room, "hello", ""); err != nil {
		t.Error(err)
	}
	is := p.identities(t, ada)
	if len(is) != 1 || is[0].Provider != "corp" || is[0].Email != "ada@corp.example" || is[0].LastUsedAt == "" {
		t.Errorf("%+v", is)
	}
	// It is a node of its owner alone.
	for _, c := range []struct {
		who  person
		want string
	}{{ada, `"node":{"provider":"corp"}`}, {root, `"node":null`}} {
		if r := p.ask(t, c.who.token, `query($i: ID!) { node(id: $i) { ... on Identity { provider } } }`, vars("i", is[0].ID)); !strings.Contains(r.body, c.want) {
			t.Errorf("%s: %v", c.who.name, r)
		}
	}
	unlink := func(who person, id string) error {
		return p.gql(t.Context(), who.token, `mutation($i: ID!) { unlinkIdentity(input: {identityId: $i}) { ok } }`, vars("i", id), nil)
	}
	if err := unlink(root, is[0].ID); codeOf(err) != "NOT_FOUND" {
		t.Error(err)
	}
	if err := unlink(ada, is[0].ID); reasonOf(err) != "LAST_WAY_IN" {
		t.Error(err)
	}
	// A second identity, of an account with a password.
	second := p.linked(t, root, "bob")
	if in, err := p.comeBy(t, p.signInCode(t, "bob", "sign-in")); err != nil || in.id != root.id {
		t.Errorf("%+v %v", in, err)
	}
	if err := unlink(root, second.ID); err != nil {
		t.Error(err)
	}
	// Suspended, the account has no way in; its sessions have ended.
	if err := p.gql(t.Context(), root.token, `mutation($u: ID!) { suspendUser(input: {userId: $u}) { user { id } } }`, vars("u", ada.id), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.comeBy(t, p.signInCode(t, "ada", "sign-in")); reasonOf(err) != "SUSPENDED" {
		t.Error(err)
	}
	if err := p.gql(t.Context(), ada.token, `{ identities { id } }`, nil, nil); codeOf(err) != "UNAUTHENTICATED" {
		t.Error(err)
	}
	log, err := os.ReadFile(p.logFile())
	if err != nil || strings.Contains(string(log), "the client's secret") || strings.Contains(string(log), "sic_") || strings.Contains(string(log), "corp.example") {
		t.Errorf("the log has what it must not: %s %v", log, err)
	}
}

// reasonOf is the reason that an error has, else its code.
func reasonOf(err error) string {
	if e, ok := err.(*gqlError); ok && e.Extensions["reason"] != nil { //nolint:errorlint // As gql makes it.
		return e.Extensions["reason"].(string)
	}
	return codeOf(err)
}

// An address gets nobody into an account; linking does, by who is signed in.
func TestAnAddressIsLinkedByItsOwnerAlone(t *testing.T) {
	t.Parallel()
	p, op := startSigningIn(t)
	ada := p.register(t, "ada")
	op.Add(oidctest.User{Subject: "1", Username: "x", Email: "ADA@example.org", Verified: true})
	if in, err := p.comeBy(t, p.signInCode(t, "x", "sign-in")); reasonOf(err) != "LINK_REQUIRED" {
		t.Fatalf("%+v %v", in, err)
	}
	if n := len(p.identities(t, ada)); n != 0 {
		t.Errorf("%d identities", n)
	}
	code := p.signInCode(t, "x", "link")
	if in, err := p.comeBy(t, code); codeOf(err) != "UNAUTHENTICATED" {
		t.Errorf("a code to link signed in: %+v %v", in, err)
	}
	p.linked(t, ada, "x")
	if in, err := p.comeBy(t, p.signInCode(t, "x", "sign-in")); err != nil || in.id != ada.id {
		t.Errorf("%+v %v", in, err)
	}
	f := p.secure(t, ada)
	code = p.signInCode(t, "x", "sign-in")
	if _, err := p.comeBy(t, code); reasonOf(err) != "TOTP_REQUIRED" {
		t.Error(err)
	}
	if in, err := p.comeBy(t, code, "totp", f.recovery[0]); err != nil || in.id != ada.id {
		t.Errorf("%+v %v", in, err)
	}
	// A sign-in code is no token, and no token is a sign-in code.
	code = p.signInCode(t, "x", "sign-in")
	if r := p.ask(t, code, `{ identities { id } }`, nil); r.code() != "UNAUTHENTICATED" {
		t.Errorf("%v", r)
	}
	if status, _ := p.get(t, "/graphql?query={identities{id}}&access_token="+ada.token); status != http.StatusUnauthorized {
		t.Errorf("a token in the address counts: %d", status)
	}
	for _, token := range []string{ada.token, ada.refresh} {
		if _, err := p.comeBy(t, token); codeOf(err) != "UNAUTHENTICATED" {
			t.Error(err)
		}
	}
}

// A provider that is away stops neither the start nor anybody else, and is
// found when it is there.
func TestAProviderThatIsAwayKeepsNobodyElseOut(t *testing.T) {
	t.Parallel()
	op := oidctest.Start(t)
	knows(op, "ada")
	op.Pass(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !strings.HasPrefix(r.URL.Path, "/login") {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		next.ServeHTTP(w, r)
	})
	p := &program{dir: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t)}
	p.args = providerArgs(t, op, p.addr, unlimited...)
	p.start(t)
	t.Cleanup(p.kill)
	p.register(t, "root")
	start := p.url("/auth/oidc/corp/start?challenge=" + auth.ChallengeOf(clientVerifier))
	at, resp, err := oidctest.NewBrowser().Go(t.Context(), start)
	if err != nil || at == nil || at.String() != p.url("/?signInError=PROVIDER_UNAVAILABLE") {
		t.Fatalf("%v %v %v", at, resp, err)
	}
	op.Pass(nil)
	for range 200 { // it is asked again after some seconds
		if at, _, err = oidctest.NewBrowser().Go(t.Context(), start); err != nil || strings.HasPrefix(at.String(), op.Issuer) {
			break
		}
		pause(t.Context(), 100*time.Millisecond)
	}
	if _, err := p.comeBy(t, p.signInCode(t, "ada", "sign-in")); err != nil {
		t.Error(err)
	}
}

func TestProvidersAreCheckedWithTheConfiguration(t *testing.T) {
	t.Parallel()
	url, production := []string{"--public-url", "https://chat.example.org"}, []string{"CHATD_ENV=production", "CHATD_SECRET=" + goodSecret}
	for what, c := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"no JSON":             {nil, []string{"--oidc-providers", "corp"}, "--oidc-providers (CHATD_OIDC_PROVIDERS): must be a JSON list"},
		"a field that is not": {nil, []string{"--oidc-providers", `[{"name":"a","issuers":"x"}]`}, `there is no "issuers"`},
		"no client":           {nil, []string{"--oidc-providers", `[{"name":"a","issuer":"https://a.example"}]`}, "clientId is missing"},
		"a bad name":          {nil, []string{"--oidc-providers", `[{"name":"A B","issuer":"https://a.example","clientId":"x"}]`}, "a name is"},
		"one twice": {
			nil, []string{"--oidc-providers", `[{"name":"a","issuer":"https://a.example","clientId":"x"},{"name":"a","issuer":"https://b.example","clientId":"x"}]`}, "given twice",
		},
		"an issuer that is none": {nil, []string{"--oidc-providers", `[{"name":"a","issuer":"a.example","clientId":"x"}]`}, "issuer must be a URL"},
		"neither":                {nil, []string{"--oidc-providers", `[{"name":"a","clientId":"x"}]`}, "give issuer"},
		"both":                   {nil, []string{"--oidc-providers", `[{"name":"a","issuer":"https://a.example","tokenUrl":"https://a.example","clientId":"x"}]`}, "leave out"},
		"no public URL":          {nil, []string{"--oidc-providers", `[{"name":"a","issuer":"https://a.example","clientId":"x"}]`}, "--public-url"},
		"in the clear":           {production, append(url, "--oidc-providers", `[{"name":"a","issuer":"http://a.example","clientId":"x"}]`), "production uses https"},
		"a return URL that is none": {
			nil, []string{"--sign-in-return-urls", "https://app.example/done,example.org"}, `--sign-in-return-urls (CHATD_SIGN_IN_RETURN_URLS): "example.org"`,
		},
		"a return URL in the clear": {nil, []string{"--sign-in-return-urls", "http://app.example/done"}, "must be https"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if _, err := check(t, c.env, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("wanted a fault with %q, got %v", c.want, err)
			}
		})
	}
	file := settingsIn(t, `{"public-url": "https://chat.example.org", "sign-in-return-urls": ["https://app.example/done", "org.example.app:/done"],
		"oidc-providers": [{"name": "hub", "kind": "github", "clientId": "x", "clientSecret": "sesame"}, {"name": "a", "issuer": "https://a.example/", "clientId": "y", "clientSecret": "sesame"}]}`)
	out, err := check(t, production, "--config", file)
	if err != nil || strings.Contains(out, "sesame") || !strings.Contains(out, `"clientSecret":"***"`) || !strings.Contains(out, "https://a.example/") {
		t.Errorf("%s %v", out, err)
	}
	if _, err := check(t, nil, "--oidc-providers", `[{"name":"a","clientSecret":"sesame"`); err == nil || strings.Contains(err.Error(), "sesame") {
		t.Errorf("the secret is shown, or nothing is wrong: %v", err)
	}
	op := oidctest.Start(t)
	args := providerArgs(t, op, "127.0.0.1:1")
	var said strings.Builder
	if err := run(t.Context(), append([]string{"config", "check", "--data-dir", t.TempDir()}, args...), nil, &said); err != nil || !strings.Contains(said.String(), "oidc-providers: corp answers") {
		t.Errorf("%s %v", said.String(), err)
	}
	wrong := strings.ReplaceAll(strings.Join(args, "\x00"), op.Issuer, op.Issuer+"/realm")
	err = run(t.Context(), append([]string{"config", "check", "--data-dir", t.TempDir()}, strings.Split(wrong, "\x00")...), nil, &said)
	if err == nil || !strings.Contains(err.Error(), "check issuer") || strings.Contains(err.Error(), "client's secret") {
		t.Errorf("%v", err)
	}
}

// Whoever signed in by a provider does so after the server has moved up, and
// after a backup has been restored.
func TestIdentitiesGoAlong(t *testing.T) {
	t.Parallel()
	p, op := startSigningIn(t)
	knows(op, "ada")
	ada, err := p.comeBy(t, p.signInCode(t, "ada", "sign-in"))
	if err != nil {
		t.Fatal(err)
	}
	had := p.identities(t, ada)
	copied := filepath.Join(t.TempDir(), "backup")
	does(t, "backup", "--data-dir", p.dir, "--to", copied)
	p.kill()
	to := toPlace(t, false)
	does(t, to.moving(p.dir)...)
	for what, start := range map[string]func() *program{
		"on PostgreSQL": func() *program {
			q := &program{dir: p.dir, addr: p.addr} // which tokens name
			q.args = append(providerArgs(t, op, q.addr, unlimited...), to...)
			return q
		},
		"after a restore": func() *program {
			q := &program{dir: filepath.Join(t.TempDir(), "restored"), addr: p.addr}
			does(t, "restore", "--from", copied, "--data-dir", q.dir)
			q.args = providerArgs(t, op, q.addr, unlimited...)
			return q
		},
	} {
		q := start()
		q.start(t)
		t.Cleanup(q.kill)
		if got := q.identities(t, ada); !slices.Equal(got, had) {
			t.Errorf("%s: %+v, were %+v", what, got, had)
		}
		if in, err := q.comeBy(t, q.signInCode(t, "ada", "sign-in")); err != nil || in.id != ada.id {
			t.Errorf("%s: %+v %v", what, in, err)
		}
		q.kill()
	}
	if _, ok := ids.ParseIdentity(had[0].ID); !ok {
		t.Error(had)
	}
}

// chromiumSignIn signs in by a provider as a client's page does.
func (js nodeScripts) chromiumSignIn(t *testing.T) {
	t.Parallel()
	chromium := testenv.Tool(t, "chromium")
	p, op := startSigningIn(t)
	knows(op, "ada")
	s := js.start(t, "signin.mjs", p.url(""), chromium)
	s.tell("user", "ada", "password", oidctest.Password)
	s.until(func(w nodeWord) bool {
		if w.Faults == nil {
			return false
		}
		if w.Title != "ada" || len(*w.Faults) > 0 {
			t.Errorf("signed in: %q, faults: %q", w.Title, *w.Faults)
		}
		return true
	})
}
