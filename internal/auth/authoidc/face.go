package authoidc

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/oauth2"

	"chatd/internal/auth"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/httpx"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/principal"
)

// Path is what the addresses begin with: {provider}/start and
// {provider}/callback follow.
const Path = "/auth/oidc/"

// What a return URL is given.
const (
	codeParam  = "signInCode"
	errorParam = "signInError"
)

// What errorParam says.
const (
	denied      = "ACCESS_DENIED"        // the user, or the provider, would not
	failed      = "PROVIDER_FAILED"      // its answer was not good
	unavailable = "PROVIDER_UNAVAILABLE" // it cannot be reached, now
)

var (
	errNoProvider   = errs.New(errs.NotFound, "authoidc.no_provider", "No such provider.")
	errBadReturn    = errs.New(errs.BadInput, "authoidc.bad_return", "The browser cannot be sent there: returnTo is a page of this server, or an address of its configuration.", errs.Field("returnTo"))
	errBadChallenge = errs.New(errs.BadInput, "authoidc.bad_challenge", "The challenge is the base64url form of a SHA-256: 43 characters.", errs.Field("challenge"))
	errBadIntent    = errs.New(errs.BadInput, "authoidc.bad_intent", "The intent is sign-in or link.", errs.Field("intent"))
	errBadState     = errs.New(errs.BadInput, "authoidc.bad_state", "This sign-in was not begun in this browser, or took too long, or has ended. Begin again.", errs.Field("state"))
)

// SignIns is what takes a finished sign-in: auth.Service.
type SignIns interface {
	MayTryProvider(ctx context.Context) error
	HandOver(ctx context.Context, state string, h auth.HandOver) (string, error)
}

// Deps is what a Face needs; all of it.
type Deps struct {
	SignIns SignIns
	Ring    *keys.Ring
	Log     zerolog.Logger
}

// Config of a Face.
type Config struct {
	PublicURL  string // of this server; providers send browsers back to it
	Providers  Providers
	ReturnURLs []string         // beside the pages of this server
	Now        func() time.Time // time.Now
}

// remote is a provider as it is asked.
type remote interface {
	// authorize returns where to send a browser.
	authorize(ctx context.Context, f flow) (string, error)
	// finish asks for what the answer's code stands for. iss is the answer's
	// parameter of that name (RFC 9207).
	finish(ctx context.Context, code, iss string, f flow) (auth.Vouched, error)
}

// Face is what browsers come to. It may be used by any number of goroutines.
type Face struct {
	deps    Deps
	now     func() time.Time
	origin  string
	returns returns
	jar     jar
	remotes map[string]remote
	mux     *http.ServeMux
}

// New makes a Face. Nobody is asked: a provider is when the first sign-in by it
// begins.
func New(deps Deps, cfg Config) *Face {
	f := &Face{
		deps: deps, now: cfg.Now, origin: strings.TrimSuffix(cfg.PublicURL, "/"), returns: newReturns(cfg.PublicURL, cfg.ReturnURLs),
		jar: jar{deps.Ring, strings.HasPrefix(cfg.PublicURL, "https://")}, remotes: make(map[string]remote, len(cfg.Providers)),
		mux: http.NewServeMux(),
	}
	if f.now == nil {
		f.now = time.Now
	}
	client := newClient()
	for _, p := range cfg.Providers {
		f.remotes[p.Name] = newRemote(p, f.origin+Path+p.Name+"/callback", client)
	}
	f.mux.HandleFunc("GET "+Path+"{provider}/start", f.start)
	f.mux.HandleFunc("GET "+Path+"{provider}/callback", f.callback)
	f.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { httpx.Fail(w, r, errNoProvider) })
	return f
}

func newRemote(p Provider, callback string, client *http.Client) remote {
	if p.openID() {
		return &openID{cfg: p, callback: callback, client: client}
	}
	return &plainOAuth{cfg: p, callback: callback, client: client}
}

// ServeHTTP answers what is below Path.
func (f *Face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // addresses here have codes in them
	f.mux.ServeHTTP(w, r)
}

