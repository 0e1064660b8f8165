package auth_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/limit"
)

var b64 = base64.RawURLEncoding

// forge signs any header and claims with any key.
func forge(t *testing.T, header, claims map[string]any, sign func(text string) []byte) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b64.EncodeToString(b)
	}
	text := part(header) + "." + part(claims)
	return text + "." + b64.EncodeToString(sign(text))
}

func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	h := setup(t)
	in := h.Register(t)
	kid, raw := h.SigningKey()
	private := ed25519.PrivateKey(raw)
	public := private.Public().(ed25519.PublicKey)
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	strangerJWK := map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64.EncodeToString(stranger.Public().(ed25519.PublicKey))}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}

	ours := func(text string) []byte { return ed25519.Sign(private, []byte(text)) }
	theirs := func(text string) []byte { return ed25519.Sign(stranger, []byte(text)) }
	none := func(string) []byte { return nil }
	mac := func(text string) []byte {
		m := hmac.New(sha256.New, public)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	now := h.Clock.Now().Unix()
	header := map[string]any{"alg": "EdDSA", "typ": "at+jwt", "kid": kid.String()}
	claims := map[string]any{
		"sub": in.Account.ID.String(), "sid": in.Session.ID.String(), "role": "ADMIN",
		"iss": "chatd", "aud": "chatd", "iat": now, "exp": now + 600,
	}
	with := func(m map[string]any, kv ...any) map[string]any {
		m = maps.Clone(m)
		for i := 0; i < len(kv); i += 2 {
			if m[kv[i].(string)] = kv[i+1]; kv[i+1] == nil {
				delete(m, kv[i].(string))
			}
		}
		return m
	}
	if _, err := h.Authenticate(t.Context(), forge(t, header, claims, ours)); err != nil {
		t.Fatalf("a token as ours: %v", err)
	}

	parts := strings.Split(in.AccessToken, ".")
	tampered := strings.Replace(string(must(b64.DecodeString(parts[1]))), "ADMIN", "OWNER", 1)
	flipped := must(b64.DecodeString(parts[2]))
	flipped[3] ^= 1
	rs := func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		return must(rsa.SignPKCS1v15(rand.Reader, rsaKey, crypto.SHA256, sum[:]))
	}
	other := setup(t).Register(t)
	for name, token := range map[string]string{
		"empty":                    "",
		"two parts":                parts[0] + "." + parts[1],
		"four parts":               in.AccessToken + "." + parts[2],
		"without its signature":    parts[0] + "." + parts[1] + ".",
		"changed claims":           parts[0] + "." + b64.EncodeToString([]byte(tampered)) + "." + parts[2],
		"changed signature":        parts[0] + "." + parts[1] + "." + b64.EncodeToString(flipped),
		"padded":                   in.AccessToken + "==",
		"alg none":                 forge(t, with(header, "alg", "none"), claims, none),
		"alg nOnE":                 forge(t, with(header, "alg", "nOnE"), claims, none),
		"no alg":                   forge(t, with(header, "alg", nil), claims, ours),
		"HMAC with the public key": forge(t, with(header, "alg", "HS256"), claims, mac),
		"RSA":                      forge(t, with(header, "alg", "RS256"), claims, rs),
		"another key":              forge(t, header, claims, theirs),
		"unknown kid":              forge(t, with(header, "kid", ids.New[ids.Key]().String()), claims, theirs),
		"kid is a path":            forge(t, with(header, "kid", "../../dev/null"), claims, theirs),
		"kid is a number":          forge(t, with(header, "kid", 1), claims, ours),
		"no kid":                   forge(t, with(header, "kid", nil), claims, ours),
		"key in the header":        forge(t, with(header, "jwk", strangerJWK), claims, theirs),
		"key by address":           forge(t, with(header, "jku", "http://127.0.0.1:1/jwks", "kid", "x"), claims, theirs),
		"critical extension":       forge(t, with(header, "crit", []string{"b64"}, "b64", false), claims, ours),
		"typ JWT":                  forge(t, with(header, "typ", "JWT"), claims, ours),
		"no typ":                   forge(t, with(header, "typ", nil), claims, ours),
		"another issuer":           forge(t, header, with(claims, "iss", "https://chat.example.org"), ours),
		"no issuer":                forge(t, header, with(claims, "iss", nil), ours),
		"another audience":         forge(t, header, with(claims, "aud", "upload"), ours),
		"no audience":              forge(t, header, with(claims, "aud", nil), ours),
		"expired":                  forge(t, header, with(claims, "exp", now-1), ours),
		"no end":                   forge(t, header, with(claims, "exp", nil), ours),
		"from the future":          forge(t, header, with(claims, "iat", now+120), ours),
		"not yet":                  forge(t, header, with(claims, "nbf", now+120), ours),
		"no iat":                   forge(t, header, with(claims, "iat", nil), ours),
		"another subject":          forge(t, header, with(claims, "sub", ids.New[ids.User]().String()), ours),
		"no session":               forge(t, header, with(claims, "sid", nil), ours),
		"unknown session":          forge(t, header, with(claims, "sid", ids.New[ids.Session]().String()), ours),
		"session is a user":        forge(t, header, with(claims, "sid", in.Account.ID.String()), ours),
		"refresh token":            in.RefreshToken,
		"another server's":         other.AccessToken,
	} {
		if _, err := h.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrBadToken) || errs.KindOf(err) != errs.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.Caller(t, in)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestATokenOfAnotherIssuerWithTheSameKeysIsRefused(t *testing.T) {
	t.Parallel()
	h := setup(t)
	in := h.Register(t)
	other := authtest.New(t, h.Store, config(func(c *auth.Config) { c.Issuer = "https://other.example.org" }))
	if _, err := other.Authenticate(t.Context(), in.AccessToken); !errors.Is(err, auth.ErrBadToken) {
		t.Fatal(err)
	}
}

