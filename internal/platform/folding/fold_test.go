package folding_test

import (
	"testing"
	"unicode"
	"unicode/utf8"

	"chatd/internal/platform/folding"
)

func whole(r rune) rune { return r }

func TestWhatAReaderTakesForTheSameIsFoldedAlike(t *testing.T) {
	t.Parallel()
	for want, all := range map[string][]string{
		"strasse":  {"Straße", "STRASSE", "straſſe", "ｓｔｒａｓｓｅ"},
		"zoe":      {"Zoë", "ZOE\u0308", "zo\u200be"},
		"lukasz":   {"Łukasz", "ŁUKASZ"},
		"soren":    {"Søren", "SØREN"},
		"aegir":    {"Ægir", "ÆGIR"},
		"σισυφοσ":  {"Σίσυφος", "ΣΊΣΥΦΟΣ"},
		"istanbul": {"İstanbul", "ıstanbul"},
		"محمد":     {"مُحَمَّد", "محمـد"},
		"ガラス":      {"ｶﾞﾗｽ"},
	} {
		for _, s := range all {
			if got := folding.Fold(s, whole); got != want {
				t.Errorf("%q is folded to %q, want %q", s, got, want)
			}
		}
	}
}

// To fold twice is to fold once, else what is stored would not be what is asked
// for; and nothing silent is left.
func FuzzFold(f *testing.F) {
	for _, s := range []string{"Straße", "ǅ İ ŉ ΐ", "\u0345Ａ⁄½", "½ ℀ ㎏ ﷺ", "กำไร", "각", "👩‍🚀🏻", "\xff\x00", "a\u0338\u0323", "\u1fb7\u03c2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := folding.Fold(s, whole)
		if !utf8.ValidString(once) {
			t.Fatalf("%q is folded to %q", s, once)
		}
		if twice := folding.Fold(once, whole); twice != once {
			t.Fatalf("%+q is folded to %+q, and that to %+q", s, once, twice)
		}
		for _, r := range once {
			if unicode.Is(unicode.Cf, r) || 0x300 <= r && r <= 0x36f {
				t.Fatalf("%+q has %+q", once, r)
			}
		}
	})
}
