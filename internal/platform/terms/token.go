package terms

import (
	"sync"
	"unicode"
	"unicode/utf8"

	"chatd/internal/platform/folding"
)

// longest is how many code points of a word are told apart.
const longest = 32

// token is a part of a text, folded. Where it stands is in code points.
type token struct {
	text       string
	start, end int
	dense      bool // one character, not a word
}

// class says what a code point is to tokens.
type class uint8

const (
	apart class = iota // between tokens
	inWord
	alone  // a token of its own
	joined // belongs to what is before it
)

// spaceless are the scripts that set no spaces between words.
var spaceless = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

func classOf(r rune) class {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return inWord
	case r < utf8.RuneSelf, r == utf8.RuneError:
		return apart
	case r <= lastFolded && unicode.IsLetter(r):
		return inWord
	case unicode.IsMark(r), unicode.Is(unicode.Cf, r), r == 0xff9e, r == 0xff9f, // half-width voicing marks
		0x1f3fb <= r && r <= 0x1f3ff: // skin tones
		return joined
	case r == 0x30fc, r == 0xff70, unicode.IsOneOf(spaceless, r): // the long vowel mark is of no script
		return alone
	case unicode.IsLetter(r), unicode.IsNumber(r):
		return inWord
	case unicode.Is(unicode.So, r):
		return alone
	}
	return apart
}

// tokens cuts a text.
func tokens(s string) []token {
	var all []token
	cut(s, func(t token) { all = append(all, t) })
	return all
}

// cut calls found with each token of a text.
func cut(s string, found func(token)) {
	s = lowerASCII(s)
	var open token
	from, within, ascii := 0, apart, true // of the open token: its first byte, its class
	at := 0
	end := func(i int) {
		if within == apart {
			return
		}
		if ascii {
			open.text = s[from:min(i, from+longest)]
		} else {
			open.text = fold(s[from:i])
		}
		if open.text != "" {
			open.end, open.dense = at, within == alone
			found(open)
		}
		within, ascii = apart, true
	}
	for i, r := range s {
		switch c := classOf(r); {
		case c == joined, c == inWord && within == inWord:
		case c == apart:
			end(i)
		default:
			end(i)
			open, from, within = token{start: at}, i, c
		}
		ascii = ascii && r < utf8.RuneSelf
		at++
	}
	end(len(s))
}

// lowerASCII leaves everything where it is.
func lowerASCII(s string) string {
	capital := func(c byte) bool { return 'A' <= c && c <= 'Z' }
	for i := range len(s) {
		if !capital(s[i]) {
			continue
		}
		b := []byte(s)
		for i, c := range b {
			if capital(c) {
				b[i] = c + 'a' - 'A'
			}
		}
		return string(b)
	}
	return s
}

// fold makes alike what a search takes for the same. Nothing of ASCII but
// letters and digits is left. What is ASCII in it is folded already.
func fold(s string) string {
	b := make([]byte, 0, 64)
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf, 0x3041 <= r && r <= 0x3096, 0x30a1 <= r && r <= 0x30fa, 0x4e00 <= r && r <= 0x9fff:
			b = utf8.AppendRune(b, r) // hiragana, katakana and most of Han stay what they are
		case r <= lastFolded:
			b = append(b, folded()[r-utf8.RuneSelf]...)
		default:
			return foldAny(s)
		}
	}
	return first(string(b), longest)
}

// lastFolded ends the alphabets, Latin to Cyrillic, whose code points fold each
// by itself, since no mark on them is kept.
const lastFolded = 0x52f

var folded = sync.OnceValue(func() []string { //nolint:gochecknoglobals // A table.
	all := make([]string, lastFolded+1-utf8.RuneSelf)
	for i := range all {
		all[i] = foldAny(string(rune(utf8.RuneSelf + i)))
	}
	return all
})

// foldAny is fold for whatever stands in a word.
func foldAny(s string) string { return first(folding.Fold(s, plain), longest) }

func plain(r rune) rune {
	if r < utf8.RuneSelf && classOf(r) != inWord || unicode.IsSpace(r) || unicode.IsControl(r) {
		return -1
	}
	return r
}

// first returns at most n code points.
func first(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}