func TestHugeTokensAreRefusedUnread(t *testing.T) { // not at once with others: it counts allocations
	h := setup(t)
	for _, bomb := range []string{strings.Repeat(".", 1<<20), strings.Repeat("e30.", 1<<18), strings.Repeat("A", 1<<20)} {
		allocs := testing.AllocsPerRun(10, func() {
			if _, err := h.Authenticate(context.Background(), bomb); !errors.Is(err, auth.ErrBadToken) {
				t.Error(err)
			}
		})
		if allocs > 2 {
			t.Errorf("%v allocations", allocs)
		}
	}
}

func TestATokenEndsToTheSecondAndTheRoleIsTheAccounts(t *testing.T) {
	t.Parallel()
	h := setup(t)
	in := h.Register(t)
	if d := in.AccessTokenExpires.Sub(h.Clock.Now()); d > 15*time.Minute || d < 15*time.Minute-2*time.Second {
		t.Fatalf("good for %v", d)
	}
	p := h.Caller(t, in)
	if !p.Expires.Equal(in.AccessTokenExpires) {
		t.Fatalf("%v is not %v", p.Expires, in.AccessTokenExpires)
	}
	h.Clock.Add(in.AccessTokenExpires.Sub(h.Clock.Now()))
	if _, err := h.Authenticate(t.Context(), in.AccessToken); !errors.Is(err, auth.ErrBadToken) {
		t.Fatalf("a remembered token at its end: %v", err)
	}
	if _, err := authtest.New(t, h.Store, func(_ *auth.Deps, c *auth.Config) { c.Now = h.Clock.Now }).
		Authenticate(t.Context(), in.AccessToken); !errors.Is(err, auth.ErrBadToken) {
		t.Fatalf("a new token at its end: %v", err)
	}
}

