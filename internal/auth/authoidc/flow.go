package authoidc

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"chatd/internal/auth"
	"chatd/internal/platform/keys"
)

const (
	flowLife   = 10 * time.Minute
	sealedFlow = "auth/oidc flow"
	maxFlow    = 4 << 10
)

// flow is one sign-in between its start and the provider's answer. It is kept
// by the browser, sealed.
type flow struct {
	Provider  string
	State     string
	Nonce     string
	Verifier  string // of PKCE with the provider
	Return    string
	Challenge string // of the client, see auth.ChallengeOf
	Intent    auth.Intent
	Ends      time.Time
}

func newFlow(provider, to, challenge string, intent auth.Intent, now time.Time) flow {
	return flow{
		Provider: provider, State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(),
		Return: to, Challenge: challenge, Intent: intent, Ends: now.Add(flowLife),
	}
}

// jar keeps the flow in a cookie of the browser. There is one: a second
// sign-in that is begun takes the place of the first.
type jar struct {
	ring   *keys.Ring
	secure bool // browsers come by TLS
}

// name binds the cookie to this host and to TLS where there is TLS
// (RFC 6265bis section 4.1.3.2).
func (j jar) name() string {
	if j.secure {
		return "__Host-chatd_sign_in"
	}
	return "chatd_sign_in"
}

func (j jar) cookie(value string, age int) *http.Cookie {
	// Lax: the provider's answer is a navigation from another site.
	return &http.Cookie{Name: j.name(), Value: value, Path: "/", MaxAge: age, Secure: j.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode} //nolint:gosec // Secure wherever there is TLS.
}

func (j jar) put(w http.ResponseWriter, f flow) {
	text, _ := json.Marshal(f) // strings and a time only
	sealed := base64.RawURLEncoding.EncodeToString(j.ring.Seal(sealedFlow, text))
	http.SetCookie(w, j.cookie(sealed, int(flowLife/time.Second)))
}

func (j jar) drop(w http.ResponseWriter) { http.SetCookie(w, j.cookie("", -1)) }

// take returns the flow of a browser; false when there is none that is good.
func (j jar) take(r *http.Request, now time.Time) (flow, bool) {
	var f flow
	given := r.CookiesNamed(j.name())
	if len(given) != 1 || len(given[0].Value) > maxFlow {
		return f, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(given[0].Value)
	if err != nil {
		return f, false
	}
	text, err := j.ring.Unseal(sealedFlow, sealed)
	if err != nil || json.Unmarshal(text, &f) != nil || !now.Before(f.Ends) {
		return flow{}, false
	}
	return f, true
}
