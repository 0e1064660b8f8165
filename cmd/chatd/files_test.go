package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fileReply is an answer of the files' face.
type fileReply struct {
	status int
	head   http.Header
	body   []byte
}

// files asks the files' face; token may be empty, head has names and values.
func (p *program) files(t testing.TB, token, method, url string, body io.Reader, head ...string) fileReply {
	t.Helper()
	if strings.HasPrefix(url, "/") {
		url = p.url(url)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	if length := req.Header.Get("Content-Length"); length != "" {
		req.ContentLength, _ = strconv.ParseInt(length, 10, 64)
	}
	resp, err := filesClient.Do(req)
	if err != nil {
		t.Errorf("%s %s: %v", method, url, err)
		return fileReply{}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s %s: %v", method, url, err)
	}
	return fileReply{resp.StatusCode, resp.Header, b}
}

// filesClient waits to be asked for a body where Expect says so, as curl does.
var filesClient = &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 20 * time.Second}, Timeout: 40 * time.Second}

const tusBytes = "application/offset+octet-stream"

func called(name string) string {
	return "filename " + base64.StdEncoding.EncodeToString([]byte(name)) + ",filetype " + base64.StdEncoding.EncodeToString([]byte("image/lie"))
}

// upload uploads a file at once and returns its id.
func (p *program) upload(t testing.TB, who person, name string, content []byte) string {
	t.Helper()
	r := p.files(t, who.token, http.MethodPost, "/files/", bytes.NewReader(content), "Tus-Resumable", "1.0.0",
		"Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", called(name), "Content-Type", tusBytes)
	if r.status != http.StatusCreated || r.head.Get("Upload-Offset") != strconv.Itoa(len(content)) && len(content) > 0 {
		t.Fatalf("upload: %d %v %s", r.status, r.head, r.body)
	}
	return path.Base(r.head.Get("Location"))
}

type attachment struct {
	ID, Name, ContentType string
	Size                  int
	Width, Height         *int
	URL                   string
	ThumbnailURL          *string
}

type filed struct {
	ID          string
	Seq         int
	Text        *string
	Attachments []attachment
}

const filedFields = `id seq text attachments { id name contentType size width height url thumbnailUrl }`

// sendFiles sends uploads as a message.
func (p *program) sendFiles(t testing.TB, who person, room, text, key string, ids ...string) (filed, error) {
	t.Helper()
	in := vars("conversationId", room, "text", text, "attachmentIds", ids)
	if key != "" {
		in["clientId"] = key
	}
	var d struct{ SendMessage struct{ Message filed } }
	err := p.gql(t.Context(), who.token, `mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { `+filedFields+` } } }`, vars("i", in), &d)
	return d.SendMessage.Message, err
}

