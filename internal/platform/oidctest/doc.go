// Package oidctest runs a real OpenID provider for tests: the library of
// Zitadel with the storage of its example, and a page to sign in at, on a port
// of its own. Users and clients are a test's own. Between it and who asks, a
// test may change what passes.
package oidctest
