package chathttp

import (
	"mime"
	"net/url"
	"strings"
	"testing"
)

// Whatever a file is called, browsers read that back and no other header.
func FuzzDisposition(f *testing.F) {
	for _, name := range []string{"a.png", `a"b\c.txt`, "naïve 日本語.pdf", "100%.txt", "a\r\nSet-Cookie: x", ";filename=x", "a+b c"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		head := disposition(false, name)
		if strings.ContainsAny(head, "\r\n\x00") {
			t.Fatalf("%q", head)
		}
		kind, params, err := mime.ParseMediaType(head)
		if err != nil || kind != "attachment" {
			t.Fatalf("%q: %v", head, err)
		}
		_ = params
		_, coded, _ := strings.Cut(head, "filename*=UTF-8''")
		back, err := url.PathUnescape(coded)
		if err != nil || back != name {
			t.Fatalf("%q came back as %q, %v", name, back, err)
		}
	})
}