func pngOf(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(x * y), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// onDisk are the files in the program's directory of files.
func (p *program) onDisk(t testing.TB) []string {
	t.Helper()
	return onDiskOf(t, filepath.Join(p.dir, "files"))
}

func onDiskOf(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, name)
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// A file goes the whole way: up, into a message, to those who may have it, and
// away with the message.
func TestAFileGoesWithItsMessage(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 4)
		ada, bob, cyd, dan := all[0], all[1], all[2], all[3]
		room := p.group(t, ada, bob, cyd)
		picture := pngOf(t, 900, 300)
		id, text := p.upload(t, ada, "/etc/../Ferien \u202eé\x00.PNG", picture), p.upload(t, ada, "notes", []byte("<script>alert(1)</script>"))

		if r := p.files(t, ada.token, http.MethodGet, "/files/"+id, nil); r.status != 200 || !bytes.Equal(r.body, picture) {
			t.Errorf("the uploader before it is sent: %d", r.status)
		}
		if r := p.files(t, bob.token, http.MethodGet, "/files/"+id, nil); r.status != 404 {
			t.Errorf("a member before it is sent: %d", r.status)
		}
		if _, err := p.sendFiles(t, bob, room, "not mine", "", id); codeOf(err) != "BAD_USER_INPUT" {
			t.Errorf("another's upload: %v", err)
		}
		stream := listenAll(t, p.dial(t, bob), "1", nil)
		receive(t, stream)
		m, err := p.sendFiles(t, ada, room, "", "key", id, text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := p.sendFiles(t, ada, room, "", "key", id, text)
		if err != nil || again.ID != m.ID || len(again.Attachments) != 2 {
			t.Errorf("sent again: %+v %v", again, err)
		}
		if _, err := p.sendFiles(t, ada, room, "", "key", text, id); codeOf(err) != "CONFLICT" {
			t.Errorf("others under the key: %v", err)
		}
		if _, err := p.sendFiles(t, ada, room, "once more", "", id); codeOf(err) != "BAD_USER_INPUT" {
			t.Errorf("sent twice: %v", err)
		}
		a := m.Attachments[0]
		if a.ID != id || a.Name != "Ferien é.PNG" || a.ContentType != "image/png" || a.Size != len(picture) || *a.Width != 900 || *a.Height != 300 || a.ThumbnailURL == nil {
			t.Errorf("%+v", a)
		}
		if b := m.Attachments[1]; !strings.HasPrefix(b.ContentType, "text/html") || b.Width != nil || b.ThumbnailURL != nil {
			t.Errorf("%+v", b)
		}
		if e := receive(t, stream); e.Type != "MessageAdded" || e.Message.ID != m.ID {
			t.Errorf("%+v", e)
		}

		// Who may have it, with a token and by a link.
		get := func(who person, id string, head ...string) fileReply {
			return p.files(t, who.token, http.MethodGet, "/files/"+id, nil, head...)
		}
		r := get(bob, id)
		if r.status != 200 || !bytes.Equal(r.body, picture) || r.head.Get("Content-Type") != "image/png" ||
			r.head.Get("Content-Disposition") != `inline; filename="Ferien _.PNG"; filename*=UTF-8''Ferien%20%C3%A9.PNG` {
			t.Errorf("a member: %d %v", r.status, r.head)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"} {
			if got := r.head.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
		if csp := r.head.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") || !strings.Contains(csp, "default-src 'none'") {
			t.Errorf("policy %q", csp)
		}
		if r := get(bob, text); r.head.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(r.head.Get("Content-Disposition"), "attachment") {
			t.Errorf("a page: %v", r.head)
		}
		if r := get(bob, id, "Range", "bytes=10-19"); r.status != 206 || !bytes.Equal(r.body, picture[10:20]) {
			t.Errorf("a range: %d %d", r.status, len(r.body))
		}
		if r := get(bob, id, "If-None-Match", r.head.Get("Etag")); r.status != 304 || len(r.body) > 0 {
			t.Errorf("unchanged: %d", r.status)
		}
		if r := p.files(t, bob.token, http.MethodHead, "/files/"+id, nil); r.status != 200 || r.head.Get("Content-Length") != strconv.Itoa(len(picture)) {
			t.Errorf("HEAD: %d %v", r.status, r.head)
		}
		if r := p.files(t, "", http.MethodGet, a.URL, nil); r.status != 200 || !bytes.Equal(r.body, picture) || !strings.HasPrefix(r.head.Get("Cache-Control"), "private, max-age=") {
			t.Errorf("by link: %d %v", r.status, r.head)
		}
		small, _, err := image.Decode(bytes.NewReader(p.files(t, "", http.MethodGet, *a.ThumbnailURL, nil).body))
		if err != nil || small.Bounds().Dx() != 400 || small.Bounds().Dy() != 133 {
			t.Errorf("thumbnail: %v, %v", small, err)
		}
		for what, link := range map[string]string{
			"another file's": strings.Replace(a.URL, id, text, 1), "the thumbnail's": strings.Replace(*a.ThumbnailURL, "/thumbnail", "", 1),
			"another time's": strings.Replace(a.URL, "until=", "until=1", 1), "cut": a.URL[:len(a.URL)-1], "without a time": strings.Replace(a.URL, "until", "u", 1),
		} {
			if r := p.files(t, "", http.MethodGet, link, nil); r.status != 404 {
				t.Errorf("a link that is %s: %d", what, r.status)
			}
		}
		if err := p.gql(t.Context(), ada.token, removeDoc, vars("c", room, "u", cyd.id), nil); err != nil {
			t.Fatal(err)
		}
		const nobody = "att_01m83rvxcnf479rx379ektzzzz"
		for what, who := range map[string]person{"a removed member": cyd, "a stranger": dan} {
			for _, of := range []string{id, id + "/thumbnail", text} {
				theirs, none := get(who, of, "Range", "bytes=0-1", "If-None-Match", r.head.Get("Etag")), get(who, strings.Replace(strings.Replace(of, id, nobody, 1), text, nobody, 1))
				theirs.head.Del("X-Request-Id")
				none.head.Del("X-Request-Id")
				theirs.head.Del("Date")
				none.head.Del("Date")
				a, b := stripRequestID(theirs.body), stripRequestID(none.body)
				if theirs.status != 404 || fmt.Sprint(theirs.head) != fmt.Sprint(none.head) || a != b {
					t.Errorf("%s and %s: %d %v %s, of none: %v %s", what, of, theirs.status, theirs.head, a, none.head, b)
				}
			}
			var d struct{ Node *struct{ ID string } }
			if err := p.gql(t.Context(), who.token, `query($id: ID!) { node(id: $id) { id } }`, vars("id", id), &d); err != nil || d.Node != nil {
				t.Errorf("%s, node: %v %v", what, d.Node, err)
			}
		}
		if r := get(person{}, id); r.status != 401 {
			t.Errorf("nobody: %d", r.status)
		}
		if r := get(person{token: "nonsense"}, id); r.status != 401 {
			t.Errorf("a bad token: %d", r.status)
		}

		// What is sent is deleted with its message alone, and then for good.
		if r := p.files(t, ada.token, http.MethodDelete, "/files/"+id, nil, "Tus-Resumable", "1.0.0"); r.status != 404 {
			t.Errorf("DELETE of what is sent: %d", r.status)
		}
		if n := len(p.onDisk(t)); n != 3 {
			t.Errorf("on the disk: %v", p.onDisk(t))
		}
		if err := p.gql(t.Context(), ada.token, `mutation($id: ID!) { deleteMessage(input: {id: $id}) { message { text attachments { id } } } }`, vars("id", m.ID), nil); err != nil {
			t.Fatal(err)
		}
		if left := p.onDisk(t); len(left) > 0 {
			t.Errorf("after the deletion: %v", left)
		}
		for _, r := range []fileReply{get(ada, id), get(bob, id+"/thumbnail"), p.files(t, "", http.MethodGet, a.URL, nil)} {
			if r.status != 404 {
				t.Errorf("after the deletion: %d", r.status)
			}
		}
		if again, err = p.sendFiles(t, ada, room, "", "key", id, text); err != nil || again.ID != m.ID || len(again.Attachments) != 0 {
			t.Errorf("sent again after the deletion: %+v %v", again, err)
		}
	})
}

