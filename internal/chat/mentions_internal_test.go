package chat

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"chatd/internal/platform/ids"
)

func TestNamesAreFoundInTextsAndNotInCode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                  "",
		"no names":                          "",
		"@ada":                              "ada",
		"Hello @Ada, and @BOB!":             "ada bob",
		"(@ada) *@bob* _@cyd_ \"@dan\"":     "ada bob cyd_|cyd dan",
		"@ada @ada @ADA":                    "ada",
		"@ada.":                             "ada.|ada",
		"@ada... what":                      "ada...|ada..|ada.|ada",
		"@ada-bob_c.d":                      "ada-bob_c.d",
		"see @ada\n@bob\r\n\t@cyd":          "ada bob cyd",
		"ada@example.org":                   "",
		"a.b+c@example.org":                 "",
		"a_@example":                        "",
		"žluť@example":                      "",
		"@adaé @éva @日本":                    "",
		"日本@ada":                            "",
		"日本 @ada、@bob":                      "ada bob",
		"@ada@example.org":                  "",
		"https://example.org/@ada":          "",
		"@@ada":                             "",
		`\@ada \\@bob`:                      "bob",
		"@ab @a @":                          "",
		"@" + strings.Repeat("a", 32):       strings.Repeat("a", 32),
		"@" + strings.Repeat("a", 33):       "",
		"@all":                              "all!",
		"@All: come, @ada.":                 "ada.|ada all!",
		"@all.":                             "all!",
		"@allan":                            "allan",
		"`@ada` @bob":                       "bob",
		"``@ada ` @cyd`` @bob":              "bob",
		"`@ada`` @cyd` @bob":                "bob",
		"an open ` and @ada":                "ada",
		"an open `` and @ada `@bob`":        "ada",
		"`never closed\n\n@ada ` @bob":      "ada bob",
		"`over\nlines @ada` @bob":           "bob",
		"\\`@ada` @bob":                     "ada bob",
		"```\n@ada\n```\n@bob":              "bob",
		"```go\n@ada\n``\n@cyd\n````\n@bob": "bob",
		"~~~\n@ada ```\n```\n~~~ x\n@cyd\n~~~\n@bob": "bob",
		"before @ada\n```\n@bob":                     "ada",
		"``` @ada ``` @bob":                          "bob",
		"   ```\n@ada\n   ```\n@bob":                 "bob",
		"@ada ```":                                   "ada",
		"@bob,@cyd;@dan/@eve":                        "bob cyd dan",
	} {
		names, all := mentionsIn(text)
		var got []string
		for _, forms := range names {
			got = append(got, strings.Join(forms, "|"))
		}
		if all {
			got = append(got, "all!")
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: %s, want %s", text, s, want)
		}
	}
}

func TestNoTextNamesMoreThanAMessageMentions(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 3 * MaxMentions {
		fmt.Fprintf(&text, "@user%d ", i)
	}
	names, all := mentionsIn(text.String() + "@all")
	if len(names) != MaxMentions || names[MaxMentions-1][0] != "user49" || !all {
		t.Fatal(len(names), all)
	}
}

// Whatever a text is, what is found in it could be a username, is in it, and
// is found again in the text with another after it.
func FuzzMentions(f *testing.F) {
	for _, seed := range []string{
		"@ada `@bob` ```\n@cyd\n```", "`` ` @ada ``` ~~~\n@all", `\@ada\\@bob\`, "@....@@ @ada... é@bob \u2028@cyd", "~~~~\n@a\n~~~\n@b", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names, all := mentionsIn(text)
		if len(names) > MaxMentions {
			t.Fatalf("%d names", len(names))
		}
		lower := strings.ToLower(text)
		for _, forms := range names {
			if len(forms) == 0 || len(forms) > maxForms {
				t.Fatalf("%d forms", len(forms))
			}
			for i, form := range forms {
				if len(form) < minName || len(form) > maxName || form == allName || strings.Trim(form, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
					t.Fatalf("%q is no username", form)
				}
				if utf8.ValidString(text) && !strings.Contains(lower, "@"+form) || i > 0 && !strings.HasPrefix(forms[i-1], form) {
					t.Fatalf("%q is not in the text", form)
				}
			}
		}
		if all && !strings.Contains(lower, "@all") {
			t.Fatal("nobody said all")
		}
		if strings.ContainsAny(text, "`~\\") || len(names) == MaxMentions {
			return
		}
		more, _ := mentionsIn(text + "\n\n@zoe")
		if !slices.ContainsFunc(more, func(forms []string) bool { return forms[0] == "zoe" }) {
			t.Fatalf("%q hides what follows", text)
		}
	})
}

