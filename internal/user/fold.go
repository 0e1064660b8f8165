package user

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Terms returns what a profile is found by, sorted, each once: the folded
// words of its username and display name, and the rest of each word from where
// a letter follows a sign or a sign a letter, and from every character of the
// scripts that are written without spaces.
func Terms(username, displayName string) []string {
	var terms []string
	for _, word := range words(username + " " + displayName) {
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

// words folds s and splits it at spaces.
func words(s string) []string { return strings.Fields(fold(s)) }

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

// fold makes alike what a search takes for the same: upper and lower case,
// letters with and without accents, and the compatibility forms of Unicode
// (full width, ligatures). Controls and characters that do not show are left
// out, and so is what is no UTF-8.
func fold(s string) string {
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
	case unicode.In(r, unicode.Cc, unicode.Cf), r == utf8.MaxRune: // TermEnd's
		return -1
	case 0x300 <= r && r <= 0x36f, 0x1ab0 <= r && r <= 0x1aff, 0x1dc0 <= r && r <= 0x1dff:
		return -1 // accents; the marks of other scripts are part of the spelling
	}
	return r
}

// TermEnd returns a text that sorts after every term that begins with prefix,
// and before every other that sorts after prefix, both by bytes.
func TermEnd(prefix string) string { return prefix + string(utf8.MaxRune) }
