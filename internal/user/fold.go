package user

import "chatd/internal/platform/names"

// Terms returns what a profile is found by, sorted, each once.
func Terms(username, displayName string) []string { return names.Of(username + " " + displayName) }

// TermEnd returns a text that sorts after every term that begins with prefix,
// and before every other that sorts after prefix, both by bytes.
func TermEnd(prefix string) string { return names.End(prefix) }
