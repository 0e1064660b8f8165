package emoji

import (
	"sort"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestOneEmojiIsOne(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"👍":          "👍",
		"👍🏽":         "👍🏽",
		"❤️":         "❤️",
		"❤":          "❤️", // as some keyboards send it
		"©":          "©️",
		"1️⃣":        "1️⃣",
		"#⃣":         "#️⃣",
		"🇩🇪":         "🇩🇪",
		"🏴󠁧󠁢󠁳󠁣󠁴󠁿":    "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
		"👩‍💻":        "👩‍💻",
		"👩🏿‍❤️‍💋‍👨🏻": "👩🏿‍❤️‍💋‍👨🏻",
		"👨‍👩‍👧‍👦":    "👨‍👩‍👧‍👦",
		"🏳️‍🌈":       "🏳️‍🌈",
		"🏳‍🌈":        "🏳️‍🌈",
		"\U0001fae9": "\U0001fae9", // of Unicode 16
	} {
		if got, ok := One(s); !ok || got != want {
			t.Errorf("%q: %q, %v", s, got, ok)
		}
	}
	for _, s := range []string{
		"", " ", "a", "1", "#", "ä", "👍👍", "👍 ", " 👍", "👍a", ":+1:", ":shipit:", "🇩", "🇩🇩", "🇽🇽", "\ufe0f", "\u200d", "👍\u200d",
		"👍‍👍", "\x00", "👍\x00", "\xff", "👍\xff", "<b>", strings.Repeat("👍", 20), strings.Repeat(selector, 30), "中", "🏻👍",
		"👩‍👩‍👩‍👩‍👩", "👍" + strings.Repeat("🏽", 3), "👍\u0301", "\u202e👍",
	} {
		if got, ok := One(s); ok {
			t.Errorf("%q is taken for %q", s, got)
		}
	}
}

func TestTheListIsWholeAndSortedAndHasNoTwoThatLookTheSame(t *testing.T) {
	t.Parallel()
	all := strings.Split(strings.TrimSuffix(rgi, "\n"), "\n")
	if len(all) != 3953 || !sort.StringsAreSorted(all) || !utf8.ValidString(rgi) {
		t.Fatalf("%d lines", len(all))
	}
	if n := len(qualified()); n != len(all) {
		t.Errorf("%d of %d differ without selectors", n, len(all))
	}
	for _, e := range all {
		if got, ok := One(e); !ok || got != e || len(e) > MaxBytes {
			t.Errorf("%q: %q, %v, %d bytes", e, got, ok, len(e))
		}
	}
}

func FuzzWhateverIsTakenIsOneOfTheList(f *testing.F) {
	for _, s := range []string{"👍🏽", "❤", "🏳‍🌈", "x", "\xff", "👍\ufe0f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, ok := One(s)
		if !ok {
			return
		}
		if !strings.Contains("\n"+rgi, "\n"+e+"\n") || strings.ReplaceAll(s, selector, "") != strings.ReplaceAll(e, selector, "") {
			t.Errorf("%q became %q", s, e)
		}
		if again, ok := One(e); !ok || again != e {
			t.Errorf("%q, taken for one, is none: %q", e, again)
		}
	})
}
