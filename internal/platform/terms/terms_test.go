package terms_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"chatd/internal/platform/terms"
)

func TestATextIsFoldedIntoTerms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                      "",
		"The the THE":           "the",
		"café Café cafe\u0301":  "cafe",
		"Straße, STRASSE":       "strasse",
		"東京都 a東":                "a 京都 東 東京 都",
		"🎉🎉!":                   "🎉 🎉🎉",
		"ｶﾞﾗｽ":                  "ガラ ス ラス",
		"ﬁne x² ½":              "1⁄2 fine x2",
		"co\u00adop\u200ber":    "cooper",
		"مَرْحَبًا":             "مرحبا",
		"a/b_c":                 "a b c",
		"\xff\xfe\x00ok\ufffd":  "ok",
		"\u0301\u200d🏻":         "",
		strings.Repeat("y", 99): strings.Repeat("y", 32),
	} {
		if got := strings.Join(terms.Of(text), " "); got != want {
			t.Errorf("%q has %q, want %q", text, got, want)
		}
	}
}

func TestWhatIsFoundIsToldInCodePointsOfTheText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ query, text, want string }{
		{"strasse", "In der STRAẞE 5, Straßenbahn", "In der [STRAẞE] 5, [Straßenbahn]"},
		{"nai", "🎉 naïve NAI\u0308VE snail", "🎉 [naïve] [NAI\u0308VE] snail"},
		{"東京 都", "東京都と東京", "[東京都]と[東京]"},
		{"a.b b", "a-b, a b; b c", "[a-b], [a b]; [b] c"},
		{"foo", "foofoo <b>foo</b>", "[foofoo] <b>[foo]</b>"},
		{"b a", "b", ""},
		{"x y", "y\u0301x", ""},
		{"🎉", "🎉🎉a🎉", "[🎉🎉]a[🎉]"},
	} {
		q, ok := terms.Parse(c.query)
		if !ok {
			t.Fatal(c.query)
		}
		where, ok := q.Find(c.text, 50)
		if ok != (c.want != "") || ok && marked(c.text, where) != c.want {
			t.Errorf("%q in %q: %v %q, want %q", c.query, c.text, ok, marked(c.text, where), c.want)
		}
	}
	q, _ := terms.Parse("a")
	if where, ok := q.Find(strings.Repeat("a ", 100), 7); !ok || len(where) != 7 || where[6] != (terms.Range{Start: 12, End: 13}) {
		t.Error(where, ok)
	}
}

func marked(text string, where []terms.Range) string {
	runes, out, at := []rune(text), "", 0
	for _, r := range where {
		out += string(runes[at:r.Start]) + "[" + string(runes[r.Start:r.End]) + "]"
		at = r.End
	}
	return out + string(runes[at:])
}

// has says what an index says.
func has(of []string, n terms.Need) bool {
	if !n.Prefix {
		return slices.Contains(of, n.Text)
	}
	return slices.ContainsFunc(of, func(s string) bool { return s >= n.Text && s < n.End() })
}

// What Find finds has all needs, or an index would lose it; terms are such
// that no engine takes them apart; highlights lie in the text.
func FuzzQueriesAndTexts(f *testing.F) {
	for _, seed := range [][2]string{
		{"hello wor", "Hello, World"},
		{"東京", "東京都"},
		{"ｶﾞ", "ガラス"},
		{"a.b-c", "a b c d"},
		{"用iPhone用", "x用iPhone用ケース"},
		{"🎉👩‍👧", "🎉👩‍👧"},
		{"กำ", "กำไร"},
		{"ǅ İ ŉ ΐ", "ǆ i̇ ʼn ΐ"},
		{"\u0345Ａ⁄½", "½ ℀ ㎏ ﷺ"},
		{"words' & \"the\\", "words the"},
		{"각", "각도"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, query, text string) {
		q, ok := terms.Parse(query)
		of := terms.Of(text)
		if len(of) > utf8.RuneCountInString(text) {
			t.Fatalf("%d terms", len(of))
		}
		for _, s := range of {
			if s == "" || utf8.RuneCountInString(s) > 64 || !utf8.ValidString(s) {
				t.Fatalf("a term %q", s)
			}
			for _, r := range s {
				if r < utf8.RuneSelf && !('a' <= r && r <= 'z' || '0' <= r && r <= '9') || unicode.IsSpace(r) || r == 0xe000 {
					t.Fatalf("a term with %q: %q", r, s)
				}
			}
		}
		if !ok {
			return
		}
		where, found := q.Find(text, 10)
		last := -1
		for _, r := range where {
			if r.Start <= last || r.End <= r.Start || r.End > utf8.RuneCountInString(text) {
				t.Fatalf("ranges %v", where)
			}
			last = r.End
		}
		for _, n := range q.Needs() {
			if found && !has(of, n) {
				t.Fatalf("%q is found, its index has no %+v: %q", query, n, of)
			}
		}
		if _, found := q.Find(query, 10); !found {
			t.Fatalf("%q does not find itself", query)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	for name, text := range map[string]string{
		"latin":    "Deploy of chatd-server 2.15 is done, please look at the dashboards before lunch; naïve users might be café-bound.",
		"ASCII":    "Deploy of chatd-server 2.15 is done, please look at the dashboards before lunch; naive users might be cafe-bound.",
		"Cyrillic": "Сервер обновлён до версии 2.15, посмотрите, пожалуйста, на графики до обеда; возможны короткие перерывы.",
		"Japanese": "サーバーのデプロイが完了しました。昼食の前にダッシュボードを確認してください。",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				terms.Of(text)
			}
		})
	}
}
