package authoidc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authoidc"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/oidctest"
)

// hub is a server that speaks OAuth 2 as GitHub documents it
// (docs.github.com/apps/oauth-apps): numbers for users, addresses apart, form
// answers unless JSON is asked for, errors with the status 200.
type hub struct {
	url    string
	user   map[string]any
	emails []map[string]any
	mu     sync.Mutex
	codes  map[string]string // challenge by code
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{codes: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/login/oauth/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("client_id") != "hub-client" || q.Get("scope") != "read:user user:email" || q.Get("code_challenge_method") != "S256" {
			t.Errorf("%v", q)
		}
		h.mu.Lock()
		code := fmt.Sprint("code", len(h.codes))
		h.codes[code] = q.Get("code_challenge")
		h.mu.Unlock()
		http.Redirect(w, r, q.Get("redirect_uri")+"?code="+code+"&state="+q.Get("state"), http.StatusFound)
	})
	mux.HandleFunc("/login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		challenge := h.codes[r.PostFormValue("code")]
		h.codes[r.PostFormValue("code")] = "used"
		h.mu.Unlock()
		answer := url.Values{"access_token": {"gho_x"}, "token_type": {"bearer"}, "scope": {"read:user,user:email"}}
		if auth.ChallengeOf(r.PostFormValue("code_verifier")) != challenge || r.PostFormValue("client_secret") != "hub-secret" {
			answer = url.Values{"error": {"bad_verification_code"}}
		}
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
		_, _ = w.Write([]byte(answer.Encode()))
	})
	guarded := func(path string, what func() any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer gho_x" {
				http.Error(w, "Requires authentication", http.StatusUnauthorized)
				return
			}
			say(w, what())
		})
	}
	guarded("/user", func() any { return h.user })
	guarded("/user/emails", func() any { return h.emails })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

func (h *hub) providers(string) []authoidc.Provider {
	return []authoidc.Provider{{
		Name: "hub", Kind: authoidc.GitHub, ClientID: "hub-client", ClientSecret: "hub-secret",
		AuthorizeURL: h.url + "/login/oauth/authorize", TokenURL: h.url + "/login/oauth/access_token",
		UserinfoURL: h.url + "/user", EmailsURL: h.url + "/user/emails",
	}}
}

// come signs in by a provider that asks nothing.
func (r *rig) come(t *testing.T, provider string) (auth.SignIn, error) {
	t.Helper()
	b := oidctest.NewBrowser()
	answer, _, err := b.Go(t.Context(), r.begin(t, b, provider, nil).String())
	if err != nil {
		t.Fatal(err)
	}
	code, instead := r.end(t, b, answer.String())
	if code == "" {
		return auth.SignIn{}, errors.New(instead)
	}
	return r.exchange(t.Context(), code)
}

func TestSomebodySignsInByGitHub(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	// The public address in the profile counts for nothing: it may be any.
	h.user = map[string]any{"id": 9007199254740993, "login": "Octo-Cat", "name": nil, "email": "victim@example.org", "email_verified": true, "avatar_url": "http://127.0.0.1:1/"}
	email := func(address string, primary, verified bool) map[string]any {
		return map[string]any{"email": address, "primary": primary, "verified": verified, "visibility": nil}
	}
	r := setup(t, h.providers)
	for what, emails := range map[string][]map[string]any{
		"none": {}, "an unverified main one": {email("a@example.org", true, false), email("b@example.org", false, true)},
	} {
		h.emails = emails
		if _, err := r.come(t, "hub"); !errors.Is(err, auth.ErrNoVerifiedEmail) {
			t.Errorf("%s: %v", what, err)
		}
	}
	h.emails = []map[string]any{email("b@example.org", false, true), email("cat@example.org", true, true)}
	in, err := r.come(t, "hub")
	if err != nil || in.Account.Email != "cat@example.org" || in.Account.Username != "octo-cat" {
		t.Fatalf("%+v %v %s", in.Account, err, r.logged())
	}
	if i, err := r.Store.Identity(t.Context(), "https://github.com", "9007199254740993"); err != nil || i.User != in.Account.ID {
		t.Errorf("%+v %v", i, err)
	}
	h.user["login"], h.emails = "renamed", nil
	if again, err := r.come(t, "hub"); err != nil || again.Account.ID != in.Account.ID {
		t.Errorf("%+v %v", again.Account, err)
	}
	h.user["id"] = nil
	if _, err := r.come(t, "hub"); err == nil || err.Error() != "PROVIDER_FAILED" {
		t.Errorf("a user without a number: %v", err)
	}
}

