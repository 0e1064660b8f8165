package links

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/ids"
)

func TestALinkIsTheSameForAMinuteAndOverAfterFive(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	clock := Config{Now: func() time.Time { return now }}
	s := New("https://chat.example.org", []byte("0123456789abcdef0123456789abcdef"), clock)
	ann, ben := ids.New[ids.User](), ids.New[ids.User]()
	const file, thumbnail = "/files/att_x", "/files/att_x/thumbnail"
	link := func(s *Signer, u ids.User, path string) string { return string(s.AppendLink(nil, u, path)) }
	good := func(link, path string) (ids.User, time.Duration) {
		t.Helper()
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		return s.Check(path, u.Query())
	}
	first := link(s, ann, file)
	if !strings.HasPrefix(first, "https://chat.example.org"+file+"?for="+ann.String()+"&until=") || string(s.AppendLink([]byte("x"), ann, file)) != "x"+first {
		t.Error(first)
	}
	if who, left := good(first, file); who != ann || left != 5*time.Minute {
		t.Errorf("%v's for %v", who, left)
	}
	now = now.Add(59 * time.Second)
	if link(s, ann, file) != first {
		t.Error("within a minute it is another")
	}
	now = now.Add(time.Second)
	next := link(s, ann, file)
	if _, left := good(next, file); next == first || left != 5*time.Minute {
		t.Errorf("%s for %v", next, left)
	}
	if _, left := good(first, file); left != 4*time.Minute {
		t.Errorf("the first for %v", left)
	}
	other := New("", []byte("fedcba9876543210fedcba9876543210"), clock)
	for what, bad := range map[string]string{
		"another path's": link(s, ann, thumbnail), "another server's": link(other, ann, file), "without a user": strings.Replace(first, "for=", "f=", 1),
		"with another user": strings.Replace(first, ann.String(), ben.String(), 1), "with another end": strings.Replace(first, "until=", "until=1", 1),
		"cut": first[:len(first)-1], "longer": first + "A", "padded": first + "==", "without a signature": strings.Replace(first, "sig=", "s=", 1),
	} {
		if who, left := good(bad, file); left > 0 || who != (ids.User{}) {
			t.Errorf("one that is %s: %v's for %v", what, who, left)
		}
	}
	if got := link(other, ann, file); !strings.HasPrefix(got, file+"?") {
		t.Errorf("without an origin: %s", got)
	}
	now = now.Add(4 * time.Minute)
	if _, left := good(first, file); left > 0 {
		t.Errorf("after its time: %v", left)
	}
	// A clock that goes back makes no link good for longer.
	now = now.Add(-time.Hour)
	if _, left := good(first, file); left > 5*time.Minute {
		t.Errorf("good for %v", left)
	}
}

func BenchmarkAppendLink(b *testing.B) {
	s, who := New("https://chat.example.org", make([]byte, 32), Config{}), ids.New[ids.User]()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = s.AppendLink(dst[:0], who, "/files/att_01m83rvxcnf479rx379ektzzzz/thumbnail")
	}
}
