package names_test

import (
	"slices"
	"strings"
	"testing"

	"chatd/internal/platform/names"
)

func TestNamesAreFoundByTheirFoldedWordsAndWhatBeginsInThem(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"Straßen-Bau":          {"-bau", "bau", "strassen-bau"},
		"ＡＢＣ ﬁn":               {"abc", "fin"},
		"Äpfel  äpfel\tÅ":      {"a", "apfel"},
		"東京":                   {"京", "東京"},
		"#general":             {"#general", "general"},
		"\u200b \x00\xff":      nil,
		"Ночь":                 {"ночь"},
		strings.Repeat("Ł", 3): {"lll"},
	} {
		if got := names.Of(name); !slices.Equal(got, want) {
			t.Errorf("%q is found by %q, want %q", name, got, want)
		}
	}
}

func TestAllThatBeginsWithAPrefixLiesBetweenItAndItsEnd(t *testing.T) {
	t.Parallel()
	for _, term := range []string{"a", "aa", "a\uffff", "a🙂", "az"} {
		if term < "a" || term >= names.End("a") {
			t.Errorf("%q is not between", term)
		}
	}
	for _, term := range []string{"b", "A", "ä", ""} {
		if term >= "a" && term < names.End("a") {
			t.Errorf("%q is between", term)
		}
	}
}
