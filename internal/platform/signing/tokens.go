package signing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

const (
	// Longest is the longest text that is looked at, in bytes; ours have
	// about 400.
	Longest = 2048
	// tokenType is the header's typ of an access token (RFC 9068 section 2.1),
	// which no other token of this server has.
	tokenType = "at+jwt"
	// clockSkew is by how much another node's clock may be ahead (iat). The
	// end of a token is exact.
	clockSkew = time.Minute
)

// claims are what an access token says. The role is for other services; chatd
// goes by the session's state.
type claims struct {
	jwt.RegisteredClaims
	Session string         `json:"sid"`
	Role    principal.Role `json:"role"`
}

// Statement is what an access token says, and what a good signature proves.
type Statement struct {
	User    ids.User
	Session ids.Session
	Role    principal.Role
	Expires time.Time // to the second
}

// Tokens signs and reads access tokens. Its methods may be called at once by
// any number of goroutines.
type Tokens struct {
	keys     *Keys
	issuer   string
	audience string
	parser   *jwt.Parser
	now      func() time.Time
}

// NewTokens makes Tokens of an issuer and for an audience; those of others are
// foreign.
func NewTokens(k *Keys, issuer, audience string, now func() time.Time) *Tokens {
	return &Tokens{keys: k, issuer: issuer, audience: audience, now: now, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockSkew),
		jwt.WithStrictDecoding(), jwt.WithTimeFunc(now),
	)}
}

// Mint signs a statement at a time.
func (t *Tokens) Mint(s Statement, now time.Time) (string, error) {
	key, err := t.keys.current(now)
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: s.User.String(), Issuer: t.issuer, Audience: jwt.ClaimStrings{t.audience},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(s.Expires),
		},
		Session: s.Session.String(), Role: s.Role,
	})
	token.Header["typ"] = tokenType
	token.Header["kid"] = key.id.String()
	text, err := token.SignedString(key.private)
	if err != nil {
		return "", fmt.Errorf("sign an access token: %w", err)
	}
	return text, nil
}

// ErrForeign says that a text is no good access token of this server, and not
// why.
var ErrForeign = errors.New("not an access token of this server")

// Read checks signature, type, issuer, audience and times. ErrForeign for
// everything that is not right, whatever it is; errs.ErrUnavailable when the
// key is not known here and the store does not answer.
func (t *Tokens) Read(ctx context.Context, text string) (Statement, error) {
	if len(text) > Longest {
		return Statement{}, ErrForeign
	}
	var c claims
	_, err := t.parser.ParseWithClaims(text, &c, func(token *jwt.Token) (any, error) {
		return t.key(ctx, token.Header)
	})
	if errs.KindOf(err) == errs.Unavailable {
		return Statement{}, fmt.Errorf("read an access token: %w", err) // the keys could not be read
	}
	if err != nil {
		return Statement{}, ErrForeign
	}
	user, okUser := ids.ParseUser(c.Subject)
	session, okSession := ids.ParseSession(c.Session)
	if !okUser || !okSession || c.IssuedAt == nil || !t.now().Before(c.ExpiresAt.Time) {
		return Statement{}, ErrForeign
	}
	return Statement{User: user, Session: session, Role: c.Role, Expires: c.ExpiresAt.Time}, nil
}

// key returns our key that the header names. Keys in headers (jwk, jku, x5c,
// x5u) are not looked at; critical extensions (RFC 7515 section 4.1.11) are
// refused, for we know none.
func (t *Tokens) key(ctx context.Context, header map[string]any) (any, error) {
	if header["typ"] != tokenType {
		return nil, ErrForeign
	}
	if _, ok := header["crit"]; ok {
		return nil, ErrForeign
	}
	kid, _ := header["kid"].(string)
	id, ok := ids.ParseKey(kid)
	if !ok {
		return nil, ErrForeign
	}
	return t.keys.find(ctx, id, t.now())
}
