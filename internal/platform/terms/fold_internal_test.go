package terms

import (
	"math/rand/v2"
	"testing"
	"unicode"
	"unicode/utf8"
)

// What is folded one by one is what it is folded to in whatever company.
func TestTheShortWayFoldsAsTheLongOne(t *testing.T) {
	t.Parallel()
	var within []rune // those that words are of
	short := 0        // of them, the first that the short way is for
	for r := range rune(unicode.MaxRune) {
		switch classOf(r) {
		case apart:
			continue
		case inWord, joined:
			if within = append(within, r); r <= lastFolded {
				short = len(within)
			}
		case alone:
		}
		same(t, string(unicode.ToLower(r)))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		var word []rune
		for range 1 + random.IntN(40) {
			upTo := len(within)
			if random.IntN(20) != 0 {
				upTo = short
			}
			word = append(word, within[random.IntN(upTo)])
		}
		same(t, lowerASCII(string(word)))
	}
}

func same(t *testing.T, word string) {
	t.Helper()
	if short, long := fold(word), foldAny(word); short != long || !utf8.ValidString(short) {
		t.Fatalf("%+q is folded to %+q and to %+q", word, short, long)
	}
}
