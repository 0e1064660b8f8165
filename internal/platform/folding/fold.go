package folding

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Edition names the way in which texts are folded. What was made by another
// has to be made again.
const Edition = "1/" + unicode.Version + "/" + norm.Version

// Fold returns s folded; folding it again changes nothing. keep has the last
// word on each code point of the outcome: it returns what to take instead of
// it, or a negative value for nothing. What s has that is no UTF-8 is left out.
func Fold(s string, keep func(rune) rune) string {
	s = norm.NFKD.String(cases.Fold().String(strings.ToValidUTF8(s, "")))
	s = cases.Fold().String(plain(s, keep)) // what was taken apart may fold again
	return norm.NFC.String(plain(s, keep))
}

func plain(s string, keep func(rune) rune) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		if silent(r) {
			continue
		}
		if to, ok := alike[r]; ok {
			b.WriteString(to)
			continue
		}
		if r = keep(r); r >= 0 {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// alike are letters that no decomposition makes alike.
var alike = map[rune]string{
	'ø': "o", 'ł': "l", 'đ': "d", 'ħ': "h", 'ı': "i", 'ς': "σ", 'æ': "ae", 'œ': "oe",
}

// silent says whether a search passes over a code point. The marks of other
// scripts are part of the spelling.
func silent(r rune) bool {
	switch {
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r),
		r == 0x640,                                                                       // the stroke that lengthens Arabic words
		0x300 <= r && r <= 0x36f, 0x1ab0 <= r && r <= 0x1aff, 0x1dc0 <= r && r <= 0x1dff, // accents
		0x591 <= r && r <= 0x5c7,                                       // Hebrew points
		0x610 <= r && r <= 0x61a, 0x64b <= r && r <= 0x65f, r == 0x670, // Arabic vowels
		0x1f3fb <= r && r <= 0x1f3ff: // skin tones
		return true
	}
	return false
}
