package oidctest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog" //nolint:depguard // The library's option is of no other type.
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Password of every user.
const Password = "the provider's password"

// User is somebody whom a provider knows.
type User struct {
	Subject  string
	Username string
	First    string
	Last     string
	Email    string
	Verified bool
}

// Provider is a running OpenID provider.
type Provider struct {
	Issuer string
	store  *store

	mu   sync.Mutex
	pass func(w http.ResponseWriter, r *http.Request, next http.Handler)
	seen map[string]int // requests by path
}

// Start runs a provider until the test ends.
func Start(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{store: &store{users: map[string]*storage.User{}, clients: map[string]client{}}, seen: map[string]int{}}
	p.store.Storage = storage.NewStorage(p.store)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Issuer = "http://" + l.Addr().String()
	provider, err := op.NewProvider(&op.Config{CryptoKey: sha256.Sum256([]byte(p.Issuer)), CodeMethodS256: true, AuthMethodPost: true},
		p.store, op.StaticIssuer(p.Issuer), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	handler := p.withPage(provider)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.seen[r.URL.Path]++
		pass := p.pass
		p.mu.Unlock()
		if pass != nil {
			pass(w, r, handler)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	_ = server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return p
}

// withPage puts the page that people sign in at before a provider, which has
// none of its own.
func (p *Provider) withPage(provider *op.Provider) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.HandleFunc("GET /login/username", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, r.FormValue("authRequestID"))
	})
	back := op.AuthCallbackURL(provider)
	mux.Handle("POST /login/username", op.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.FormValue("id")
			if err := p.store.CheckUsernamePassword(r.FormValue("username"), r.FormValue("password"), id); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			http.Redirect(w, r, back(r.Context(), id), http.StatusFound)
		})))
	return mux
}

var page = template.Must(template.New("").Parse(`<!doctype html><title>Sign in</title><form method="post">
<input name="username"><input name="password" type="password"><input name="id" type="hidden" value="{{.}}"><button>Sign in</button></form>`))

// Pass has f called for every request, with what would answer it; nil for
// nobody.
func (p *Provider) Pass(f func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass = f
}

// Seen says how many requests came to a path.
func (p *Provider) Seen(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[path]
}

// Add makes a user, or changes the one of the subject.
func (p *Provider) Add(u User) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.users[u.Subject] = &storage.User{
		ID: u.Subject, Username: u.Username, Password: Password, FirstName: u.First, LastName: u.Last,
		Email: u.Email, EmailVerified: u.Verified,
	}
}

// Register makes a confidential client.
func (p *Provider) Register(id, secret string, callbacks ...string) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.clients[id] = client{storage.WebClient(id, secret, callbacks...), secret}
}

type client struct {
	*storage.Client
	secret string
}

// store is the example's, with users and clients of its own.
type store struct {
	*storage.Storage
	mu      sync.Mutex
	users   map[string]*storage.User
	clients map[string]client
}

func (s *store) GetUserByID(id string) *storage.User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[id]
}

func (s *store) GetUserByUsername(name string) *storage.User {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if u.Username == name {
			return u
		}
	}
	return nil
}

func (s *store) ExampleClientID() string { return "nobody" }

// GetClientByClientID replaces that of the example, whose clients are one set
// for the whole process.
func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clients[id]
	if !ok {
		return nil, errors.New("no such client")
	}
	return c.Client, nil
}

// AuthorizeClientIDSecret checks a client's secret.
func (s *store) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.clients[id]; !ok || c.secret != secret {
		return errors.New("wrong client or secret")
	}
	return nil
}

// Browser is a browser without a screen: it keeps cookies and follows no
// redirect by itself.
type Browser struct{ *http.Client }

// NewBrowser returns one without cookies.
func NewBrowser() *Browser {
	jar, _ := cookiejar.New(nil) // cannot fail without options
	return &Browser{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Go opens an address and returns where it leads; nil when it does not.
func (b *Browser) Go(ctx context.Context, to string) (*url.URL, *http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return nil, nil, err
	}
	return b.do(r)
}

func (b *Browser) do(r *http.Request) (*url.URL, *http.Response, error) {
	resp, err := b.Do(r)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	if err != nil {
		return nil, nil, err
	}
	next, err := resp.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return nil, resp, nil
	}
	return next, resp, err
}

// SignIn signs a user in on the provider's page and returns where the
// provider sends the browser: the callback. at is where the client sent it.
func (b *Browser) SignIn(ctx context.Context, at *url.URL, username string) (*url.URL, error) {
	page, resp, err := b.Go(ctx, at.String())
	if err != nil {
		return nil, err
	}
	if page == nil || !strings.Contains(page.Path, "/login/") {
		body, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("the provider showed no page to sign in at: %s %s %s", resp.Status, page, body)
	}
	id := page.Query().Get("authRequestID")
	if _, _, err := b.Go(ctx, page.String()); err != nil {
		return nil, err
	}
	form := url.Values{"username": {username}, "password": {Password}, "id": {id}}
	page.RawQuery = ""
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, page.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	next, resp, err := b.do(r)
	if err != nil {
		return nil, fmt.Errorf("sign in at the provider: %w", err)
	}
	if next == nil {
		return nil, errors.New("the provider did not take the password: " + resp.Status)
	}
	next, resp, err = b.Go(ctx, next.String())
	if err == nil && next == nil {
		err = errors.New("the provider sent nobody back: " + resp.Status)
	}
	return next, err
}
