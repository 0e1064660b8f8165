// Package limittest is what every limiter promises, as tests.
package limittest
