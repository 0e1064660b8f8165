package main

import (
	"bytes"
	"encoding/json"
	"image"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

const (
	avatarDoc = `mutation($i: UpdateProfileInput!) { updateProfile(input: $i) { user { bio avatarUrl } } }`
	faceDoc   = `query($u: ID!) { user(id: $u) { avatarUrl } }`
)

// face is the link to somebody's picture that a viewer is given; empty for
// none.
func (p *program) face(t testing.TB, viewer, of person) string {
	t.Helper()
	var d struct{ User struct{ AvatarURL string } }
	if err := p.gql(t.Context(), viewer.token, faceDoc, vars("u", of.id), &d); err != nil {
		t.Fatal(err)
	}
	return d.User.AvatarURL
}

// A picture of one's own becomes that of the profile: who sees the profile sees
// it by a link of his own, and nobody sees what it was made from. It is no
// message's, stays as long as it is worn and goes when it is not.
func TestAPictureIsWornUntilAnotherIs(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, append(slices.Clone(args), "--rate-limits", "off", "--keep-unsent-files", "2s")...)
		root := p.register(t, "root")
		all := p.people(t, "user", 4)
		ada, bob, cyd, gus := all[0], all[1], all[2], all[3]
		p.setRole(t, root, gus.id, "GUEST")
		room := p.group(t, ada, cyd)
		picture := pngOf(t, 900, 300)
		first := p.upload(t, ada, "me.png", picture)
		set := func(who person, id any, want string) {
			t.Helper()
			if err := p.gql(t.Context(), who.token, avatarDoc, vars("i", vars("avatarAttachmentId", id)), nil); codeOf(err) != want {
				t.Errorf("an avatar of %v: %v, want %q", id, err, want)
			}
		}
		heard := make(chan string, 100)
		err := p.dial(t, cyd).Subscribe("1", `subscription($c: ID!) { messageAdded(conversationId: $c) { sender { avatarUrl } } }`, vars("c", room), func(e wsclient.Event) {
			var d struct {
				Data struct {
					MessageAdded struct{ Sender struct{ AvatarURL string } }
				}
			}
			_ = json.Unmarshal(e.Payload, &d)
			heard <- d.Data.MessageAdded.Sender.AvatarURL
		})
		if err != nil {
			t.Fatal(err)
		}
		set(ada, first, "")
		set(ada, first, "") // again
		sees := func(who person, link string) {
			t.Helper()
			r := p.files(t, "", http.MethodGet, link, nil)
			small, _, err := image.Decode(bytes.NewReader(r.body))
			if err != nil || small.Bounds().Dx() != 400 || !strings.Contains(link, "for="+who.id) || r.head.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("by %s: %d %v, %v", link, r.status, r.head, err)
			}
			path, _, _ := strings.Cut(link, "?")
			if r := p.files(t, who.token, http.MethodGet, path, nil); r.status != 200 {
				t.Errorf("with a token: %d", r.status)
			}
			if r := p.files(t, who.token, http.MethodGet, strings.TrimSuffix(path, "/thumbnail"), nil); r.status != 404 {
				t.Errorf("what it was made from: %d", r.status)
			}
		}
		bobs := p.face(t, bob, ada) // who is with her nowhere
		sees(bob, bobs)
		p.says(t, ada, room, "hello")
		sees(cyd, receive(t, heard))
		if got := p.face(t, ada, bob); got != "" {
			t.Errorf("of who has none: %s", got)
		}
		// A guest sees those he is with.
		path, _, _ := strings.Cut(bobs, "?")
		if r := p.files(t, gus.token, http.MethodGet, path, nil); r.status != 404 {
			t.Errorf("a guest: %d", r.status)
		}
		p.group(t, bob, ada, gus)
		if r := p.files(t, gus.token, http.MethodGet, path, nil); r.status != 200 {
			t.Errorf("a guest who is with her: %d", r.status)
		}
		if r := p.files(t, "", http.MethodGet, path, nil); r.status != 401 {
			t.Errorf("nobody: %d", r.status)
		}

		// It is nothing else, and nothing else is it.
		if _, err := p.sendFiles(t, ada, room, "my face", "", first); codeOf(err) != "BAD_USER_INPUT" {
			t.Errorf("sent: %v", err)
		}
		if r := p.files(t, ada.token, http.MethodDelete, "/files/"+first, nil, "Tus-Resumable", "1.0.0"); r.status != 404 {
			t.Errorf("DELETE: %d", r.status)
		}
		sent := p.upload(t, ada, "sent.png", picture)
		if _, err := p.sendFiles(t, ada, room, "", "", sent); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{
			sent, p.upload(t, ada, "a.txt", []byte("text")), p.upload(t, bob, "bob.png", picture), first + "x", nobodys["user"], "att_01m83rvxcnf479rx379ektzzzz",
			p.upload(t, ada, "page.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)),
		} {
			set(ada, bad, "BAD_USER_INPUT")
		}
		set(bob, first, "BAD_USER_INPUT")
		p.relate(t, "blockUser", ada, bob)
		for what, r := range map[string]fileReply{
			"his link": p.files(t, "", http.MethodGet, bobs, nil), "his token": p.files(t, bob.token, http.MethodGet, path, nil),
		} {
			if r.status != 404 {
				t.Errorf("whom she has blocked, %s: %d", what, r.status)
			}
		}

		// It outlives the time of uploads and a kill; what takes its place does not.
		p.kill()
		p.start(t)
		pause(t.Context(), 3*time.Second)
		sees(cyd, p.face(t, cyd, ada))
		second := p.upload(t, ada, "later.png", picture)
		set(ada, second, "")
		sees(cyd, p.face(t, cyd, ada))
		if r := p.files(t, cyd.token, http.MethodGet, path, nil); r.status != 404 {
			t.Errorf("the one before: %d", r.status)
		}
		left := func(what string, want ...string) {
			t.Helper()
			await(t, 30*time.Second, what, func() bool {
				on := p.onDisk(t)
				return len(on) == 2*len(want) && !slices.ContainsFunc(want, func(id string) bool {
					return !slices.ContainsFunc(on, func(name string) bool { return strings.HasSuffix(name, id) })
				})
			})
		}
		left("the one before is removed, and what was not sent", sent, second)
		set(ada, nil, "")
		if got := p.face(t, cyd, ada); got != "" {
			t.Errorf("taken off: %s", got)
		}
	})
}
