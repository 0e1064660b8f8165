package usertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
)

var somebody = principal.Principal{Role: principal.Member}

// service searches a store as clients do.
func service(s user.Store) *user.Service {
	return user.New(user.Deps{Store: s, Cursors: page.NewSealer([]byte("0123456789abcdef"))}, user.Config{})
}

func find(t *testing.T, s user.Store, query string) []string {
	t.Helper()
	found, err := service(s).Search(t.Context(), somebody, query, page.Args{})
	if err != nil {
		t.Errorf("search for %q: %v", query, err)
	}
	names := make([]string, 0, len(found.Profiles))
	for _, p := range found.Profiles {
		names = append(names, p.Username)
	}
	return names
}

func searches(t *testing.T, s user.Store) {
	for username, name := range map[string]string{
		"ada.l": "Ada Lovelace", "adam_s": "Adam Smith", "zoe": "Zoë Łukasz-Søndergård", "strasse": "Große Straße",
		"kanji": "漢字 太郎", "taro": "山田太郎", "space": "Astro 👩‍🚀 Naut", "pct": "100% Öl_ein", "quote": `"Bob" O'Neill`,
		"hangul": "김철수", "full": "Ｆｕｌｌ Ｗｉｄｔｈ", "greek": "Σίσυφος", "ada": "Zed", "zzz": "ADA", "leo": "Лев Толстой",
		"ligature": "ﷺ" + strings.Repeat("ﷺ", 63),
	} {
		add(t, s, Profile(username, name))
	}
	for query, want := range map[string]string{
		"ad": "ada ada.l zzz adam_s", "ADA": "ada zzz ada.l adam_s", "ada l": "ada.l", "lovelace ada": "ada.l", "l": "ada.l leo ligature zoe",
		"  ada\t": "ada zzz ada.l adam_s", "ada ada": "ada ada.l zzz adam_s", "velace": "ada.l", "adam_": "adam_s", "_s": "adam_s",
		"zoe": "zoe", "ZOÉ": "zoe", "lukasz": "zoe", "sondergard": "zoe", "łu": "zoe", "straße": "strasse", "STRASS": "strasse",
		"grosse": "strasse", "漢": "kanji", "字": "kanji", "太郎": "kanji taro", "田太": "taro", "👩‍🚀": "space", "👩": "space", "100%": "pct",
		"%": "pct", "ol_": "pct", `"bob"`: "quote", `"`: "quote", "bob": "quote", "o'n": "quote", "'": "quote", "neill": "quote",
		"김": "hangul", "full wid": "full", "ｗidth": "full", "σισυφοσ": "greek", "ΣΊΣΥΦΟΣ": "greek", "nobody": "", "adа": "",
		"zzz": "zzz", "толстой": "leo", "velace adda": "ada.l", "velace qqqq": "", "lovelase ada": "ada.l", "ada lovelase": "ada.l", "smit adam": "adam_s", "smti adam": "adam_s",
	} {
		if got := strings.Join(find(t, s, query), " "); got != want {
			t.Errorf("%q finds %q, want %q", query, got, want)
		}
	}
}

// searchForgives asks for misspelt names, and compares each answer with that of
// reading through all words.
func searchForgives(t *testing.T, s user.Store) {
	reference := NewFake()
	for username, name := range map[string]string{
		"jdoe": "John Doe", "jojo": "Johnny Johnson", "mike": "Michael Schneider", "michelle": "Michelle Schnieder", "alex": "Alexander Lovelace",
		"sandra": "Alexandra Smith", "smythe": "Jon Smythe", "hanna": "Johanna Annan", "leo": "Лев Толстой", "taro": "山田太郎左衛門", "ioana": "Iohn Quincy",
		"x.alexander.x": "Nobody Else", "alexandre": "Same Too", "zoe": "Zoë Łukasz-Søndergård",
	} {
		p := Profile(username, name)
		add(t, s, p)
		if err := reference.Create(context.Background(), p); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]string{
		"jonh": "jdoe smythe", "jhon": "jdoe smythe", "johm": "jdoe", "iohn": "ioana jdoe", "micheal": "mike michelle", "alexnader": "alex x.alexander.x alexandre sandra",
		"shneider": "mike michelle", "sondergrad": "zoe", "толтсой": "leo", "山田太朗左衛門": "taro", "alexandr": "sandra alexandre alex x.alexander.x",
		"jonh doe": "jdoe", "doe jonh": "jdoe", "jonh smythe": "smythe", "jonh schneider": "", "johnny johnsno": "jojo", "qqqqqqqq": "", "lexander": "alex x.alexander.x alexandre sandra",
	} {
		got := find(t, s, query)
		if wants := find(t, reference, query); !slices.Equal(got, wants) {
			t.Errorf("%q finds %q; reading all words through, %q", query, got, wants)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q finds %q, want %q", query, got, want)
		}
	}
}

