package main

import (
	"bytes"
	"image"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/s3"
	"chatd/internal/platform/s3/s3test"
)

// inBucket are the names of what a bucket has, without checks of nodes that
// start.
func inBucket(t testing.TB, at string) (names []string) {
	t.Helper()
	b, err := s3.Open(s3.Config{URL: at})
	if err != nil {
		t.Fatal(err)
	}
	all, err := b.List(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if !strings.HasPrefix(o.Key, "check-") {
			names = append(names, o.Key)
		}
	}
	return names
}

const deleteMessageDoc = `mutation($id: ID!) { deleteMessage(input: {id: $id}) { message { id } } }`

// Files of a bucket go the way of those of a directory: up in pieces, also
// after a kill, into a message, to its members, and away with it.
func TestFilesLieInABucket(t *testing.T) {
	t.Parallel()
	at := s3test.URL(t)
	p := startProgram(t, append(slices.Clone(unlimited), "--s3-url", at, "--keep-unsent-files", "3s")...)
	all := p.people(t, "user", 3)
	ada, bob, eve := all[0], all[1], all[2]
	room := p.group(t, ada, bob)
	picture := pngOf(t, 900, 300)
	photo := p.upload(t, ada, "a.png", picture)
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16+3) // a little more than 1 MiB
	r := p.files(t, ada.token, http.MethodPost, "/files/", nil, "Tus-Resumable", "1.0.0", "Upload-Defer-Length", "1", "Upload-Metadata", called("a.bin"))
	where := r.head.Get("Location")
	patch := func(who person, at int, part []byte, head ...string) fileReply {
		t.Helper()
		return p.files(t, who.token, http.MethodPatch, where, bytes.NewReader(part),
			append([]string{"Tus-Resumable", "1.0.0", "Content-Type", tusBytes, "Upload-Offset", strconv.Itoa(at)}, head...)...)
	}
	if r := patch(ada, 0, large[:500_000]); r.status != 204 || r.head.Get("Upload-Offset") != "500000" {
		t.Fatal(r.status, r.head, string(r.body))
	}
	for what, c := range map[string]struct {
		got  fileReply
		want int
	}{
		"behind": {patch(ada, 499_999, large), 409}, "ahead": {patch(ada, 500_001, large), 409}, "somebody else": {patch(eve, 500_000, large), 404},
		"another's HEAD": {p.files(t, eve.token, http.MethodHead, where, nil, "Tus-Resumable", "1.0.0"), 404},
		"not all there":  {p.files(t, ada.token, http.MethodGet, where, nil), 404},
	} {
		if c.got.status != c.want {
			t.Errorf("%s: %d instead of %d: %s", what, c.got.status, c.want, c.got.body)
		}
	}
	p.kill()
	p.start(t)
	if got := p.files(t, ada.token, http.MethodHead, where, nil, "Tus-Resumable", "1.0.0").head.Get("Upload-Offset"); got != "500000" {
		t.Fatalf("after a kill the offset is %s", got)
	}
	if r := patch(ada, 500_000, large[500_000:], "Upload-Length", strconv.Itoa(len(large))); r.status != 204 {
		t.Fatal(r.status, string(r.body))
	}
	m, err := p.sendFiles(t, ada, room, "", "", photo, path.Base(where), p.upload(t, ada, "empty", nil))
	if err != nil {
		t.Fatal(err)
	}
	a := m.Attachments[0]
	if a.ContentType != "image/png" || *a.Width != 900 || a.ThumbnailURL == nil || m.Attachments[1].Size != len(large) || m.Attachments[2].Size != 0 {
		t.Errorf("%+v", m.Attachments)
	}
	get := func(who person, of string, head ...string) fileReply {
		t.Helper()
		return p.files(t, who.token, http.MethodGet, of, nil, head...)
	}
	r = get(bob, where)
	if r.status != 200 || !bytes.Equal(r.body, large) || r.head.Get("Accept-Ranges") != "bytes" {
		t.Errorf("a member: %d, %d bytes, %v", r.status, len(r.body), r.head)
	}
	if r := get(person{}, m.Attachments[1].URL, "Range", "bytes=1000000-1000004"); r.status != 206 || string(r.body) != string(large[1_000_000:1_000_005]) {
		t.Errorf("a range by link: %d %q", r.status, r.body)
	}
	if r := get(bob, where, "Range", "bytes=-5"); r.status != 206 || string(r.body) != string(large[len(large)-5:]) {
		t.Errorf("the end: %d %q", r.status, r.body)
	}
	if r := get(bob, where, "If-None-Match", r.head.Get("Etag")); r.status != 304 {
		t.Errorf("unchanged: %d", r.status)
	}
	if r := p.files(t, bob.token, http.MethodHead, where, nil); r.status != 200 || r.head.Get("Content-Length") != strconv.Itoa(len(large)) {
		t.Errorf("HEAD: %d %v", r.status, r.head)
	}
	if small, _, err := image.Decode(bytes.NewReader(get(bob, "/files/"+photo+"/thumbnail").body)); err != nil || small.Bounds().Dx() != 400 {
		t.Errorf("thumbnail: %v", err)
	}
	for _, of := range []string{where, "/files/" + photo, "/files/" + photo + "/thumbnail"} {
		if r := get(eve, of); r.status != 404 {
			t.Errorf("a stranger: %d", r.status)
		}
	}
	if r := p.files(t, ada.token, http.MethodPost, "/files/", strings.NewReader("\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 60)), "Tus-Resumable", "1.0.0",
		"Upload-Length", "67", "Content-Type", tusBytes); r.status != 415 {
		t.Errorf("a program: %d %s", r.status, r.body)
	}
	// What is begun, and what is whole but not sent, goes in time.
	p.upload(t, ada, "unsent", []byte("unsent"))
	if r := p.files(t, ada.token, http.MethodPost, "/files/", strings.NewReader("begun"), "Tus-Resumable", "1.0.0", "Upload-Length", "1000", "Content-Type", tusBytes); r.status != 201 {
		t.Fatal(r.status)
	}
	await(t, 30*time.Second, "what was not sent is removed", func() bool { return len(inBucket(t, at)) == 4 })
	if err := p.gql(t.Context(), ada.token, deleteMessageDoc, vars("id", m.ID), nil); err != nil {
		t.Fatal(err)
	}
	if left := inBucket(t, at); len(left) > 0 {
		t.Errorf("after the deletion: %v", left)
	}
	if left := onDiskOf(t, path.Join(p.dir, "uploads")); len(left) > 0 {
		t.Errorf("on this machine: %v", left)
	}
}

