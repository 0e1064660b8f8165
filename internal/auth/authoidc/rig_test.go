package authoidc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authoidc"
	"chatd/internal/auth/authsql"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/oidctest"
	"chatd/internal/platform/sqldb"
	"chatd/migrations"
)

// verifier is what a client of the tests keeps.
const verifier = "a verifier that only the client has, of forty-three"

// rig is a server that signs in by providers.
type rig struct {
	*authtest.House
	url string

	mu  sync.Mutex
	log bytes.Buffer
}

func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *rig) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// setup starts a rig; providers returns the configuration for its URL.
func setup(t *testing.T, providers func(url string) []authoidc.Provider, config ...authtest.Setup) *rig {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{Path: t.TempDir() + "/auth.db", Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), "auth", migrations.FS("auth")); err != nil {
		t.Fatal(err)
	}
	r := &rig{House: authtest.New(t, authsql.New(db), config...)}
	ring, err := keys.Open("", authtest.Secret)
	if err != nil {
		t.Fatal(err)
	}
	var face *authoidc.Face
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { face.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	r.url = server.URL
	text, err := json.Marshal(unmasked(providers(r.url)))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := authoidc.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	face = authoidc.New(authoidc.Deps{SignIns: r.Service, Ring: ring, Log: zerolog.New(r)}, authoidc.Config{
		PublicURL: r.url, Providers: parsed, Now: r.Clock.Now, ReturnURLs: []string{"org.example.app:/signed-in"},
	})
	return r
}

// unmasked is a configuration as an operator writes it.
func unmasked(list []authoidc.Provider) []map[string]any {
	out := make([]map[string]any, len(list))
	for i, p := range list {
		text, _ := json.Marshal(p)
		_ = json.Unmarshal(text, &out[i])
		if p.ClientSecret != "" {
			out[i]["clientSecret"] = p.ClientSecret.Reveal()
		}
	}
	return out
}

// real starts a real provider, with the client of a rig.
func real(t *testing.T) (*oidctest.Provider, func(url string) []authoidc.Provider) {
	t.Helper()
	op := oidctest.Start(t)
	return op, func(url string) []authoidc.Provider { return []authoidc.Provider{registered(op, "corp", url)} }
}

func registered(op *oidctest.Provider, name, url string) authoidc.Provider {
	op.Register("chatd", "the client's secret", url+authoidc.Path+name+"/callback")
	return authoidc.Provider{Name: name, Issuer: op.Issuer, ClientID: "chatd", ClientSecret: "the client's secret"}
}

var ada = oidctest.User{Subject: "s-ada", Username: "ada", First: "Ada", Last: "Lovelace", Email: "ada@example.org", Verified: true}

// begin opens the start address and returns where it leads.
func (r *rig) begin(t *testing.T, b *oidctest.Browser, provider string, more url.Values) *url.URL {
	t.Helper()
	q := url.Values{"challenge": {auth.ChallengeOf(verifier)}}
	maps.Copy(q, more)
	at, resp, err := b.Go(t.Context(), r.url+authoidc.Path+provider+"/start?"+q.Encode())
	if err != nil || at == nil {
		t.Fatal("the start leads nowhere: ", resp, err)
	}
	return at
}

// proved goes all the way to the provider's answer.
func (r *rig) proved(t *testing.T, b *oidctest.Browser, user string, more url.Values) *url.URL {
	t.Helper()
	answer, err := b.SignIn(t.Context(), r.begin(t, b, "corp", more), user)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// end brings an answer back and returns the code, or what instead there is.
func (r *rig) end(t *testing.T, b *oidctest.Browser, answer string) (code, instead string) {
	t.Helper()
	to, resp, err := b.Go(t.Context(), answer)
	switch {
	case err != nil:
		t.Fatal(err)
	case to == nil:
		var body struct {
			Errors []struct{ Extensions struct{ Field string } }
		}
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || len(body.Errors) != 1 {
			t.Fatal(resp.Status, err)
		}
		return "", body.Errors[0].Extensions.Field
	case !strings.HasPrefix(to.String(), r.url+"/"):
		t.Fatalf("sent to %s", to)
	}
	return to.Query().Get("signInCode"), to.Query().Get("signInError")
}

// code signs somebody in at the provider, for a code.
func (r *rig) code(t *testing.T, user string, more url.Values) string {
	t.Helper()
	b := oidctest.NewBrowser()
	code, instead := r.end(t, b, r.proved(t, b, user, more).String())
	if code == "" {
		t.Fatalf("%s: %s", instead, r.logged())
	}
	return code
}

func (r *rig) exchange(ctx context.Context, code string) (auth.SignIn, error) {
	return r.ExchangeSignInCode(ctx, auth.ExchangeInput{Code: code, Verifier: verifier})
}

var toLink = url.Values{"intent": {"link"}}