func stripRequestID(b []byte) string {
	text, _, _ := strings.Cut(string(b), `"requestId"`)
	return text
}

// An upload that is cut off goes on where it was, after a kill of the server
// too; nobody else sees it, and what does not fit changes nothing.
func TestAnUploadIsResumed(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	all := p.people(t, "user", 2)
	ada, eve := all[0], all[1]
	room := p.group(t, ada)
	content := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	r := p.files(t, ada.token, http.MethodPost, "/files/", nil, "Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", called("a.bin"))
	where := r.head.Get("Location")
	if r.status != 201 || !strings.HasPrefix(where, "/files/att_") {
		t.Fatal(r.status, where)
	}
	patch := func(who person, at int, part []byte, head ...string) fileReply {
		t.Helper()
		return p.files(t, who.token, http.MethodPatch, where, bytes.NewReader(part),
			append([]string{"Tus-Resumable", "1.0.0", "Content-Type", tusBytes, "Upload-Offset", strconv.Itoa(at)}, head...)...)
	}
	offset := func() string {
		t.Helper()
		return p.files(t, ada.token, http.MethodHead, where, nil, "Tus-Resumable", "1.0.0").head.Get("Upload-Offset")
	}
	if r := patch(ada, 0, content[:1000]); r.status != 204 || r.head.Get("Upload-Offset") != "1000" {
		t.Fatal(r.status, r.head)
	}
	if _, err := p.sendFiles(t, ada, room, "too early", "", path.Base(where)); codeOf(err) != "BAD_USER_INPUT" {
		t.Errorf("sent before it is complete: %v", err)
	}
	if r := p.files(t, ada.token, http.MethodGet, where, nil); r.status != 404 {
		t.Errorf("downloaded before it is complete: %d", r.status)
	}
	for what, c := range map[string]struct {
		got  fileReply
		want int
	}{
		"behind":            {patch(ada, 999, content), 409},
		"ahead":             {patch(ada, 1001, content), 409},
		"below zero":        {patch(ada, -1, content), 400},
		"no number":         {patch(ada, 0, content, "Upload-Offset", "x"), 400},
		"too long":          {patch(ada, 1000, append(slices.Clone(content), 0)), 413},
		"another type":      {patch(ada, 1000, content[1000:], "Content-Type", "image/png"), 400},
		"another version":   {patch(ada, 1000, content[1000:], "Tus-Resumable", "0.2.2"), 412},
		"somebody else":     {patch(eve, 1000, content[1000:]), 404},
		"nobody":            {patch(person{}, 1000, content[1000:]), 401},
		"another's HEAD":    {p.files(t, eve.token, http.MethodHead, where, nil, "Tus-Resumable", "1.0.0"), 404},
		"another's DELETE":  {p.files(t, eve.token, http.MethodDelete, where, nil, "Tus-Resumable", "1.0.0"), 404},
		"another method":    {p.files(t, ada.token, http.MethodPut, where, nil), 405},
		"an override":       {p.files(t, ada.token, http.MethodPost, where, nil, "X-HTTP-Method-Override", "DELETE", "Tus-Resumable", "1.0.0"), 405},
		"a path":            {p.files(t, ada.token, http.MethodHead, "/files/..%2f..%2fchatd.db", nil, "Tus-Resumable", "1.0.0"), 404},
		"the note of tusd":  {p.files(t, ada.token, http.MethodGet, where+".info", nil), 404},
		"a directory":       {p.files(t, ada.token, http.MethodGet, "/files/incoming", nil), 404},
		"all of them":       {p.files(t, ada.token, http.MethodGet, "/files/", nil), 405},
		"a negative length": {p.files(t, ada.token, http.MethodPost, "/files/", nil, "Tus-Resumable", "1.0.0", "Upload-Length", "-1"), 400},
		"no length":         {p.files(t, ada.token, http.MethodPost, "/files/", nil, "Tus-Resumable", "1.0.0"), 400},
	} {
		if c.got.status != c.want {
			t.Errorf("%s: %d instead of %d: %s", what, c.got.status, c.want, c.got.body)
		}
	}
	if got := offset(); got != "1000" {
		t.Fatalf("the offset is %s", got)
	}
	if r := patch(ada, 1000, content[1000:2000]); r.status != 204 {
		t.Fatal(r.status)
	}
	p.kill()
	p.start(t)
	if got := offset(); got != "2000" {
		t.Fatalf("after a kill the offset is %s", got)
	}

	// A hundred at once: each offset is taken once, and what comes of it is the file.
	for at := 2000; at < len(content); {
		next := min(at+160_000, len(content))
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, p.url(where), bytes.NewReader(content[at:next]))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+ada.token)
				for name, v := range map[string]string{"Tus-Resumable": "1.0.0", "Content-Type": tusBytes, "Upload-Offset": strconv.Itoa(at)} {
					req.Header.Set(name, v)
				}
				resp, err := filesClient.Do(req)
				if err != nil {
					return // it was told no, and did not listen
				}
				_ = resp.Body.Close()
				if !slices.Contains([]int{204, 400, 409, 423, 429}, resp.StatusCode) {
					t.Errorf("one of many: %d", resp.StatusCode)
				}
			})
		}
		wg.Wait()
		n, err := strconv.Atoi(offset())
		if err != nil || n < at || n > len(content) {
			t.Fatal(n, err)
		}
		at = n
	}
	m, err := p.sendFiles(t, ada, room, "here", "", path.Base(where))
	if err != nil {
		t.Fatal(err)
	}
	if r := p.files(t, ada.token, http.MethodGet, m.Attachments[0].URL, nil); sha256.Sum256(r.body) != sha256.Sum256(content) {
		t.Errorf("%d bytes of %d came back, or others", len(r.body), len(content))
	}
	if got := offset(); got != strconv.Itoa(len(content)) {
		t.Errorf("at the end the offset is %s", got)
	}
}

