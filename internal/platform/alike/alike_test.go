package alike_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"chatd/internal/platform/alike"
)

func TestMisspeltWordsAreLikeTheOnesThatAreMeant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		asked, is string
		want      int
	}{
		{"jonh", "john", 750},
		{"jhon", "john", 750},
		{"ojhn", "john", 750},
		{"jon", "john", 0},
		{"johm", "john", 750},
		{"xohn", "john", 750},
		{"johnn", "john", 800},
		{"jxyn", "john", 0},
		{"micheal", "michael", 858},
		{"mcihael", "michael", 858},
		{"michal", "michael", 858},
		{"alexnader", "alexander", 889},
		{"alxander", "alexander", 889},
		{"elexnader", "alexander", 778},
		{"alexnad", "alexander", 778},
		{"velace", "lovelace", 875},
		{"anna", "johanna", 786},
		{"lovelace", "lovelac", 875},
		{"shneider", "schneider", 889},
		{"smith", "smythe", 0},
		{"наташа", "наташка", 858},
		{"ннаташа", "наташа", 858},
		{"山田太朗", "山田太郎", 750},
		{"abcd", "wxyz", 0},
		{"user1", "user2", 0},
		{"uesr1", "user1", 800},
		{"anna1990", "anna1991", 0},
		{"anan1990", "anna1990", 875},
		{"lovelace", "lvelace", 875},
		{"lovelace", "lovlaec", 750},
		{"lovelace", "lvlcae", 0},
		{"lovelace", "lvelcae", 0}, // no piece is left: exchanged letters broke two
	} {
		w, ok := alike.Of(c.asked)
		got := 0
		if ok {
			got = w.Similarity(c.is)
		}
		if got != c.want {
			t.Errorf("%s is like %s by %d, want %d", c.is, c.asked, got, c.want)
		}
	}
}

func TestEverySingleSlipInAWordOfFourLettersAndMoreIsForgiven(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"john", "maria", "oliver", "michael", "schneider", "лев-толстой"} {
		r := []rune(word)
		var slips []string
		for i := range r {
			slips = append(slips,
				string(r[:i])+string(r[i+1:]), string(r[:i])+"q"+string(r[i:]), string(r[:i])+"q"+string(r[i+1:]))
			if i > 0 {
				slips = append(slips, string(r[:i-1])+string(r[i])+string(r[i-1])+string(r[i+1:]))
			}
		}
		for _, asked := range append(slips, word+"q") {
			w, ok := alike.Of(asked)
			if ok && w.Similarity(word) < 500 {
				t.Errorf("%q does not find %q", asked, word)
			}
		}
	}
}

// A spelling keeps length and parts, an index finds by it whatever the rule
// takes; and nothing is more like a word than itself.
func FuzzWords(f *testing.F) {
	for _, s := range [][2]string{{"jonh", "john"}, {"alexnader", "alexander"}, {"山田太郎", "太郎"}, {"a.b-c_d", "\x00\xff"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, asked, is string) {
		for _, s := range []string{asked, is} {
			spelling := alike.Spell(s)
			if len(spelling) != utf8.RuneCountInString(s) || strings.Trim(spelling, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
				t.Fatalf("%q is spelt %q", s, spelling)
			}
			if utf8.ValidString(s) && alike.Reverse(alike.Reverse(s)) != s {
				t.Fatalf("%q is reversed to %q", s, alike.Reverse(s))
			}
		}
		if strings.Contains(is, asked) && utf8.ValidString(asked) && !strings.Contains(alike.Spell(is), alike.Spell(asked)) && utf8.ValidString(is) {
			t.Fatalf("%q is not in the spelling of %q", asked, is)
		}
		w, ok := alike.Of(asked)
		if !ok {
			return
		}
		if like := w.Similarity(is); like < 0 || like > 1000 {
			t.Fatalf("%q is like %q by %d", is, asked, like)
		}
		if like := w.Similarity(asked); like != 1000 {
			t.Fatalf("%q is like itself by %d", asked, like)
		}
	})
}