func TestPlainOAuthIsReadByTheNamesOfItsConfiguration(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	r := setup(t, func(url string) []authoidc.Provider {
		p := h.providers(url)[0]
		p.Kind, p.EmailsURL, p.Name, p.ClientAuth, p.Scopes = "", "", "forge", "post", []string{"read:user", "user:email"}
		p.Claims = authoidc.Claims{Subject: "uid", Email: "mail", EmailVerified: "confirmed", Username: "nick", DisplayName: "called"}
		return []authoidc.Provider{p}
	})
	for _, c := range []struct {
		confirmed any
		want      error
	}{{nil, auth.ErrNoVerifiedEmail}, {false, auth.ErrNoVerifiedEmail}, {1, auth.ErrNoVerifiedEmail}, {"yes", auth.ErrNoVerifiedEmail}, {true, nil}} {
		h.user = map[string]any{"uid": "u1", "sub": "other", "mail": "m@example.org", "confirmed": c.confirmed, "nick": "nick", "called": "Called", "email_verified": true, "email": "x@example.org"}
		in, err := r.come(t, "forge")
		if !errors.Is(err, c.want) {
			t.Errorf("%v: %v", c.confirmed, err)
		}
		if err == nil && (in.Account.Email != "m@example.org" || in.Account.Username != "nick" || r.Profiles.Of(in.Account.ID).DisplayName != "Called") {
			t.Errorf("%+v", in.Account)
		}
	}
	if _, err := r.Store.Identity(t.Context(), h.url+"/user", "u1"); err != nil {
		t.Error(err)
	}
	for _, uid := range []any{nil, true, "", []any{"u1"}, strings.Repeat("u", 256)} {
		h.user["uid"] = uid
		if _, err := r.come(t, "forge"); err == nil || err.Error() != "PROVIDER_FAILED" {
			t.Errorf("%v: %v", uid, err)
		}
	}
}

// What a provider answers is bounded, and no redirect of it is followed.
func TestAProvidersAnswersAreBounded(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	canary := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { hits.Add(1); say(w, map[string]any{}) }))
	t.Cleanup(canary.Close)
	op, providers := real(t) // one for all: making its keys takes a while
	op.Add(ada)
	for what, path := range map[string]string{"discovery": "/.well-known/openid-configuration", "keys": "/keys", "token": "/oauth/token", "userinfo": "/userinfo"} {
		for how, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
			"endless": func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"x":"`))
				line := []byte(strings.Repeat("x", 1<<16))
				for r.Context().Err() == nil {
					if _, err := w.Write(line); err != nil {
						return
					}
				}
			},
			"a redirect": func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, canary.URL, http.StatusTemporaryRedirect)
			},
			"an error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
			"not JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
			"cut off": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte("{"))
				panic(http.ErrAbortHandler)
			},
		} {
			t.Run(what+" "+how, func(t *testing.T) {
				r := setup(t, providers)
				op.Pass(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					if r.URL.Path == path {
						answer(w, r)
						return
					}
					next.ServeHTTP(w, r)
				})
				b := oidctest.NewBrowser()
				at := r.begin(t, b, "corp", nil)
				if what == "discovery" {
					if at.Query().Get("signInError") != "PROVIDER_UNAVAILABLE" {
						t.Errorf("%s", at)
					}
					return
				}
				to, err := b.SignIn(t.Context(), at, "ada")
				if err != nil {
					t.Fatal(err)
				}
				if code, why := r.end(t, b, to.String()); code != "" || why != "PROVIDER_FAILED" {
					t.Errorf("%q %q", code, why)
				}
			})
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// Many who come while a provider is away ask it once in a while, not each.
func TestADeadProviderIsAskedSeldomAndFoundAgain(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	r := setup(t, providers)
	op.Pass(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, "down", http.StatusServiceUnavailable)
	})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			at, _, err := oidctest.NewBrowser().Go(t.Context(), r.url+"/auth/oidc/corp/start?challenge="+auth.ChallengeOf(verifier))
			if err != nil || at == nil || at.Query().Get("signInError") != "PROVIDER_UNAVAILABLE" {
				t.Error(at, err)
			}
		})
	}
	wg.Wait()
	if n := op.Seen("/.well-known/openid-configuration"); n == 0 || n > 25 {
		t.Errorf("asked %d times for 50", n)
	}
}