func searchFollows(t *testing.T, s user.Store) {
	p := Profile("ada", "Ada Byron")
	add(t, s, p)
	_, err := s.Update(t.Context(), p.ID, func(p *user.Profile) error { p.DisplayName = "Countess Lovelace"; return nil })
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{"byron": 0, "bryon": 0, "ada byron": 0, "love": 1, "countess": 1, "coutness": 1, "ada": 1, "countess lovelace": 1} {
		if got := find(t, s, query); len(got) != want {
			t.Errorf("%q finds %q", query, got)
		}
	}
}

func searchPages(t *testing.T, s user.Store) {
	const n = 25
	var want []string
	for i := range n {
		name := fmt.Sprintf("same%02d", 2*i)
		add(t, s, Profile(name, "Same Name"))
		want = append(want, name)
	}
	svc, first := service(s), int32(4)
	got, after := []string(nil), (*string)(nil)
	for turn := 0; ; turn++ {
		found, err := svc.Search(t.Context(), somebody, "name sam", page.Args{First: &first, After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found.Profiles {
			got = append(got, p.Username)
		}
		if !found.Info.HasNext {
			break
		}
		if len(found.Profiles) != int(first) || found.Info.HasPrevious != (turn > 0) {
			t.Fatalf("page %d has %d, %+v", turn, len(found.Profiles), found.Info)
		}
		after = &found.Info.End
		// Others write meanwhile, before and behind the place.
		add(t, s, Profile(fmt.Sprintf("aaa%02d", turn), "Same Name"), Profile(fmt.Sprintf("zzz%02d", turn), "Other"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("paged through\n%q, want\n%q", got, want)
	}
}

// searchLiteral compares what a store finds with what comparing texts finds.
func searchLiteral(t *testing.T, s user.Store) {
	reference := NewFake()
	names := []string{"100%", "_under", `back\slash`, `"quoted"`, "'; DROP TABLE", "plain", "$1 $2", "{$ne: 1}", "a*b", "漢字"}
	for i, name := range append(names, Injections[:20]...) {
		p := Profile(fmt.Sprintf("u%02d", i), clip(name, 64))
		add(t, s, p)
		if err := reference.Create(context.Background(), p); err != nil {
			t.Fatal(err)
		}
	}
	for _, attack := range slices.Concat(Injections, names) {
		if got, want := find(t, s, attack), find(t, reference, attack); !slices.Equal(got, want) {
			t.Errorf("%q finds %q, want %q", attack, got, want)
		}
	}
	if got := find(t, s, "plain"); len(got) != 1 {
		t.Errorf("afterwards %q", got)
	}
}

func clip(s string, n int) string {
	r := []rune(s)
	return string(r[:min(len(r), n)])
}

// Injections are 60 texts that mean something to a database, a pattern or a
// full-text search, and must mean nothing here.
var Injections = []string{
	"'", `"`, "`", `\`, `\'`, "''", "%", "_", "%%", "a%", "%a%", "__", `\%`, `\_`, "*", "?", "^", "$", ".*", "(?i)a",
	"' OR '1'='1", `" OR "1"="1`, "' OR 1=1 --", "' OR 1=1 #", "') OR ('1'='1", "1; SELECT 1", "'; DROP TABLE user_profiles; --",
	"' UNION SELECT NULL,NULL,NULL --", "' UNION ALL SELECT id FROM auth_accounts --", "admin'--", "admin'/*", "/**/", "--", "#",
	"'||'a", "'+'a", "' AND pg_sleep(9) --", "'; SELECT pg_sleep(9) --", "' || (SELECT 1) || '", "CHAR(97)", "0x61", "$1", "$$a$$",
	":name", "@a", "?1", "{{a}}", "${a}", "<%= a %>", `{"$gt":""}`, `{"$where":"1"}`, `[$regex]=.*`, "a NEAR b", `"a" AND b`,
	"NOT a", "a OR b", "col:a", "a\x00b", "\u2018a\u2019", "\uff07 OR 1=1",
}