func TestKeysRotateWithoutSignOuts(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		in := h.Register(t)
		first, _ := h.SigningKey()
		other := authtest.New(t, h.Store, func(_ *auth.Deps, c *auth.Config) { c.Now = h.Clock.Now })

		h.Clock.Add(30*24*time.Hour - 14*time.Minute)
		if err := h.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if now, _ := h.SigningKey(); now != first || strings.Count(string(h.Signers().JWKS()), `"kid"`) != 2 {
			t.Fatalf("a new key signs before it was announced: %s", h.Signers().JWKS())
		}
		h.Clock.Add(14 * time.Minute)
		in = h.Login(t, in.Account)
		h.Clock.Add(time.Minute)
		if now, _ := h.SigningKey(); now == first {
			t.Fatal("the old key still signs")
		}
		h.Caller(t, in)
		next := h.Login(t, in.Account)
		if _, err := other.Authenticate(t.Context(), next.AccessToken); err != nil {
			t.Fatalf("on a node that did not know the key: %v", err)
		}
		h.Clock.Add(20 * time.Minute)
		if err := h.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if doc := string(h.Signers().JWKS()); strings.Contains(doc, first.String()) || strings.Count(doc, `"kid"`) != 1 {
			t.Fatalf("the old key is still there: %s", doc)
		}
		refresh(t, h, next.RefreshToken)
	})
}

func TestTheJWKSVerifiesTokens(t *testing.T) {
	t.Parallel()
	h := setup(t)
	in := h.Register(t)
	w := httptest.NewRecorder()
	h.Signers().ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	var doc struct{ Keys []map[string]string }
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || len(doc.Keys) != 1 || len(doc.Keys[0]) != 6 {
		t.Fatalf("%s %v", w.Body, err)
	}
	k := doc.Keys[0]
	var claims jwt.MapClaims
	token, err := jwt.ParseWithClaims(in.AccessToken, &claims, func(*jwt.Token) (any, error) {
		return ed25519.PublicKey(must(b64.DecodeString(k["x"]))), nil
	})
	if err != nil || token.Header["kid"] != k["kid"] || k["alg"] != "EdDSA" || k["crv"] != "Ed25519" {
		t.Fatal(err, k)
	}
	for _, name := range []string{"sub", "sid", "role", "iat", "exp", "iss", "aud"} {
		if claims[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	if claims["role"] != "ADMIN" || claims["sid"] != in.Session.ID.String() {
		t.Errorf("%v", claims)
	}
}

func TestKeysOfAnotherSecretAreAnErrorAtStart(t *testing.T) {
	t.Parallel()
	h := setup(t)
	ring, err := keys.Open("", strings.Repeat("x", 32))
	if err != nil {
		t.Fatal(err)
	}
	other := auth.New(auth.Deps{
		Accounts: h.Store, Sessions: h.Store, Keys: h.Store, Changes: h.Store, Profiles: h.Profiles,
		Ring: ring, Limiter: limit.Off{}, Log: zerolog.Nop(),
	}, auth.Config{})
	if err := other.Start(t.Context()); !errors.Is(err, keys.ErrUnseal) || !strings.Contains(err.Error(), "CHATD_SECRET") {
		t.Fatal(err)
	}
}

func FuzzAuthenticate(f *testing.F) {
	h := house(f)
	in, err := h.Service.Register(f.Context(), authtest.Input())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(in.AccessToken)
	p, err := h.Authenticate(f.Context(), in.AccessToken)
	if err != nil {
		f.Fatal(err)
	}
	_, token := personal(f, h, p, readWrite)
	f.Add(token)
	f.Add(token[:40])
	f.Add("")
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6IngifQ.e30.AA")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := h.Authenticate(context.Background(), text)
		if text != in.AccessToken && text != token && !errors.Is(err, auth.ErrBadToken) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// BenchmarkAuthenticateCached stands for what every request and every socket's
// operation pays.
func BenchmarkAuthenticateCached(b *testing.B) {
	h := house(b, config(func(c *auth.Config) { c.Now = nil }))
	in, err := h.Service.Register(b.Context(), authtest.Input())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go func() { _ = h.Run(ctx) }()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Authenticate(ctx, in.AccessToken); err != nil {
			b.Fatal(err)
		}
	}
}
