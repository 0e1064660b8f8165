package names

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"chatd/internal/platform/folding"
)

// Of returns what a name is found by, sorted, each once: its folded words, and
// the rest of each word from where a letter follows a sign or a sign a letter,
// and from every character of the scripts that are written without spaces.
func Of(name string) []string { return Cut(Fold(name)) }

// Cut is Of for a name that is folded.
func Cut(folded string) []string {
	var terms []string
	for word := range strings.FieldsSeq(folded) {
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
	if before < utf8.RuneSelf && r < utf8.RuneSelf {
		return alphanumericASCII(before) != alphanumericASCII(r)
	}
	if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) {
		return true
	}
	return alphanumeric(before) != alphanumeric(r)
}

func alphanumericASCII(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// alphanumeric counts marks to the letters that they stand on.
func alphanumeric(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// Fold folds s, and makes every kind of space the same. Controls and characters
// that do not show are left out, and so is what is no UTF-8.
func Fold(s string) string { return folding.Fold(s, plain) }

func plain(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.Is(unicode.Cc, r), r == utf8.MaxRune: // End's
		return -1
	}
	return r
}

// End returns a text that sorts after every term that begins with prefix,
// and before every other that sorts after prefix, both by bytes.
func End(prefix string) string { return prefix + string(utf8.MaxRune) }

// Edition names the way in which names are folded and cut.
const Edition = "1/" + folding.Edition
