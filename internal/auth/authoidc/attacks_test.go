package authoidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authoidc"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/oidctest"
)

// nobody fails when anybody has got in.
func (r *rig) nobody(t *testing.T) {
	t.Helper()
	if list, err := r.Accounts(t.Context(), "", 10); err != nil || len(list) != 0 {
		t.Errorf("somebody got in: %+v %v", list, err)
	}
}

func change(answer *url.URL, parameter, value string) string {
	u := *answer
	q := u.Query()
	q.Set(parameter, value)
	if value == "" {
		q.Del(parameter)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// The answer of a real provider, changed or in another browser.
func TestAnAnswerCountsInTheBrowserThatAskedAndOnce(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	op.Add(ada)
	r := setup(t, providers)
	for what, attack := range map[string]func(b *oidctest.Browser, answer *url.URL) (string, string){
		"no state":      func(b *oidctest.Browser, a *url.URL) (string, string) { return r.end(t, b, change(a, "state", "")) },
		"another state": func(b *oidctest.Browser, a *url.URL) (string, string) { return r.end(t, b, change(a, "state", "x")) },
		"two states":    func(b *oidctest.Browser, a *url.URL) (string, string) { return r.end(t, b, a.String()+"&state=x") },
		"another browser": func(_ *oidctest.Browser, a *url.URL) (string, string) {
			return r.end(t, oidctest.NewBrowser(), a.String())
		},
		"another browser, which began one too": func(_ *oidctest.Browser, a *url.URL) (string, string) {
			other := oidctest.NewBrowser()
			r.begin(t, other, "corp", nil)
			return r.end(t, other, a.String())
		},
		"another sign-in of the same browser": func(b *oidctest.Browser, a *url.URL) (string, string) {
			r.begin(t, b, "corp", nil)
			return r.end(t, b, a.String())
		},
		"a long time": func(b *oidctest.Browser, a *url.URL) (string, string) {
			r.Clock.Add(11 * time.Minute)
			return r.end(t, b, a.String())
		},
		"a cookie of the browser's own making": func(_ *oidctest.Browser, a *url.URL) (string, string) {
			other, at := oidctest.NewBrowser(), must(url.Parse(r.url))
			forged := base64.RawURLEncoding.EncodeToString([]byte(`{"Provider":"corp","State":"` + a.Query().Get("state") + `","Ends":"2099-01-01T00:00:00Z"}`))
			other.Jar.SetCookies(at, []*http.Cookie{{Name: "chatd_sign_in", Value: forged, Path: "/"}})
			return r.end(t, other, a.String())
		},
		"another provider's address": func(b *oidctest.Browser, a *url.URL) (string, string) {
			return r.end(t, b, strings.Replace(a.String(), "/corp/", "/other/", 1))
		},
	} {
		b := oidctest.NewBrowser()
		if code, why := attack(b, r.proved(t, b, "ada", nil)); code != "" || why != "state" {
			t.Errorf("%s: %q %q", what, code, why)
		}
	}
	for what, parameters := range map[string]map[string]string{
		"no code":           {"code": ""},
		"another code":      {"code": "guessed"},
		"another's iss":     {"iss": "https://evil.example"},
		"an error":          {"error": "server_error"},
		"a code and no one": {"error": "access_denied"},
	} {
		b := oidctest.NewBrowser()
		answer := r.proved(t, b, "ada", nil)
		for k, v := range parameters {
			answer = must(url.Parse(change(answer, k, v)))
		}
		want := "PROVIDER_FAILED"
		if parameters["error"] == "access_denied" {
			want = "ACCESS_DENIED"
		}
		if code, why := r.end(t, b, answer.String()); code != "" || why != want {
			t.Errorf("%s: %q %q", what, code, why)
		}
	}
	// One answer twice, by a browser that keeps the cookie.
	b := oidctest.NewBrowser()
	answer := r.proved(t, b, "ada", nil)
	kept := b.Jar.Cookies(answer)
	if code, why := r.end(t, b, answer.String()); code == "" {
		t.Fatal(why)
	}
	if left := b.Jar.Cookies(answer); len(left) != 0 {
		t.Errorf("the cookie stays: %v", left)
	}
	b.Jar.SetCookies(answer, kept)
	if code, why := r.end(t, b, answer.String()); code != "" {
		t.Errorf("an answer counted twice: %q", why)
	}
	r.nobody(t)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A provider that would sign the same flow in twice finds that its state is
// spent.
func TestAStateGivesOneCode(t *testing.T) {
	t.Parallel()
	e := newEvil(t)
	r := setup(t, e.providers)
	b := oidctest.NewBrowser()
	at := r.begin(t, b, "corp", nil)
	kept := b.Jar.Cookies(must(url.Parse(r.url)))
	var codes int
	for range 3 { // the provider gives a fresh code each time
		answer, _, err := b.Go(t.Context(), at.String())
		if err != nil {
			t.Fatal(err)
		}
		b.Jar, _ = cookiejar.New(nil)
		b.Jar.SetCookies(answer, kept)
		code, why := r.end(t, b, answer.String())
		if code != "" {
			codes++
			if _, err := r.exchange(t.Context(), code); err != nil {
				t.Error(err)
			}
		} else if why != "state" {
			t.Error(why)
		}
	}
	if codes != 1 {
		t.Errorf("%d codes of one state", codes)
	}
}

// A sign-in that begins at one node ends at another, and at one of them.
func TestAnyNodeEndsWhatAnotherBegan(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	op.Add(ada)
	r := setup(t, providers)
	second := authtest.New(t, r.Store)
	list, err := authoidc.Parse(string(must(json.Marshal(unmasked(providers(r.url))))))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.Open("", authtest.Secret)
	if err != nil {
		t.Fatal(err)
	}
	node := httptest.NewServer(authoidc.New(authoidc.Deps{SignIns: second.Service, Ring: ring, Log: zerolog.New(r)},
		authoidc.Config{PublicURL: r.url, Providers: list, Now: r.Clock.Now}))
	t.Cleanup(node.Close)
	b := oidctest.NewBrowser()
	answer := r.proved(t, b, "ada", nil)
	kept := b.Jar.Cookies(answer) // a jar knows no ports
	code, why := r.end(t, b, strings.Replace(answer.String(), r.url, node.URL, 1))
	if code == "" {
		t.Fatal(why, r.logged())
	}
	b.Jar.SetCookies(answer, kept)
	if code, _ := r.end(t, b, answer.String()); code != "" {
		t.Error("the answer counted at both nodes")
	}
	var in atomic.Int32
	var tries sync.WaitGroup
	for _, s := range []*auth.Service{r.Service, second.Service} {
		for range 5 {
			tries.Go(func() {
				if _, err := s.ExchangeSignInCode(t.Context(), auth.ExchangeInput{Code: code, Verifier: verifier}); err == nil {
					in.Add(1)
				}
			})
		}
	}
	tries.Wait()
	if in.Load() != 1 {
		t.Errorf("%d sign-ins by one code", in.Load())
	}
}

// The provider checks PKCE: a code that was given for one browser's challenge
// is nothing with another's verifier.
func TestACodeInjectedIntoAnotherFlowIsRefused(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	op.Add(ada)
	r := setup(t, providers)
	victim, attacker := oidctest.NewBrowser(), oidctest.NewBrowser()
	stolen := r.proved(t, victim, "ada", nil).Query().Get("code")
	op.Add(oidctest.User{Subject: "m", Username: "mallory", Email: "m@example.org", Verified: true})
	answer := r.proved(t, attacker, "mallory", nil)
	if code, why := r.end(t, attacker, change(answer, "code", stolen)); code != "" || why != "PROVIDER_FAILED" {
		t.Errorf("%q %q", code, why)
	}
	if !strings.Contains(r.logged(), "token endpoint answered 400") {
		t.Errorf("it was not the provider who refused: %s", r.logged())
	}
	r.nobody(t)
}

// What a browser is sent away with.
func TestTheStartAsksForPKCEAndBindsTheBrowser(t *testing.T) {
	t.Parallel()
	_, providers := real(t)
	r := setup(t, providers)
	b := oidctest.NewBrowser()
	var states []string
	for range 2 {
		q := r.begin(t, b, "corp", nil).Query()
		if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || len(q.Get("nonce")) < 20 || q.Get("response_type") != "code" ||
			q.Get("redirect_uri") != r.url+"/auth/oidc/corp/callback" || q.Get("scope") != "openid email profile" {
			t.Errorf("%v", q)
		}
		states = append(states, q.Get("state"), q.Get("nonce"), q.Get("code_challenge"))
	}
	for i := range 3 {
		if len(states[i]) < 20 || states[i] == states[i+3] {
			t.Errorf("not random: %v", states)
		}
	}
	_, resp, err := b.Go(t.Context(), r.url+"/auth/oidc/corp/start?challenge="+auth.ChallengeOf(verifier))
	if err != nil {
		t.Fatal(err)
	}
	c := resp.Cookies()
	if len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].MaxAge != 600 || c[0].Path != "/" || c[0].Domain != "" {
		t.Errorf("%+v", c)
	}
	if h := resp.Header; h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%v", h)
	}
	for what, query := range map[string]string{
		"no challenge": "", "a short one": "?challenge=abc", "a padded one": "?challenge=" + auth.ChallengeOf(verifier) + "=",
		"two":               "?challenge=" + auth.ChallengeOf("1") + "&challenge=" + auth.ChallengeOf("2"),
		"an unknown intent": "?intent=admin&challenge=" + auth.ChallengeOf(verifier),
	} {
		if to, resp, err := oidctest.NewBrowser().Go(t.Context(), r.url+"/auth/oidc/corp/start"+query); err != nil || to != nil || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %v %v %v", what, to, resp.Status, err)
		}
	}
	for _, path := range []string{"other/start", "corp", "corp/", "corp/end", "", "../start", "corp/start/"} {
		if to, resp, err := oidctest.NewBrowser().Go(t.Context(), r.url+"/auth/oidc/"+path); err != nil || to != nil && !strings.HasPrefix(to.String(), r.url) || to == nil && resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v %v %v", path, to, resp.Status, err)
		}
	}
}