// start sends a browser to a provider. Parameters: returnTo (the front page
// when left out), challenge, intent (sign-in when left out).
func (f *Face) start(w http.ResponseWriter, r *http.Request) {
	to, challenge, intent, err := f.asked(r)
	remote, known := f.remotes[r.PathValue("provider")]
	if !known {
		err = errNoProvider
	}
	if err == nil {
		err = f.deps.SignIns.MayTryProvider(r.Context())
	}
	if err != nil {
		httpx.Fail(w, r, err)
		return
	}
	begun := newFlow(r.PathValue("provider"), to, challenge, intent, f.now())
	where, err := remote.authorize(r.Context(), begun)
	if err != nil {
		f.complain(r, begun.Provider, err)
		http.Redirect(w, r, with(to, errorParam, unavailable), http.StatusSeeOther) //nolint:gosec // asked allowed it.
		return
	}
	f.jar.put(w, begun)
	http.Redirect(w, r, where, http.StatusSeeOther) //nolint:gosec // To the provider, by its own word.
}

func (f *Face) asked(r *http.Request) (to, challenge string, intent auth.Intent, err error) {
	q := r.URL.Query()
	intent = auth.Intent(one(q, "intent"))
	if intent == "" {
		intent = auth.ToSignIn
	}
	if to = one(q, "returnTo"); !q.Has("returnTo") {
		to = f.origin + "/"
	}
	challenge = one(q, "challenge")
	sum, notBase64 := base64.RawURLEncoding.Strict().DecodeString(challenge)
	switch {
	case !f.returns.allow(to):
		return "", "", "", errBadReturn
	case notBase64 != nil || len(sum) != 32:
		return "", "", "", errBadChallenge
	case intent != auth.ToSignIn && intent != auth.ToLink:
		return "", "", "", errBadIntent
	}
	return to, challenge, intent, nil
}

// one returns a parameter that is given once; empty for all others.
func one(q url.Values, name string) string {
	if v := q[name]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// callback takes a provider's answer from the browser that was sent there.
func (f *Face) callback(w http.ResponseWriter, r *http.Request) {
	q, name := r.URL.Query(), r.PathValue("provider")
	begun, ok := f.jar.take(r, f.now())
	f.jar.drop(w)
	remote, known := f.remotes[name]
	if !ok || !known || begun.Provider != name || subtle.ConstantTimeCompare([]byte(one(q, "state")), []byte(begun.State)) != 1 {
		httpx.Fail(w, r, errBadState)
		return
	}
	back := func(name, value string) {
		http.Redirect(w, r, with(begun.Return, name, value), http.StatusSeeOther)
	}
	code := one(q, "code")
	switch {
	case one(q, "error") == "access_denied":
		back(errorParam, denied)
		return
	case q.Has("error") || code == "":
		f.complain(r, name, errors.New("it answered with the error "+clip(one(q, "error"), 64)))
		back(errorParam, failed)
		return
	}
	if err := f.deps.SignIns.MayTryProvider(r.Context()); err != nil {
		httpx.Fail(w, r, err)
		return
	}
	iss := one(q, "iss")
	if q.Has("iss") && iss == "" {
		iss = "twice" // of which none counts
	}
	said, err := remote.finish(r.Context(), code, iss, begun)
	if err != nil {
		f.complain(r, name, err)
		if errors.Is(err, errUnreachable) {
			back(errorParam, unavailable)
			return
		}
		back(errorParam, failed)
		return
	}
	said.Provider = name
	handed, err := f.deps.SignIns.HandOver(r.Context(), begun.State, auth.HandOver{Vouched: said, Intent: begun.Intent, Challenge: begun.Challenge})
	switch {
	case errors.Is(err, auth.ErrBadSignInCode): // the state has given one already
		httpx.Fail(w, r, errBadState)
	case err != nil:
		httpx.Fail(w, r, err)
		f.deps.Log.Error().Err(err).Str("request_id", principal.RequestID(r.Context())).Msg("a sign-in could not be handed over")
	default:
		back(codeParam, handed)
	}
}

// complain logs what is wrong with a provider, without what it said of anybody.
func (f *Face) complain(r *http.Request, provider string, err error) {
	why := err.Error()
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok { // its text is the whole answer
		why = "the token endpoint answered " + e.Response.Status + " " + clip(e.ErrorCode, 64)
	}
	f.deps.Log.Warn().Str("provider", provider).Str("request_id", principal.RequestID(r.Context())).Str("why", clip(why, 300)).
		Msg("a sign-in by a provider failed")
}

func clip(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }
