package authoidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatd/internal/auth/authoidc"
	"chatd/internal/platform/oidctest"
)

// evil is a provider that says what a test has it say; the one that keeps the
// rules is oidctest's. It signs whoever comes in without asking.
type evil struct {
	url  string
	key  *rsa.PrivateKey
	mu   sync.Mutex
	seen map[string]string // challenge and nonce, by code

	header   map[string]any // of ID tokens
	claims   map[string]any // over the right ones; nil values are left out
	userinfo map[string]any
	answer   map[string]string // parameters of the answer, over the right ones; empty ones are left out
	document map[string]any    // over the discovery document
	forge    func(right string) string
	code     string // given instead of a fresh one
}

var evilKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newEvil(t *testing.T) *evil {
	t.Helper()
	key, err := evilKey()
	if err != nil {
		t.Fatal(err)
	}
	e := &evil{key: key, seen: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		d := map[string]any{
			"issuer": e.url, "authorization_endpoint": e.url + "/auth", "token_endpoint": e.url + "/token",
			"jwks_uri": e.url + "/keys", "userinfo_endpoint": e.url + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256"},
		}
		maps.Copy(d, e.document)
		say(w, d)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		n := base64.RawURLEncoding.EncodeToString(key.N.Bytes())
		exp := base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())
		say(w, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": n, "e": exp}}})
	})
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, _ *http.Request) { say(w, e.userinfo) })
	mux.HandleFunc("/auth", e.authorize)
	mux.HandleFunc("/token", e.token)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

func say(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what)
}

func (e *evil) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	code := rand.Text()
	e.mu.Lock()
	e.seen[code] = q.Get("code_challenge") + " " + q.Get("nonce")
	e.mu.Unlock()
	if e.code != "" {
		code = e.code
	}
	back := map[string]string{"state": q.Get("state"), "code": code}
	maps.Copy(back, e.answer)
	to := q.Get("redirect_uri") + "?"
	for k, v := range back {
		if v != "" {
			to += k + "=" + v + "&"
		}
	}
	http.Redirect(w, r, strings.TrimSuffix(to, "&"), http.StatusFound)
}

func (e *evil) token(w http.ResponseWriter, r *http.Request) {
	code := r.PostFormValue("code")
	e.mu.Lock()
	_, nonce, _ := strings.Cut(e.seen[code], " ")
	delete(e.seen, code)
	e.mu.Unlock()
	now := time.Now()
	c := jwt.MapClaims{
		"iss": e.url, "aud": "chatd", "sub": "s", "nonce": nonce, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"email": "s@example.org", "email_verified": true,
	}
	for k, v := range e.claims {
		if v == nil {
			delete(c, k)
			continue
		}
		c[k] = v
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, c)
	t.Header["kid"] = "1"
	maps.Copy(t.Header, e.header)
	signed, err := t.SignedString(e.key)
	if err != nil {
		panic(err)
	}
	if e.forge != nil {
		signed = e.forge(signed)
	}
	say(w, map[string]any{"access_token": "access", "token_type": "Bearer", "id_token": signed})
}

func (e *evil) providers(string) []authoidc.Provider {
	return []authoidc.Provider{{Name: "corp", Issuer: e.url, ClientID: "chatd", ClientSecret: "secret"}}
}

// signIn goes the whole way.
func (e *evil) signIn(t *testing.T, r *rig, b *oidctest.Browser) (code, instead string) {
	t.Helper()
	to := r.begin(t, b, "corp", nil)
	if why := to.Query().Get("signInError"); why != "" {
		return "", why
	}
	answer, resp, err := b.Go(t.Context(), to.String())
	if err != nil || answer == nil {
		t.Fatal(resp, err)
	}
	return r.end(t, b, answer.String())
}
