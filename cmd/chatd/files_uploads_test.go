package main

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

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
