// Package authtest has what tests of auth are written with: the suite that
// every storage of auth is held to (RunStore), and a Service over any storage
// with a clock that is turned by hand and cheap hashes (New). For tests only.
package authtest
