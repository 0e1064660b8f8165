// Package authoidc signs people in by other providers, in a browser: OpenID
// Connect and plain OAuth 2, by the authorization code with PKCE.
//
// Words. A provider is who signs in, as the configuration names it. A flow is
// one sign-in from its start to the provider's answer; it lives in a sealed
// cookie of the browser that began it, so that no other browser can end it. A
// return URL is where the browser goes afterwards, with a code for the client
// that sent it (see auth.Service.HandOver).
//
// Start at face.go (the two addresses that browsers come to), then flow.go,
// openid.go and oauth.go (how each sort of provider is asked), provider.go (the
// configuration) and returns.go (where a browser may be sent).
//
// It decides nothing of accounts: auth does, when the code is exchanged. It
// reads only what the configuration and a provider's discovery document name;
// no address in a token or in what a provider says of a user is ever fetched.
package authoidc