// Nodes that share a bucket need no directory: each takes any part, and what
// one has in a message the others show and delete.
func TestNodesShareABucket(t *testing.T) {
	t.Parallel()
	at := s3test.URL(t)
	nodes := startNodes(t, 2, "--s3-url", at)
	a, b := nodes[0], nodes[1]
	ada, bob := a.register(t, "ada"), b.register(t, "bob")
	room := a.group(t, ada, bob)
	content := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	where := a.files(t, ada.token, http.MethodPost, "/files/", nil, "Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(len(content))).head.Get("Location")
	offset := func(p *program) int {
		t.Helper()
		n, err := strconv.Atoi(p.files(t, ada.token, http.MethodHead, where, nil, "Tus-Resumable", "1.0.0").head.Get("Upload-Offset"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for at, tries := 0, 0; at < len(content); tries++ {
		if tries > 100 {
			t.Fatalf("no further than %d", at)
		}
		var wg sync.WaitGroup
		for i := range 4 { // some of them cut off before the others
			end := min(at+16_000+4_000*i, len(content))
			wg.Go(func() {
				r := nodes[i%2].files(t, ada.token, http.MethodPatch, where, bytes.NewReader(content[at:end]),
					"Tus-Resumable", "1.0.0", "Content-Type", tusBytes, "Upload-Offset", strconv.Itoa(at))
				if !slices.Contains([]int{204, 400, 404, 409, 423, 429}, r.status) {
					t.Errorf("a part: %d %s", r.status, r.body)
				}
			})
		}
		wg.Wait()
		next := offset(nodes[tries%2])
		if next < at {
			t.Fatalf("it went back from %d to %d", at, next)
		}
		at = next
	}
	m, err := b.sendFiles(t, ada, room, "from there", "", path.Base(where))
	if err != nil {
		t.Fatal(err)
	}
	for what, r := range map[string]fileReply{
		"by a member on the other node": b.files(t, bob.token, http.MethodGet, where, nil),
		"by the other's link":           a.files(t, "", http.MethodGet, m.Attachments[0].URL, nil),
	} {
		if r.status != 200 || !bytes.Equal(r.body, content) {
			t.Errorf("%s: %d, %d bytes", what, r.status, len(r.body))
		}
	}
	if err := a.gql(t.Context(), ada.token, deleteMessageDoc, vars("id", m.ID), nil); err != nil {
		t.Fatal(err)
	}
	if left := inBucket(t, at); len(left) > 0 {
		t.Errorf("after the deletion: %v", left)
	}
}

// Without its bucket a server goes on: files cannot be had, which is told by
// UNAVAILABLE and readiness, messages can, and when it is back so are they.
func TestWithoutItsBucketAServerGoesOn(t *testing.T) {
	t.Parallel()
	g := s3test.Start(t)
	at := g.URL(s3test.Bucket)
	p := startProgram(t, append(slices.Clone(unlimited), "--s3-url", at, "--keep-unsent-files", "2s")...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	id := p.upload(t, ada, "a", []byte("content"))
	m, err := p.sendFiles(t, ada, room, "", "", id)
	if err != nil {
		t.Fatal(err)
	}
	if body := readiness(t, p); !strings.Contains(body, `"s3":"ok"`) {
		t.Error(body)
	}
	g.Kill(t)
	for what, r := range map[string]fileReply{
		"a download": p.files(t, ada.token, http.MethodGet, "/files/"+id, nil),
		"an upload":  p.files(t, ada.token, http.MethodPost, "/files/", strings.NewReader("x"), "Tus-Resumable", "1.0.0", "Upload-Length", "1", "Content-Type", tusBytes),
	} {
		if r.status != 503 || !strings.Contains(string(r.body), "UNAVAILABLE") || strings.Contains(string(r.body), "127.0.0.1") {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	}
	if _, err := p.send(t.Context(), ada, room, "still", ""); err != nil {
		t.Errorf("a message: %v", err)
	}
	await(t, 20*time.Second, "readiness tells", func() bool { return strings.Contains(readiness(t, p), `"s3":"degraded"`) })
	if err := p.gql(t.Context(), ada.token, deleteMessageDoc, vars("id", m.ID), nil); err != nil {
		t.Errorf("a deletion: %v", err)
	}
	if r := p.files(t, ada.token, http.MethodGet, "/files/"+id, nil); r.status != 404 {
		t.Errorf("what was deleted: %d", r.status)
	}
	g.Again(t)
	await(t, 30*time.Second, "readiness is as before", func() bool { return strings.Contains(readiness(t, p), `"s3":"ok"`) })
	await(t, 40*time.Second, "what was deleted meanwhile is removed", func() bool { return len(inBucket(t, at)) == 0 })
	if again := p.upload(t, ada, "a", []byte("content")); p.files(t, ada.token, http.MethodGet, "/files/"+again, nil).status != 200 {
		t.Error("it is back, and files are not")
	}
	logged, err := os.ReadFile(p.logFile())
	if err != nil || strings.Contains(string(logged), s3test.Secret) || strings.Contains(string(logged), url.QueryEscape(s3test.Secret)) {
		t.Errorf("the log has the secret, or %v", err)
	}
}

func TestABucketThatCannotBeUsedIsToldInOneLine(t *testing.T) {
	t.Parallel()
	g := s3test.Start(t)
	host := g.Address()
	as := func(host, more string) string { return "http://" + s3test.Key + ":" + hidden + "@" + host + more }
	right := func(more string) string { return g.URL(s3test.Bucket) + more }
	mustBeRefused(t, "s3-url", map[string]badServer{
		"an unknown scheme":  {url: "s3://" + s3test.Key + ":" + hidden + "@" + host + "/chatd", says: []string{"https://KEY:SECRET@"}},
		"no keys":            {url: "http://" + host + "/chatd", says: []string{"https://KEY:SECRET@"}},
		"no bucket":          {url: as(host, ""), says: []string{"https://KEY:SECRET@", "bucket"}},
		"an unknown option":  {url: as(host, "/chatd?regoin=x"), says: []string{"https://KEY:SECRET@"}},
		"no such host":       {url: as("s3.invalid", "/chatd"), says: []string{"s3.invalid", "not known", "check its name"}},
		"nobody listens":     {url: as(freeAddr(t), "/chatd"), says: []string{"nobody listens", "start the server"}},
		"nobody answers":     {url: as(mute(t), "/chatd"), says: []string{"no answer within"}},
		"a wrong secret":     {url: as(host, "/chatd"), says: []string{host, "the key or its secret is refused"}},
		"a wrong key":        {url: "http://somebody:" + hidden + "@" + host + "/chatd", says: []string{"the key or its secret is refused"}},
		"no such bucket":     {url: g.URL("another"), says: []string{"no bucket another", "make it"}},
		"TLS is not spoken":  {url: strings.Replace(right(""), "http:", "https:", 1), says: []string{"http://"}},
		"one that is none":   {url: as(greeter(t), "/chatd"), says: []string{"no S3"}},
		"a directory beside": {url: right(""), args: []string{"--files-dir", t.TempDir()}, start: true, says: []string{"leave out"}},
	})
	if out := mustPassCheck(t, "--s3-url", right("/a/prefix")); !strings.Contains(out, "s3-url: S3 answers") {
		t.Errorf("the check says\n%s", out)
	}
	if left := inBucket(t, right("")); len(left) > 0 {
		t.Errorf("the check left %v", left)
	}
}
