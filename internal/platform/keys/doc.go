// Package keys has the server's one master secret and what is made of it: a
// key for each purpose (Derive), and the sealing of secrets that a store
// keeps (Seal, Unseal), so that a copy of the store alone gives none away.
//
// The master secret is given by the operator or made once into a file of the
// data directory. Start at ring.go. Losing the secret ends every session and
// makes what was sealed unreadable; the package has no way around that.
package keys
