package chathttp

import (
	"mime"
	"net/url"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/ids"
)

func TestALinkIsTheSameForAMinuteAndOverAfterFive(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	l := NewLinks("https://chat.example.org", []byte("0123456789abcdef0123456789abcdef"))
	l.now = func() time.Time { return now }
	id := ids.New[ids.Attachment]()
	first := l.File(id)
	if !strings.HasPrefix(first, "https://chat.example.org/files/"+id.String()+"?") {
		t.Error(first)
	}
	good := func(link string, thumbnail bool) time.Duration {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		return l.check(id, thumbnail, u.Query())
	}
	if left := good(first, false); left != 5*time.Minute {
		t.Errorf("good for %v", left)
	}
	now = now.Add(59 * time.Second)
	if l.File(id) != first {
		t.Error("within a minute it is another")
	}
	now = now.Add(time.Second)
	if next := l.File(id); next == first || good(next, false) != 5*time.Minute || good(first, false) != 4*time.Minute {
		t.Errorf("%s, %s", first, next)
	}
	if good(first, true) > 0 || good(l.Thumbnail(id), false) > 0 || good(l.Thumbnail(id), true) != 5*time.Minute {
		t.Error("a file's link is its thumbnail's")
	}
	other := NewLinks("", []byte("fedcba9876543210fedcba9876543210"))
	other.now = l.now
	if link := other.File(id); good(link, false) > 0 || !strings.HasPrefix(link, Path) {
		t.Errorf("of another server: %s", link)
	}
	now = now.Add(4 * time.Minute)
	if left := good(first, false); left > 0 {
		t.Errorf("after its time: %v", left)
	}
	// A clock that goes back makes no link good for longer.
	now = now.Add(-time.Hour)
	if left := good(first, false); left > 5*time.Minute {
		t.Errorf("good for %v", left)
	}
}

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
