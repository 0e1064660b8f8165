package main

import (
	"bytes"
	"fmt"
	"image"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

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