func TestAnInputIsHashedAsItWasBeforeThereWereThreads(t *testing.T) {
	t.Parallel()
	s := &Service{Deps: Deps{Secret: []byte("0123456789abcdef0123456789abcdef")}}
	in := SendInput{Text: "text", ReplyTo: ids.New[ids.Message]()}
	h := hmac.New(sha256.New, s.Secret) // keys that were used last year must still be good
	h.Write(binary.BigEndian.AppendUint32(nil, 4))
	h.Write([]byte("text"))
	h.Write(in.ReplyTo.Bytes())
	if !slices.Equal(s.inputHash(in), h.Sum(nil)[:16]) {
		t.Error("a plain message has another hash")
	}
	seen := map[string]string{string(s.inputHash(in)): "plain"}
	u := ids.New[ids.User]()
	for name, change := range map[string]func(*SendInput){
		"in a thread":      func(in *SendInput) { in.ThreadRoot = in.ReplyTo },
		"in another":       func(in *SendInput) { in.ThreadRoot = ids.New[ids.Message]() },
		"with no mentions": func(in *SendInput) { in.Mentions = &[]ids.User{} },
		"with one":         func(in *SendInput) { in.Mentions = &[]ids.User{u} },
		"with two":         func(in *SendInput) { in.Mentions = &[]ids.User{u, u} },
		"with both":        func(in *SendInput) { in.ThreadRoot, in.Mentions = in.ReplyTo, &[]ids.User{u} },
		"without a reply":  func(in *SendInput) { in.ReplyTo, in.ThreadRoot = ids.Message{}, in.ReplyTo },
	} {
		other := in
		change(&other)
		if same, ok := seen[string(s.inputHash(other))]; ok {
			t.Errorf("a message %s has the hash of one %s", name, same)
		}
		seen[string(s.inputHash(other))] = name
	}
}

// peers is a Directory and the part of a Store that mentions need; it counts
// what it is asked.
type peers struct {
	Store

	names         map[string]ids.User
	in            []ids.User
	asked, looked int
}

func (p *peers) Known(context.Context, []ids.User) ([]ids.User, error) { return nil, nil }

func (p *peers) Named(_ context.Context, names []string) (map[string]ids.User, error) {
	p.asked++
	found := make(map[string]ids.User)
	for _, n := range names {
		if u, ok := p.names[n]; ok {
			found[n] = u
		}
	}
	return found, nil
}

func (p *peers) Among(_ context.Context, _ ids.User, _ ids.Conversation, of []ids.User) ([]ids.User, error) {
	p.looked++
	return slices.DeleteFunc(slices.Clone(of), func(u ids.User) bool { return !slices.Contains(p.in, u) }), nil
}

func TestMembersAreMentionedAndAPlainMessageAsksNobody(t *testing.T) {
	t.Parallel()
	u := make([]ids.User, 60)
	for i := range u {
		u[i] = ids.New[ids.User]()
	}
	ada, bob, stranger := u[0], u[1], u[2]
	p := &peers{names: map[string]ids.User{"ada": ada, "bob.": bob, "bob": stranger, "all": bob, "cyd": stranger}, in: append(slices.Clone(u[3:]), ada, bob)}
	s := &Service{Deps: Deps{Directory: p, Store: p}}
	for _, tt := range []struct {
		text          string
		given         *[]ids.User
		kind          Kind
		role          Role
		users         []ids.User
		all           bool
		asked, looked int
	}{
		{text: "plain"},
		{text: "a@example.org and `@ada`"},
		{text: "@nobody", asked: 1},
		{text: "@cyd", asked: 1, looked: 1},
		{text: "@ada, @cyd and @ADA", users: []ids.User{ada}, asked: 1, looked: 1},
		{text: "@bob.", users: []ids.User{bob}, asked: 1, looked: 1}, // the longest name that somebody has
		{text: "@ada", given: &[]ids.User{}},
		{text: "@ada", given: &[]ids.User{bob, stranger, bob}, users: []ids.User{bob}, looked: 1},
		{text: "x", given: &[]ids.User{stranger, {}}, looked: 1},
		{text: "@all", kind: Group, role: Plain},
		{text: "@all", kind: Direct, role: Plain},
		{text: "@all", kind: Group, role: Admin, all: true},
		{text: "@all", kind: Channel, role: Owner, all: true},
		{text: "@all `@ada`", kind: Group, role: Owner, given: &[]ids.User{}, all: true},
		{text: "@all @ada", kind: Group, role: Owner, users: []ids.User{ada}, all: true, asked: 1, looked: 1},
	} {
		p.asked, p.looked = 0, 0
		to, err := addressedBy(tt.text, tt.given)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.mentioned(t.Context(), ids.Conversation{}, ada, tt.kind, tt.role, to)
		if err != nil {
			t.Fatal(err)
		}
		if (m == nil) != (tt.users == nil && !tt.all) || m != nil && (!slices.Equal(m.Users, tt.users) || m.All != tt.all) {
			t.Errorf("%q by %s of %s: %+v", tt.text, tt.role, tt.kind, m)
		}
		if p.asked != tt.asked || p.looked != tt.looked {
			t.Errorf("%q: %d and %d reads", tt.text, p.asked, p.looked)
		}
	}
	if _, err := addressedBy("x", &u); err == nil {
		t.Error("60 were taken")
	}
}
