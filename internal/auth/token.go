package auth

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
	// maxToken is the longest text that is looked at, in bytes; ours have
	// about 400.
	maxToken = 2048
	// tokenType is the header's typ of an access token (RFC 9068 section 2.1),
	// which no other token of this server has.
	tokenType = "at+jwt"
	// clockSkew is by how much another node's clock may be ahead (iat). The
	// end of a token is exact.
	clockSkew = time.Minute
)

// claims are what an access token says. The role is for other services; this
// one goes by the session's state.
type claims struct {
	jwt.RegisteredClaims
	Session string         `json:"sid"`
	Role    principal.Role `json:"role"`
}

// tokens signs and reads access tokens: JWT (RFC 7519) by EdDSA, and nothing
// else.
type tokens struct {
	signers  *signers
	issuer   string
	audience string
	parser   *jwt.Parser
	now      func() time.Time
}

func newTokens(k *signers, issuer, audience string, now func() time.Time) *tokens {
	return &tokens{signers: k, issuer: issuer, audience: audience, now: now, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockSkew),
		jwt.WithStrictDecoding(), jwt.WithTimeFunc(now),
	)}
}

// mint signs a statement about a session that ends at expires.
func (t *tokens) mint(s Session, role principal.Role, now, expires time.Time) (string, error) {
	key, err := t.signers.current(now)
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: s.User.String(), Issuer: t.issuer, Audience: jwt.ClaimStrings{t.audience},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
		},
		Session: s.ID.String(), Role: role,
	})
	token.Header["typ"] = tokenType
	token.Header["kid"] = key.id.String()
	text, err := token.SignedString(key.private)
	if err != nil {
		return "", fmt.Errorf("sign an access token: %w", err)
	}
	return text, nil
}

var errForeignToken = errors.New("not an access token of this server")

// verified is what a good signature proves.
type verified struct {
	user    ids.User
	session ids.Session
	expires time.Time // zero: never

	// Of personal tokens only; session is the token's Handle then.
	token  ids.PersonalToken
	scopes principal.Scope
	use    *use
}

// read checks signature, type, issuer, audience and times. ErrBadToken for
// everything that is not right, whatever it is; errs.ErrUnavailable when the
// key is not known here and the store does not answer.
func (t *tokens) read(ctx context.Context, text string) (verified, error) {
	if len(text) > maxToken {
		return verified{}, ErrBadToken
	}
	var c claims
	_, err := t.parser.ParseWithClaims(text, &c, func(token *jwt.Token) (any, error) {
		return t.key(ctx, token.Header)
	})
	if errs.KindOf(err) == errs.Unavailable {
		return verified{}, fmt.Errorf("read an access token: %w", err) // the keys could not be read
	}
	if err != nil {
		return verified{}, ErrBadToken
	}
	user, okUser := ids.ParseUser(c.Subject)
	session, okSession := ids.ParseSession(c.Session)
	if !okUser || !okSession || c.IssuedAt == nil || !t.now().Before(c.ExpiresAt.Time) {
		return verified{}, ErrBadToken
	}
	return verified{user: user, session: session, expires: c.ExpiresAt.Time}, nil
}

// key returns our key that the header names. Keys in headers (jwk, jku, x5c,
// x5u) are not looked at; critical extensions (RFC 7515 section 4.1.11) are
// refused, for we know none.
func (t *tokens) key(ctx context.Context, header map[string]any) (any, error) {
	if header["typ"] != tokenType {
		return nil, errForeignToken
	}
	if _, ok := header["crit"]; ok {
		return nil, errForeignToken
	}
	kid, _ := header["kid"].(string)
	id, ok := ids.ParseKey(kid)
	if !ok {
		return nil, errForeignToken
	}
	return t.signers.find(ctx, id, t.now())
}