// ID tokens that a provider, or somebody in its place, should not make.
func TestABadIDTokenIsRefused(t *testing.T) {
	t.Parallel()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	resign := func(method jwt.SigningMethod, key any) func(string) string {
		return func(right string) string {
			var c jwt.MapClaims
			if _, _, err := jwt.NewParser().ParseUnverified(right, &c); err != nil {
				panic(err)
			}
			t := jwt.NewWithClaims(method, c)
			t.Header["kid"] = "1"
			return must(t.SignedString(key))
		}
	}
	for what, spoil := range map[string]func(e *evil){
		"another nonce":           func(e *evil) { e.claims = map[string]any{"nonce": "another"} },
		"no nonce":                func(e *evil) { e.claims = map[string]any{"nonce": nil} },
		"another issuer":          func(e *evil) { e.claims = map[string]any{"iss": "https://id.example.org"} },
		"the issuer and a slash":  func(e *evil) { e.claims = map[string]any{"iss": e.url + "/"} },
		"no issuer":               func(e *evil) { e.claims = map[string]any{"iss": nil} },
		"another audience":        func(e *evil) { e.claims = map[string]any{"aud": "another"} },
		"an audience among many":  func(e *evil) { e.claims = map[string]any{"aud": []string{"chatd", "another"}} },
		"another authorized part": func(e *evil) { e.claims = map[string]any{"azp": "another"} },
		"an end":                  func(e *evil) { e.claims = map[string]any{"exp": time.Now().Add(-time.Minute).Unix()} },
		"a late beginning":        func(e *evil) { e.claims = map[string]any{"nbf": time.Now().Add(time.Hour).Unix()} },
		"no subject":              func(e *evil) { e.claims = map[string]any{"sub": nil} },
		"a long subject":          func(e *evil) { e.claims = map[string]any{"sub": strings.Repeat("s", 256)} },
		"another access token":    func(e *evil) { e.claims = map[string]any{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"} },
		"userinfo of another": func(e *evil) {
			e.claims = map[string]any{"email": nil}
			e.userinfo = map[string]any{"sub": "t", "email": "t@example.org", "email_verified": true}
		},
		"alg none":              func(e *evil) { e.forge = resign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType) },
		"another key":           func(e *evil) { e.forge = resign(jwt.SigningMethodRS256, other) },
		"the secret as the key": func(e *evil) { e.forge = resign(jwt.SigningMethodHS256, []byte("secret")) },
		"no signature":          func(e *evil) { e.forge = func(right string) string { return right[:strings.LastIndex(right, ".")+1] } },
		"nothing":               func(e *evil) { e.forge = func(string) string { return "" } },
		"an iss of another":     func(e *evil) { e.answer = map[string]string{"iss": "https://id.example.org"} },
		"no iss, though it says that it has one": func(e *evil) {
			e.document = map[string]any{"authorization_response_iss_parameter_supported": true}
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			e := newEvil(t)
			r := setup(t, e.providers)
			spoil(e)
			if code, why := e.signIn(t, r, oidctest.NewBrowser()); code != "" || why != "PROVIDER_FAILED" {
				t.Errorf("%q %q", code, why)
			}
			r.nobody(t)
		})
	}
	t.Run("a good one", func(t *testing.T) { // what is spoiled above signs in unspoiled
		t.Parallel()
		e := newEvil(t)
		e.answer = map[string]string{"iss": e.url}
		e.document = map[string]any{"authorization_response_iss_parameter_supported": true}
		e.claims = map[string]any{"aud": []string{"chatd", "another"}, "azp": "chatd"}
		r := setup(t, e.providers)
		code, why := e.signIn(t, r, oidctest.NewBrowser())
		if _, err := r.exchange(t.Context(), code); err != nil {
			t.Error(why, err, r.logged())
		}
	})
}