// endless is a body that tells how much of it was read.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) { e.n += len(p); return len(p), nil }

func TestUploadsOutOfBoundsAreRefused(t *testing.T) {
	t.Parallel()
	p := startProgram(t, append(slices.Clone(unlimited), "--file-quota", "2MiB", "--max-unsent-files", "4", "--max-file", "1MiB", "--max-attachments", "2")...)
	all := p.people(t, "user", 3)
	ada, bob, cyd := all[0], all[1], all[2]
	create := func(who person, body io.Reader, head ...string) fileReply {
		t.Helper()
		return p.files(t, who.token, http.MethodPost, "/files/", body, append([]string{"Tus-Resumable", "1.0.0"}, head...)...)
	}
	body := &endless{}
	r := create(ada, body, "Upload-Length", "27262976", "Content-Type", tusBytes, "Content-Length", "27262976", "Expect", "100-continue")
	if r.status != 413 || body.n > 0 {
		t.Errorf("26 MiB: %d after %d bytes: %s", r.status, body.n, r.body)
	}
	r = create(ada, nil, "Upload-Defer-Length", "1")
	if r.status != 201 {
		t.Fatal(r.status, string(r.body))
	}
	where := r.head.Get("Location")
	patch := []string{"Tus-Resumable", "1.0.0", "Content-Type", tusBytes, "Upload-Offset", "0"}
	if r := p.files(t, ada.token, http.MethodPatch, where, bytes.NewReader(make([]byte, 3<<20)), append(patch, "Expect", "100-continue")...); r.status != 413 {
		t.Errorf("3 MiB without a length: %d %s", r.status, r.body)
	}
	if r := p.files(t, ada.token, http.MethodPatch, where, io.MultiReader(bytes.NewReader(make([]byte, 1<<20+10))), patch...); r.status != 413 {
		t.Errorf("more than 1 MiB in pieces without a length: %d %s", r.status, r.body)
	}
	if r := p.files(t, ada.token, http.MethodHead, where, nil, "Tus-Resumable", "1.0.0"); r.head.Get("Upload-Offset") != "1048576" {
		t.Errorf("of 1 MiB that may be there is %s", r.head.Get("Upload-Offset"))
	}
	patch[len(patch)-1] = "1048576"
	if r := p.files(t, ada.token, http.MethodPatch, where, bytes.NewReader(make([]byte, 10)), append(patch, "Upload-Length", "2000000")...); r.status != 400 {
		t.Errorf("a length beyond, told later: %d", r.status)
	}
	if r := p.files(t, ada.token, http.MethodDelete, where, nil, "Tus-Resumable", "1.0.0"); r.status != 204 {
		t.Errorf("DELETE: %d %s", r.status, r.body)
	}
	if left := p.onDisk(t); len(left) > 0 {
		t.Errorf("left on the disk: %v", left)
	}

	whole := make([]byte, 1<<20)
	room := p.group(t, ada, bob, cyd)
	first, second := p.upload(t, ada, "1", whole), p.upload(t, ada, "2", whole)
	if r := create(ada, nil, "Upload-Length", "1"); r.status != 403 || !strings.Contains(string(r.body), "room") {
		t.Errorf("over the quota: %d %s", r.status, r.body)
	}
	m, err := p.sendFiles(t, ada, room, "both", "", first, second)
	if err != nil {
		t.Fatal(err)
	}
	if r := create(ada, nil, "Upload-Length", "1"); r.status != 403 {
		t.Errorf("over the quota by what was sent: %d", r.status)
	}
	if err := p.gql(t.Context(), ada.token, `mutation($id: ID!) { deleteMessage(input: {id: $id}) { message { id } } }`, vars("id", m.ID), nil); err != nil {
		t.Fatal(err)
	}
	p.upload(t, ada, "again", whole)

	var ids []string
	for range 4 {
		ids = append(ids, p.upload(t, bob, "", nil)) // an empty file is a file
	}
	if r := create(bob, nil, "Upload-Length", "1"); r.status != 403 || !strings.Contains(string(r.body), "no message yet") {
		t.Errorf("a fifth one that is not sent: %d %s", r.status, r.body)
	}
	for _, bad := range [][]string{ids[:3], {ids[0], ids[0]}} {
		if _, err := p.sendFiles(t, bob, room, "x", "", bad...); codeOf(err) != "BAD_USER_INPUT" {
			t.Errorf("%d of them: %v", len(bad), err)
		}
	}
	if _, err := p.sendFiles(t, bob, room, "", ""); codeOf(err) != "BAD_USER_INPUT" {
		t.Errorf("neither a text nor a file: %v", err)
	}
	for name, content := range map[string]string{
		"a Windows program": "MZ" + strings.Repeat("\x00", 100), "a program": "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 60),
		"half a picture": "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR",
	} {
		r := create(cyd, strings.NewReader(content), "Upload-Length", strconv.Itoa(len(content)), "Content-Type", tusBytes, "Upload-Metadata", called("a.png"))
		if r.status != 415 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if on := p.onDisk(t); len(on) != 5 {
		t.Errorf("what was refused left something on the disk: %v", on)
	}
}

// What is not sent in time is removed, also what a kill has left of it; what
// was sent stays.
func TestWhatIsNotSentIsRemoved(t *testing.T) {
	t.Parallel()
	p := startProgram(t, append(slices.Clone(unlimited), "--keep-unsent-files", "1s")...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	kept := p.upload(t, ada, "kept", []byte("kept"))
	if _, err := p.sendFiles(t, ada, room, "kept", "", kept); err != nil {
		t.Fatal(err)
	}
	p.upload(t, ada, "complete", pngOf(t, 10, 10))
	for range 3 {
		r := p.files(t, ada.token, http.MethodPost, "/files/", strings.NewReader("begun"), "Tus-Resumable", "1.0.0", "Upload-Length", "1000", "Content-Type", tusBytes)
		if r.status != 201 {
			t.Fatal(r.status)
		}
	}
	p.kill()
	p.start(t)
	for late := time.Now().Add(20 * time.Second); len(p.onDisk(t)) > 1; {
		if time.Now().After(late) {
			t.Fatalf("still there: %v", p.onDisk(t))
		}
		pause(t.Context(), 100*time.Millisecond)
	}
	if left := p.onDisk(t); !strings.HasSuffix(left[0], kept) {
		t.Errorf("left: %v", left)
	}
	if r := p.files(t, ada.token, http.MethodGet, "/files/"+kept, nil); r.status != 200 || string(r.body) != "kept" {
		t.Errorf("what was sent: %d", r.status)
	}
}
