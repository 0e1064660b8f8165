package authoidc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

	"chatd/internal/auth"
)

// plainOAuth is a provider of OAuth 2 that tells who a user is by an address of
// its own. It has no issuer: what its users are known by is the address that
// tells of them, or what stands for it. That a provider's answer is not taken
// for another's is seen by the address it comes to, which each has for itself
// (RFC 9700 section 4.4.2.2).
type plainOAuth struct {
	cfg      Provider
	callback string
	client   *http.Client
}

func (p *plainOAuth) oauth() *oauth2.Config {
	style := oauth2.AuthStyleInHeader
	if p.cfg.ClientAuth == "post" {
		style = oauth2.AuthStyleInParams
	}
	c := oauthConfig(p.cfg, oauth2.Endpoint{AuthURL: p.cfg.AuthorizeURL, TokenURL: p.cfg.TokenURL, AuthStyle: style}, p.callback)
	return &c
}

func (p *plainOAuth) authorize(_ context.Context, f flow) (string, error) {
	return p.oauth().AuthCodeURL(f.State, oauth2.S256ChallengeOption(f.Verifier)), nil
}

func (p *plainOAuth) finish(ctx context.Context, code, _ string, f flow) (auth.Vouched, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, p.client)
	token, err := p.oauth().Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return auth.Vouched{}, fmt.Errorf("exchange its code: %w", err)
	}
	var said map[string]any
	if err := p.get(ctx, p.cfg.UserinfoURL, token, &said); err != nil {
		return auth.Vouched{}, fmt.Errorf("ask for userinfo: %w", err)
	}
	names := p.cfg.Claims
	v := auth.Vouched{
		Issuer:      cmp.Or(p.cfg.Issuer, p.cfg.UserinfoURL),
		Subject:     text(said[cmp.Or(names.Subject, "sub")]),
		Username:    text(said[cmp.Or(names.Username, "preferred_username")]),
		DisplayName: text(said[cmp.Or(names.DisplayName, "name")]),
	}
	if v.Subject == "" || len(v.Subject) > maxSubject {
		return auth.Vouched{}, errors.New("its userinfo does not say who the user is: see claims.subject of its configuration")
	}
	if p.cfg.EmailsURL != "" {
		v.Email, err = p.primary(ctx, token)
		return v, err
	}
	if verified := said[cmp.Or(names.EmailVerified, "email_verified")]; verified == true || verified == "true" {
		v.Email = text(said[cmp.Or(names.Email, "email")])
	}
	return v, nil
}

// primary is the user's main address, when the provider has verified it.
func (p *plainOAuth) primary(ctx context.Context, token *oauth2.Token) (string, error) {
	var list []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	if err := p.get(ctx, p.cfg.EmailsURL, token, &list); err != nil {
		return "", fmt.Errorf("ask for addresses: %w", err)
	}
	for _, e := range list {
		if e.Primary && e.Verified {
			return e.Email, nil
		}
	}
	return "", nil
}

func (p *plainOAuth) get(ctx context.Context, from string, token *oauth2.Token, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil) //nolint:gosec // An address of the configuration.
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+token.AccessToken)
	resp, err := p.client.Do(r) //nolint:gosec // As above.
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return errors.New("it answered " + resp.Status)
	}
	d := json.NewDecoder(resp.Body)
	d.UseNumber() // a number may be longer than a float knows
	return d.Decode(into)
}

// text is a claim that is text or a number; empty for all else.
func text(claim any) string {
	switch v := claim.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}