// Two providers; the answer of the honest one is brought to the other's
// address and the other way round (RFC 9700 section 4.4).
func TestAnswersOfTwoProvidersCannotBeSwapped(t *testing.T) {
	t.Parallel()
	op, e := oidctest.Start(t), newEvil(t)
	op.Add(ada)
	r := setup(t, func(url string) []authoidc.Provider {
		mallory := e.providers(url)[0]
		mallory.Name = "mallory"
		return []authoidc.Provider{registered(op, "corp", url), mallory}
	})
	// The victim begins at mallory's, who has the browser sign in at the honest
	// provider instead, so that its code comes to mallory's address.
	victim := oidctest.NewBrowser()
	to := r.begin(t, victim, "mallory", nil)
	honest := r.begin(t, oidctest.NewBrowser(), "corp", nil)
	q := honest.Query()
	q.Set("state", to.Query().Get("state"))
	q.Set("nonce", to.Query().Get("nonce"))
	q.Set("code_challenge", to.Query().Get("code_challenge"))
	honest.RawQuery = q.Encode()
	answer, err := victim.SignIn(t.Context(), honest, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if code, why := r.end(t, victim, answer.String()); code != "" || why != "state" {
		t.Errorf("mallory's flow ended at the honest address: %q %q", code, why)
	}
	victim = oidctest.NewBrowser()
	to = r.begin(t, victim, "mallory", nil)
	swapped := must(url.Parse(strings.Replace(answer.String(), "/corp/", "/mallory/", 1)))
	if code, why := r.end(t, victim, change(swapped, "state", to.Query().Get("state"))); code != "" || why != "PROVIDER_FAILED" {
		t.Errorf("the honest code at mallory's address: %q %q", code, why)
	}
	// The other way: a flow with the honest provider gets mallory's code.
	e.answer = map[string]string{"state": ""}
	mallory, _, err := oidctest.NewBrowser().Go(t.Context(), to.String())
	if err != nil {
		t.Fatal(err)
	}
	victim = oidctest.NewBrowser()
	answer = r.proved(t, victim, "ada", nil)
	if code, why := r.end(t, victim, change(answer, "code", mallory.Query().Get("code"))); code != "" || why != "PROVIDER_FAILED" {
		t.Errorf("mallory's code at the honest provider: %q %q", code, why)
	}
	r.nobody(t)
}

func TestABrowserIsSentNowhereElse(t *testing.T) {
	t.Parallel()
	e := newEvil(t)
	r := setup(t, e.providers)
	host := strings.TrimPrefix(r.url, "http://")
	tried := func(to string) (*url.URL, int) {
		q := url.Values{"challenge": {auth.ChallengeOf(verifier)}, "returnTo": {to}}
		at, resp, err := oidctest.NewBrowser().Go(t.Context(), r.url+"/auth/oidc/corp/start?"+q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		return at, resp.StatusCode
	}
	tricks := []string{
		"", "/", "/path", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "http:///evil.example",
		"https://evil.example", "https://evil.example/" + r.url, r.url + "@evil.example", r.url + ".evil.example", r.url + "%2eevil.example",
		r.url + ":80@evil.example/", "http://user@" + host + "/", "http://user:password@" + host + "/", "http://" + host + "\\@evil.example/", "http://evil.example#@" + host + "/",
		"http://evil.example?@" + host + "/", "http://evil.example\\@" + host, "HTTP://" + host + "/", "http://" + strings.ToUpper(host) + "x/",
		" " + r.url + "/", r.url + "/ ", r.url + "/\r\nLocation: https://evil.example", r.url + "/%0d%0aLocation:%20https://evil.example", r.url + "/\x00", r.url + "/%00",
		r.url + "//evil.example", r.url + "/%2fevil.example", r.url + "/%5cevil.example", r.url + "/..//evil.example", r.url + "/%2e%2e/evil", r.url + "/#code", r.url + "#",
		r.url + "\t/", r.url + "/é", "javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "ftp://" + host + "/", "//" + host + "/",
		"https://" + host + "/", "http://[::1]/", "http://localhost/", "org.example.app:/signed-in/more", "org.example.app:/signed-inx", "org.example.app://evil.example/signed-in",
		"ORG.EXAMPLE.APP:/signed-in", "org.example.app:/", "org.example.app.evil:/signed-in", r.url + "/auth/oidc/corp/start", r.url + "/" + strings.Repeat("a", 1024),
	}
	if len(tricks) < 30 {
		t.Fatal(len(tricks))
	}
	for _, trick := range tricks {
		if at, status := tried(trick); at != nil || status != http.StatusBadRequest {
			t.Errorf("%q leads to %v (%d)", trick, at, status)
		}
	}
	for to, want := range map[string]string{
		r.url:                        r.url,
		r.url + "/":                  r.url + "/",
		r.url + "/a/b?c=d&e":         r.url + "/a/b?c=d&e",
		"org.example.app:/signed-in": "org.example.app:/signed-in",
	} {
		b := oidctest.NewBrowser()
		answer, _, err := b.Go(t.Context(), r.begin(t, b, "corp", url.Values{"returnTo": {to}}).String())
		if err != nil {
			t.Fatal(err)
		}
		at, _, err := b.Go(t.Context(), answer.String())
		sep := "?"
		if strings.Contains(want, "?") {
			sep = "&"
		}
		if err != nil || at == nil || !strings.HasPrefix(at.String(), want+sep+"signInCode=sic_") {
			t.Errorf("%q leads to %v %v", to, at, err)
		}
	}
}
