package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"chatd/internal/platform/wsgql/wsclient"
)

// filedEvent is an event with the links of its message's files.
type filedEvent struct {
	Type    string `json:"__typename"`
	Cursor  string
	Message *filed
}

// hearFiles subscribes to messages with their files, after a cursor or nil.
func hearFiles(t testing.TB, c *wsclient.Conn, after any) <-chan filedEvent {
	t.Helper()
	out := make(chan filedEvent, 100)
	err := c.Subscribe("files", `subscription($a: String) { events(after: $a) { __typename cursor ... on MessageAdded { message { `+filedFields+` } } } }`,
		vars("a", after), func(e wsclient.Event) {
			var d struct{ Data struct{ Events filedEvent } }
			if json.Unmarshal(e.Payload, &d) == nil && d.Data.Events.Type == "MessageAdded" {
				out <- d.Data.Events
			}
		})
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	barrier(t, c)
	return out
}

// fetches are the ways in which a browser asks for what is at a link.
var fetches = map[string]struct {
	method string
	head   []string
}{
	"GET": {http.MethodGet, nil}, "HEAD": {http.MethodHead, nil}, "a range": {http.MethodGet, []string{"Range", "bytes=0-3"}},
	"a check": {http.MethodGet, nil}, // with the ETag that it had
}

// bareReply is an answer without what differs from one to the next.
func bareReply(r fileReply) string {
	for _, name := range []string{"X-Request-Id", "Date"} {
		r.head.Del(name)
	}
	return fmt.Sprint(r.status, r.head, stripRequestID(r.body))
}

// A link is its user's: each who hears of a file is given his own, which is
// good for whoever has it as long as that user may read the file, and for
// nobody from the moment on when he may not.
func TestALinkIsGoodAsLongAsItsUserMayReadTheFile(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		root := p.register(t, "root") // the server's administrator
		all := p.people(t, "user", 4)
		ada, bob, cyd, dan := all[0], all[1], all[2], all[3]
		room := p.group(t, ada, bob, cyd)
		picture := pngOf(t, 900, 300)
		id := p.upload(t, ada, "a.png", picture)
		streams := map[person]<-chan filedEvent{}
		for _, who := range []person{ada, bob, cyd} {
			streams[who] = hearFiles(t, p.dial(t, who), nil)
		}
		if _, err := p.send(t.Context(), ada, room, "before", ""); err != nil {
			t.Fatal(err)
		}
		sent, err := p.sendFiles(t, ada, room, "", "", id)
		if err != nil {
			t.Fatal(err)
		}
		heard, links := map[person]attachment{}, map[person]attachment{}
		check := func(what string, who person, a attachment) {
			t.Helper()
			for _, link := range []string{a.URL, *a.ThumbnailURL} {
				u, err := url.Parse(link)
				if err != nil || u.Query().Get("for") != who.id || !strings.HasPrefix(u.Path, "/files/"+id) {
					t.Errorf("%s: %s for %s, %v", what, link, who.id, err)
				}
			}
		}
		check("the answer to the send", ada, sent.Attachments[0])
		for who, stream := range streams {
			before := receive(t, stream)
			e := receive(t, stream)
			heard[who] = e.Message.Attachments[0]
			check("heard live", who, heard[who])
			again := receive(t, hearFiles(t, p.dial(t, who), before.Cursor))
			links[who] = again.Message.Attachments[0]
			check("heard again", who, links[who])
		}
		tags := map[string]string{}
		good := func(who person, token string) {
			t.Helper()
			r := p.files(t, token, http.MethodGet, links[who].URL, nil)
			if r.status != 200 || !bytes.Equal(r.body, picture) || !strings.HasPrefix(r.head.Get("Cache-Control"), "private, max-age=") {
				t.Errorf("by %s's link: %d %v", who.id, r.status, r.head)
			}
			tags[who.id] = r.head.Get("Etag")
			if r := p.files(t, token, http.MethodHead, links[who].URL, nil); r.status != 200 || r.head.Get("Content-Length") != strconv.Itoa(len(picture)) {
				t.Errorf("HEAD: %d %v", r.status, r.head)
			}
			if r := p.files(t, token, http.MethodGet, links[who].URL, nil, "Range", "bytes=10-19"); r.status != 206 || !bytes.Equal(r.body, picture[10:20]) {
				t.Errorf("a range: %d", r.status)
			}
			if r := p.files(t, token, http.MethodGet, links[who].URL, nil, "If-None-Match", tags[who.id]); r.status != 304 {
				t.Errorf("unchanged: %d", r.status)
			}
			if r := p.files(t, token, http.MethodGet, *links[who].ThumbnailURL, nil); r.status != 200 || len(r.body) == 0 {
				t.Errorf("thumbnail: %d", r.status)
			}
		}
		// bad wants every fetch to be answered as if the file had never been.
		bad := func(what, token, link, tag string) {
			t.Helper()
			const nobody = "att_01m83rvxcnf479rx379ektzzzz"
			for how, f := range fetches {
				head := f.head
				if how == "a check" {
					head = []string{"If-None-Match", tag}
				}
				theirs := p.files(t, token, f.method, link, nil, head...)
				absent := p.files(t, token, f.method, strings.Replace(link, id, nobody, 1), nil, head...)
				if got, want := bareReply(theirs), bareReply(absent); theirs.status != 404 || got != want || theirs.head.Get("Etag") != "" {
					t.Errorf("%s, %s: %s\nof none: %s", what, how, got, want)
				}
			}
		}
		good(ada, "")
		good(bob, "")
		good(bob, bob.token)
		good(cyd, "")
		if tags[ada.id] == tags[bob.id] || tags[ada.id] == "" {
			t.Errorf("two are given the same ETag: %v", tags)
		}
		for _, link := range []string{links[bob].URL, *links[bob].ThumbnailURL} {
			bad("another's link with a stranger's token", dan.token, link, tags[bob.id])
			bad("another's link with a member's token", cyd.token, link, tags[bob.id])
			bad("a link made over to a member", "", strings.Replace(link, bob.id, ada.id, 1), tags[bob.id])
			bad("a link made over to a stranger", "", strings.Replace(link, bob.id, dan.id, 1), tags[bob.id])
			bad("a link to nobody", "", strings.Replace(link, "for="+bob.id, "for=", 1), tags[bob.id])
		}

		if err := p.gql(t.Context(), ada.token, removeDoc, vars("c", room, "u", cyd.id), nil); err != nil {
			t.Fatal(err)
		}
		for _, a := range []attachment{heard[cyd], links[cyd]} {
			bad("a removed member's link", "", a.URL, tags[cyd.id])
			bad("a removed member's link to the thumbnail", "", *a.ThumbnailURL, tags[cyd.id])
			bad("a removed member's link and his token", cyd.token, a.URL, tags[cyd.id])
		}
		good(bob, "")
		if err := p.gql(t.Context(), root.token, suspendDoc, vars("u", bob.id), nil); err != nil {
			t.Fatal(err)
		}
		bad("a suspended member's link", "", links[bob].URL, tags[bob.id])
		bad("a suspended member's link to the thumbnail", "", *links[bob].ThumbnailURL, tags[bob.id])
		good(ada, "")
	})
}
