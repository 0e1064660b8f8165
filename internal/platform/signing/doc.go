// Package signing makes and checks access tokens: signed statements about a
// session, JWT (RFC 7519) by EdDSA and nothing else. Keys are made on
// schedule, kept sealed in a Store that all nodes share, announced before they
// sign, and honoured until their last token has ended. Anybody can check a
// token by the JWKS alone.
//
// Start at tokens.go; keys.go is how keys come and go. What it proves is who
// made a token and that it has not ended; whether the session still lives is
// the caller's to ask.
package signing
