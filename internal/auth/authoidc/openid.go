package authoidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"chatd/internal/auth"
)

const (
	discoveryLife  = time.Hour       // a discovery document is read again
	discoveryPause = 5 * time.Second // after one that could not be read
	maxSubject     = 255             // OpenID Connect Core, section 2
)

// errUnreachable is of a provider that does not answer, or not as one.
var errUnreachable = errors.New("the provider cannot be used now")

// openID is a provider of OpenID Connect.
type openID struct {
	cfg      Provider
	callback string
	client   *http.Client
	flight   singleflight.Group

	mu    sync.Mutex
	known *metadata // of the last reading that went well
	next  time.Time // before it nothing is read
	err   error     // of the last reading
}

// metadata is what a discovery document says.
type metadata struct {
	provider *oidc.Provider
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	saysIss  bool // its answers have the parameter iss
}

// discover reads the discovery document when that is due, once for all who
// wait. One that was read stays good while the provider does not answer.
func (p *openID) discover(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	known, due, err := p.known, !time.Now().Before(p.next), p.err
	p.mu.Unlock()
	if !due && known != nil {
		return known, nil
	}
	if !due {
		return nil, err
	}
	read := p.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
		defer cancel()
		m, err := p.read(ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.next, p.err = time.Now().Add(discoveryLife), err
		if err != nil {
			p.next = time.Now().Add(discoveryPause)
		} else {
			p.known = m
		}
		if p.known != nil {
			return p.known, nil
		}
		return nil, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-read:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*metadata), nil //nolint:forcetypeassert // As above.
	}
}

func (p *openID) read(ctx context.Context) (*metadata, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: read its discovery document: %w", errUnreachable, err)
	}
	var also struct {
		JWKS    string   `json:"jwks_uri"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
		SaysIss bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := provider.Claims(&also); err != nil {
		return nil, fmt.Errorf("%w: read its discovery document: %w", errUnreachable, err)
	}
	endpoint := provider.Endpoint()
	for _, raw := range []string{endpoint.AuthURL, endpoint.TokenURL, also.JWKS, provider.UserInfoEndpoint()} {
		if u, err := url.Parse(raw); raw != "" && (err != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) && !inTheClear(p.cfg.Issuer)) {
			return nil, fmt.Errorf("%w: its discovery document names %q, which is not https", errUnreachable, clip(raw, 100))
		}
	}
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if p.cfg.ClientAuth == "post" || p.cfg.ClientAuth == "" && len(also.Methods) > 0 && !slices.Contains(also.Methods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &metadata{
		provider: provider, saysIss: also.SaysIss,
		verifier: provider.Verifier(&oidc.Config{ClientID: p.cfg.ClientID}),
		oauth:    oauthConfig(p.cfg, endpoint, p.callback),
	}, nil
}

func inTheClear(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && u.Scheme == "http"
}

func oauthConfig(p Provider, e oauth2.Endpoint, callback string) oauth2.Config {
	if p.ClientSecret == "" {
		e.AuthStyle = oauth2.AuthStyleInParams // a public client gives its name alone
	}
	return oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret.Reveal(), Endpoint: e, RedirectURL: callback, Scopes: p.Scopes}
}

func (p *openID) authorize(ctx context.Context, f flow) (string, error) {
	m, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	return m.oauth.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), nil
}

// claims are what is read of an ID token or of userinfo. Everything else in
// them, pictures above all, is left alone.
type claims struct {
	AuthorizedParty string `json:"azp"`
	Email           string `json:"email"`
	EmailVerified   any    `json:"email_verified"` // some write it as text
	Username        string `json:"preferred_username"`
	DisplayName     string `json:"name"`
}

func (c *claims) verifiedEmail() string {
	if c.EmailVerified == true || c.EmailVerified == "true" {
		return c.Email
	}
	return ""
}

func (p *openID) finish(ctx context.Context, code, iss string, f flow) (auth.Vouched, error) {
	m, err := p.discover(ctx)
	if err != nil {
		return auth.Vouched{}, err
	}
	if iss != "" && iss != p.cfg.Issuer || iss == "" && m.saysIss {
		return auth.Vouched{}, errors.New("its answer has the iss of another provider, or none")
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := m.oauth.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return auth.Vouched{}, fmt.Errorf("exchange its code: %w", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := m.verifier.Verify(ctx, raw)
	if err != nil {
		return auth.Vouched{}, fmt.Errorf("check its ID token: %w", err)
	}
	var c claims
	if err := id.Claims(&c); err != nil {
		return auth.Vouched{}, fmt.Errorf("read its ID token: %w", err)
	}
	switch {
	case id.Nonce != f.Nonce:
		return auth.Vouched{}, errors.New("its ID token is of another sign-in: the nonce differs")
	case id.Subject == "" || len(id.Subject) > maxSubject:
		return auth.Vouched{}, errors.New("its ID token has no subject")
	case (c.AuthorizedParty != "" || len(id.Audience) > 1) && c.AuthorizedParty != p.cfg.ClientID:
		return auth.Vouched{}, errors.New("its ID token was made for another client")
	case id.AccessTokenHash != "" && id.VerifyAccessToken(token.AccessToken) != nil:
		return auth.Vouched{}, errors.New("its ID token is of another access token")
	}
	if c.Email == "" && m.provider.UserInfoEndpoint() != "" {
		if c, err = p.userinfo(ctx, m, token, id.Subject); err != nil {
			return auth.Vouched{}, err
		}
	}
	return auth.Vouched{
		Issuer: id.Issuer, Subject: id.Subject, Email: c.verifiedEmail(), Username: c.Username, DisplayName: c.DisplayName,
	}, nil
}

// userinfo asks for what an ID token did not say. It counts only when it is of
// the same user (OpenID Connect Core, section 5.3.2).
func (p *openID) userinfo(ctx context.Context, m *metadata, token *oauth2.Token, subject string) (claims, error) {
	var c claims
	info, err := m.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return c, fmt.Errorf("ask for userinfo: %w", err)
	}
	if info.Subject != subject {
		return c, errors.New("its userinfo is of another user than its ID token")
	}
	if err := info.Claims(&c); err != nil {
		return c, fmt.Errorf("read its userinfo: %w", err)
	}
	return c, nil
}

// Check reads the discovery documents of all that have one and says which
// answer; an error names those that do not.
func (p Providers) Check(ctx context.Context) (string, error) {
	said, wrong := make([]string, len(p)), make([]error, len(p))
	client := newClient()
	var all sync.WaitGroup
	for i, one := range p {
		said[i] = one.Name + " speaks OAuth 2, which cannot be asked"
		if !one.openID() {
			continue
		}
		all.Go(func() {
			said[i] = one.Name + " answers"
			if _, err := (&openID{cfg: one, client: client}).discover(ctx); err != nil {
				wrong[i] = fmt.Errorf("%s (%s): %w; check issuer, exactly as the provider writes it", one.Name, one.Issuer, err)
			}
		})
	}
	all.Wait()
	return strings.Join(said, "; "), errors.Join(wrong...)
}
