package emoji

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed rgi.txt
var rgi string

// MaxBytes is no less than any emoji has.
const MaxBytes = 64

// selector asks for the look of an emoji where a character has two.
const selector = "\ufe0f"

// qualified is every emoji by what it is without selectors. No two are the
// same without; a test says so.
var qualified = sync.OnceValue(func() map[string]string { //nolint:gochecknoglobals // Filled once, never changed.
	all := make(map[string]string, strings.Count(rgi, "\n"))
	for line := range strings.Lines(rgi) {
		e := strings.TrimSuffix(line, "\n")
		all[strings.ReplaceAll(e, selector, "")] = e
	}
	return all
})

// One returns the emoji that s is, qualified, so that two strings that look
// the same are the same; false when s is not exactly one. It may be called by
// any number of goroutines.
func One(s string) (string, bool) {
	if s == "" || len(s) > MaxBytes {
		return "", false
	}
	e, ok := qualified()[strings.ReplaceAll(s, selector, "")]
	return e, ok
}
