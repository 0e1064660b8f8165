package user

import "chatd/internal/platform/terms"

// Terms returns what a profile is found by, sorted, each once.
func Terms(username, displayName string) []string { return terms.Of(username + " " + displayName) }

// TermEnd returns a text that sorts after every term that begins with prefix,
// and before every other that sorts after prefix, both by bytes.
func TermEnd(prefix string) string { return terms.End(prefix) }
