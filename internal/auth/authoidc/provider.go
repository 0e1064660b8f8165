package authoidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"

	"chatd/internal/auth"
)

// Secret is a value that must not be seen: every way of printing it masks it.
type Secret string

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// String masks.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// Format masks as String does, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText masks as String does.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// GitHub is the Kind of a provider that speaks OAuth 2 as GitHub does.
const GitHub = "github"

// Provider is one provider as the configuration has it. With Issuer it speaks
// OpenID Connect, and the rest is asked of it; with Kind "github" all but the
// client is known; else AuthorizeURL, TokenURL and UserinfoURL say where its
// OAuth 2 is.
type Provider struct {
	Name         string   `json:"name"`            // in paths: 1 to 32 of a-z, 0-9 and -
	Label        string   `json:"label,omitempty"` // for people; the name when empty
	Kind         string   `json:"kind,omitempty"`
	Issuer       string   `json:"issuer,omitempty"`
	ClientID     string   `json:"clientId"`
	ClientSecret Secret   `json:"clientSecret,omitempty"` // empty for a public client
	Scopes       []string `json:"scopes,omitempty"`
	// ClientAuth is how the secret is sent: "basic" or "post"; empty: what the
	// provider says, else basic.
	ClientAuth   string `json:"clientAuth,omitempty"`
	AuthorizeURL string `json:"authorizeUrl,omitempty"`
	TokenURL     string `json:"tokenUrl,omitempty"`
	UserinfoURL  string `json:"userinfoUrl,omitempty"`
	EmailsURL    string `json:"emailsUrl,omitempty"` // a list of addresses as GitHub has it
	Claims       Claims `json:"claims,omitzero"`
}

// Claims are the names under which the userinfo of plain OAuth 2 says what
// OpenID Connect has names for; the names of that when empty.
type Claims struct {
	Subject       string `json:"subject,omitempty"`       // "sub"
	Email         string `json:"email,omitempty"`         // "email"
	EmailVerified string `json:"emailVerified,omitempty"` // "email_verified"
	Username      string `json:"username,omitempty"`      // "preferred_username"
	DisplayName   string `json:"displayName,omitempty"`   // "name"
}

// Providers are all of a configuration.
type Providers []Provider

// String tells them without their secrets.
func (p Providers) String() string {
	if len(p) == 0 {
		return ""
	}
	text, err := json.Marshal(p) //nolint:gosec // A Secret masks itself.
	if err != nil {
		return "***"
	}
	return string(text)
}

// Public returns them as clients are told.
func (p Providers) Public() []auth.Provider {
	list := make([]auth.Provider, len(p))
	for i, one := range p {
		list[i] = auth.Provider{Name: one.Name, Label: one.Label}
	}
	return list
}

// Parse reads a JSON list of providers and checks each. Its errors show no
// secret.
func Parse(text string) (Providers, error) {
	var list Providers
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, errors.New(`must be a JSON list, as [{"name":"example","issuer":"https://id.example.org","clientId":"…","clientSecret":"…"}]: ` + plainly(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("must be one JSON list; something follows it")
	}
	seen := make(map[string]bool, len(list))
	for i := range list {
		p := &list[i]
		if err := p.complete(); err != nil {
			return nil, fmt.Errorf("provider %d (%q): %w", i+1, p.Name, err)
		}
		if seen[p.Name] {
			return nil, fmt.Errorf("provider %d: the name %q is given twice", i+1, p.Name)
		}
		seen[p.Name] = true
	}
	return list, nil
}

// plainly tells what is wrong with JSON without the text that is: it may be a
// secret.
func plainly(err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("wrong at byte %d", syntax.Offset)
	}
	if field, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%q is of the wrong type", field.Field)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return "there is no " + name
	}
	return "it is cut off"
}

func (p *Provider) complete() error {
	if p.Name == "" || len(p.Name) > 32 || strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Trim(p.Name, "-") != p.Name {
		return errors.New("a name is 1 to 32 of a-z, 0-9 and -")
	}
	if p.Label == "" {
		p.Label = p.Name
	}
	switch {
	case p.ClientID == "":
		return errors.New("clientId is missing: the provider gives it when chatd is registered there")
	case p.ClientAuth != "" && p.ClientAuth != "basic" && p.ClientAuth != "post":
		return errors.New("clientAuth is basic or post")
	case p.Kind != "" && p.Kind != GitHub:
		return errors.New("kind is github, or left out")
	}
	if p.Kind == GitHub {
		p.likeGitHub()
	}
	if p.openID() {
		if p.AuthorizeURL+p.TokenURL+p.UserinfoURL+p.EmailsURL != "" || p.Claims != (Claims{}) {
			return errors.New("issuer is for OpenID Connect, which tells the rest: leave out authorizeUrl, tokenUrl, userinfoUrl, emailsUrl and claims")
		}
		def(&p.Scopes, []string{"openid", "email", "profile"})
		return checkURL("issuer", p.Issuer, false)
	}
	if p.AuthorizeURL == "" || p.TokenURL == "" || p.UserinfoURL == "" {
		return errors.New("give issuer (OpenID Connect), or kind github, or authorizeUrl, tokenUrl and userinfoUrl (OAuth 2)")
	}
	return errors.Join(
		checkURL("authorizeUrl", p.AuthorizeURL, true), checkURL("tokenUrl", p.TokenURL, true),
		checkURL("userinfoUrl", p.UserinfoURL, true), checkURL("emailsUrl", p.EmailsURL, true))
}

func (p *Provider) openID() bool { return p.Issuer != "" && p.Kind == "" }

// likeGitHub fills in what GitHub documents; what is given stands, for its
// Enterprise Server.
func (p *Provider) likeGitHub() {
	for _, d := range []struct {
		at    *string
		value string
	}{
		{&p.Issuer, "https://github.com"},
		{&p.AuthorizeURL, "https://github.com/login/oauth/authorize"},
		{&p.TokenURL, "https://github.com/login/oauth/access_token"},
		{&p.UserinfoURL, "https://api.github.com/user"},
		{&p.EmailsURL, "https://api.github.com/user/emails"},
		{&p.ClientAuth, "post"},
		{&p.Claims.Subject, "id"},
		{&p.Claims.Username, "login"},
	} {
		if *d.at == "" {
			*d.at = d.value
		}
	}
	def(&p.Scopes, []string{"read:user", "user:email"})
}

func def(at *[]string, value []string) {
	if len(*at) == 0 {
		*at = value
	}
}

func checkURL(name, raw string, query bool) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" || u.RawQuery != "" && !query {
		return errors.New(name + " must be a URL, as https://id.example.org/path")
	}
	return nil
}

// InTheClear returns the first of a provider's addresses that is reached
// without TLS and not on this machine; empty when there is none.
func (p *Provider) InTheClear() string {
	for _, raw := range []string{p.Issuer, p.AuthorizeURL, p.TokenURL, p.UserinfoURL, p.EmailsURL} {
		if u, err := url.Parse(raw); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
			return raw
		}
	}
	return ""
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
