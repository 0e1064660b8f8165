package auth

import (
	"errors"
	"net/mail"
	"strings"
	"testing"
	"unicode"
)

// Whatever is given as an address is one plain address or refused: it has one
// meaning to mail servers, and cannot end a header line or name a second one.
func FuzzEmail(f *testing.F) {
	for _, seed := range []string{
		"ada@example.org", " Ada@Example.ORG ", "a.b+c@x-y.example", "", "@", "a@", "@b", "a@b@c", "a@b,c@d", "a@b\r\nBcc: c@d", "<a@b>", "A <a@b>", `"a b"@c.org`,
		"а@example.org", "a@еxample.org", "a\x00@b.org", "a@[127.0.0.1]", "a@b..c", ".a@b.c", "a@-b.c", "a(comment)@b.c", "\u202ea@b.c", "a@b.c\u200b", "K@b.c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		email, err := cleanEmail(text)
		if err != nil {
			if !errors.Is(err, ErrBadEmail) || email != "" {
				t.Fatalf("%q: %q %v", text, email, err)
			}
			return
		}
		if strings.Count(email, "@") != 1 || len(email) > 254 || strings.ContainsFunc(email, func(r rune) bool {
			return r > unicode.MaxASCII || r <= ' ' || r == 0x7f || strings.ContainsRune(`()<>[]:;,\"`, r)
		}) {
			t.Fatalf("%q was taken as %q", text, email)
		}
		if again, err := cleanEmail(email); err != nil || again != email {
			t.Fatalf("%q, cleaned %q, is %q the second time: %v", text, email, again, err)
		}
		key := emailKey(email)
		if again, err := cleanEmail(key); err != nil || emailKey(again) != key || !strings.EqualFold(key, email) {
			t.Fatalf("%q is kept as %q: %v", email, key, err)
		}
		if parsed, err := mail.ParseAddress(email); err != nil || parsed.Address != email || parsed.Name != "" {
			t.Fatalf("%q is %v to others: %v", email, parsed, err)
		}
	})
}
