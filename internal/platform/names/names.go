package names

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Of returns what a name is found by, sorted, each once: its folded words, and
// the rest of each word from where a letter follows a sign or a sign a letter,
// and from every character of the scripts that are written without spaces.
func Of(name string) []string {
	var terms []string
	for _, word := range Words(name) {
		before := rune(-1)
		for i, r := range word {
			if i == 0 || begins(before, r) {
				terms = append(terms, word[i:])
			}
			before = r
		}
	}
	slices.Sort(terms)
	return slices.Compact(terms)
}

// Words folds s and splits it at spaces.
func Words(s string) []string { return strings.Fields(Fold(s)) }

func begins(before, r rune) bool {
	if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) {
		return true
	}
	return alphanumeric(before) != alphanumeric(r)
}

// alphanumeric counts marks to the letters that they stand on.
func alphanumeric(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// Fold makes alike what a search takes for the same: upper and lower case,
// letters with and without accents, and the compatibility forms of Unicode
// (full width, ligatures). Controls and characters that do not show are left
// out, and so is what is no UTF-8.
func Fold(s string) string {
	s = cases.Fold().String(strings.ToValidUTF8(s, ""))
	s = norm.NFKD.String(s)
	s = cases.Fold().String(strings.Map(plain, s)) // what was taken apart may fold again
	for _, letter := range [...][2]string{{"ø", "o"}, {"ł", "l"}, {"đ", "d"}, {"ı", "i"}, {"æ", "ae"}, {"œ", "oe"}} {
		s = strings.ReplaceAll(s, letter[0], letter[1])
	}
	return norm.NFC.String(s)
}

func plain(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.In(r, unicode.Cc, unicode.Cf), r == utf8.MaxRune: // End's
		return -1
	case 0x300 <= r && r <= 0x36f, 0x1ab0 <= r && r <= 0x1aff, 0x1dc0 <= r && r <= 0x1dff:
		return -1 // accents; the marks of other scripts are part of the spelling
	}
	return r
}

// End returns a text that sorts after every term that begins with prefix,
// and before every other that sorts after prefix, both by bytes.
func End(prefix string) string { return prefix + string(utf8.MaxRune) }