// The cookie is bound to the host and to TLS where browsers come by TLS.
func TestTheCookieIsTheHostsOwnUnderTLS(t *testing.T) {
	t.Parallel()
	ring, err := keys.Open("", strings.Repeat("s", keys.MinSecret))
	if err != nil {
		t.Fatal(err)
	}
	list, err := authoidc.Parse(`[{"name":"hub","kind":"github","clientId":"x"}]`)
	if err != nil {
		t.Fatal(err)
	}
	r := setup(t, func(string) []authoidc.Provider { return []authoidc.Provider{} })
	face := authoidc.New(authoidc.Deps{SignIns: r.Service, Ring: ring, Log: zerolog.Nop()}, authoidc.Config{PublicURL: "https://chat.example.org/", Providers: list})
	w := httptest.NewRecorder()
	face.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/auth/oidc/hub/start?challenge="+auth.ChallengeOf(verifier), nil))
	c := w.Result().Cookies()
	if len(c) != 1 || c[0].Name != "__Host-chatd_sign_in" || !c[0].Secure || !c[0].HttpOnly || c[0].Path != "/" || c[0].Domain != "" {
		t.Errorf("%+v", c)
	}
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || to.Host != "github.com" || to.Query().Get("redirect_uri") != "https://chat.example.org/auth/oidc/hub/callback" {
		t.Errorf("%v %v", to, err)
	}
	for _, forged := range []string{"chatd_sign_in", "__host-chatd_sign_in", "__Host-chatd_sign_in; x"} {
		back := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/auth/oidc/hub/callback?code=x&state="+to.Query().Get("state"), nil)
		back.Header.Set("Cookie", forged+"="+c[0].Value)
		w = httptest.NewRecorder()
		if face.ServeHTTP(w, back); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", forged, w.Code, w.Header())
		}
	}
}

func TestNoWayOfPrintingAProviderShowsItsSecret(t *testing.T) {
	t.Parallel()
	list, err := authoidc.Parse(`[{"name":"a","issuer":"https://a.example","clientId":"x","clientSecret":"sesame"}]`)
	if err != nil || list[0].ClientSecret.Reveal() != "sesame" {
		t.Fatal(list, err)
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{
		string(text), list.String(), fmt.Sprint(list), fmt.Sprintf("%v %+v %#v %s %q", list, list, list, list, list), fmt.Sprintf("%+v %#v", list[0], list[0]), fmt.Sprintf("%x", list),
	} {
		if strings.Contains(printed, "sesame") || strings.Contains(printed, "736573616d65") {
			t.Error(printed)
		}
	}
	for _, bad := range []string{`[{"clientSecret":"sesame"}]`, `[{"clientSecret":"sesame`, `[{"name":"a","clientSecret":["sesame"]}]`, `{"sesame":1}`, `"sesame"`, `[] sesame`} {
		if _, err := authoidc.Parse(bad); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// The budget of a network counts at each step, so that nobody has the server
// ask a provider without end.
func TestSignInsByProvidersAreThrottled(t *testing.T) {
	t.Parallel()
	_, providers := real(t)
	r := setup(t, providers, func(d *auth.Deps, c *auth.Config) {
		authtest.WithLimits(d, c)
		c.Rates.Provider.Burst, c.Rates.Provider.Per = 3, time.Hour
	})
	var codes []int
	for range 5 {
		_, resp, err := oidctest.NewBrowser().Go(t.Context(), r.url+"/auth/oidc/corp/start?challenge="+auth.ChallengeOf(verifier))
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, resp.StatusCode)
	}
	if fmt.Sprint(codes) != "[303 303 303 429 429]" {
		t.Error(codes)
	}
	if _, err := r.exchange(t.Context(), "sic_x"); !errors.Is(err, auth.ErrTooMany) {
		t.Error(err)
	}
}
