package passwords

import (
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	minPassword = 10  // code points
	maxPassword = 128 // code points
)

// Passwords of ten or more characters out of the 20,000 to 50,000 most common
// ones of two public lists (zxcvbn's and that of Django's validator), lower
// case and sorted. Shorter ones are refused for their length.
//
//go:embed common_passwords.txt
var commonText string

var common = sync.OnceValue(func() map[string]struct{} { //nolint:gochecknoglobals // A table, made once.
	m := make(map[string]struct{}, strings.Count(commonText, "\n"))
	for p := range strings.Lines(commonText) {
		m[strings.TrimSuffix(p, "\n")] = struct{}{}
	}
	return m
})

// Fits says whether s has the length of a password. What does not is
// refused before it costs a hash. The bytes are taken as they are: no case
// folding, no normalisation, no cutting off.
func Fits(s string) bool {
	if len(s) > maxPassword*utf8.UTFMax || !utf8.ValidString(s) {
		return false
	}
	n := utf8.RuneCountInString(s)
	return n >= minPassword && n <= maxPassword
}

// Check refuses what is too short or long (ErrBadLength), on the
// list of common ones, or one of the user's own names (ErrCommon).
// Containing one of those is fine.
func Check(s string, names ...string) error {
	if !Fits(s) {
		return ErrBadLength
	}
	if _, ok := common()[strings.ToLower(s)]; ok {
		return ErrCommon
	}
	for _, n := range names {
		if strings.EqualFold(s, n) {
			return ErrCommon
		}
	}
	return nil
}
