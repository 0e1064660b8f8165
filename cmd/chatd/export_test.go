package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/ids"
)

const exportFields = `id state createdAt expiresAt size url`

type exportNode struct {
	ID, State string
	ExpiresAt *string
	Size      *float64
	URL       *string
}

func (p *program) exports(t testing.TB, who person) []exportNode {
	t.Helper()
	var d struct{ Exports []exportNode }
	if err := p.gql(t.Context(), who.token, `{ exports { `+exportFields+` } }`, nil, &d); err != nil {
		t.Fatal(err)
	}
	return d.Exports
}

func (p *program) requestExport(t testing.TB, who person) exportNode {
	t.Helper()
	var d struct{ RequestExport struct{ Export exportNode } }
	if err := p.gql(t.Context(), who.token, `mutation { requestExport { export { `+exportFields+` } } }`, nil, &d); err != nil {
		t.Fatal(err)
	}
	return d.RequestExport.Export
}

// made waits for the newest export to be ready.
func (p *program) made(t testing.TB, who person) (e exportNode) {
	t.Helper()
	await(t, 20*time.Second+grace, "an export", func() bool {
		e = p.exports(t, who)[0]
		return e.State == "READY"
	})
	return e
}

// unzipped fetches an export: the texts of its files by name.
func (p *program) unzipped(t testing.TB, e exportNode) map[string]string {
	t.Helper()
	r := p.files(t, "", http.MethodGet, *e.URL, nil)
	if r.status != http.StatusOK || r.head.Get("Content-Type") != "application/zip" || len(r.body) != int(*e.Size) ||
		!strings.HasPrefix(r.head.Get("Content-Disposition"), "attachment") || r.head.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d %v", r.status, r.head)
	}
	z, err := zip.NewReader(bytes.NewReader(r.body), int64(len(r.body)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name] = string(text)
	}
	return all
}

// An export has all that its user left, and nothing that others wrote, no hash
// and no secret. Its link is for its user alone, who may still sign in.
func TestAnExportHasWhatIsOnesOwnAndNothingElse(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		ada, bob := p.register(t, "ada"), p.register(t, canary+"bird")
		room, direct := p.group(t, bob, ada), p.direct(t, ada, bob)
		left := p.group(t, ada, bob)
		p.says(t, bob, left, "the bird was here")
		if err := p.gql(t.Context(), bob.token, `mutation($c: ID!) { leaveConversation(input: {conversationId: $c}) { __typename } }`, vars("c", left), nil); err != nil {
			t.Fatal(err)
		}
		p.leaves(t, bob, ada, room, direct)
		asked := p.requestExport(t, bob)
		if asked.State != "PENDING" || asked.URL != nil || asked.ExpiresAt != nil {
			t.Errorf("%+v", asked)
		}
		e := p.made(t, bob)
		if e.ID != asked.ID || e.ExpiresAt == nil {
			t.Errorf("%+v", e)
		}
		all := p.unzipped(t, e)
		names := map[string][]string{
			"account.json":  {bob.name + "@example.org", bob.id, `"MEMBER"`},
			"sessions.json": {"createdAt"}, "tokens.json": {"canary's token"}, "profile.json": {"The Canary", "another canary's bio"},
			"settings.json": {`"shareReadReceipts": false`, "BUSY"}, "relationships.json": {ada.id, "FRIENDS"},
			"conversations.json": {room, direct, left, "a group"},
			"files.json":         {"canary.txt", "unsent-canary.txt"},
			"conversations/" + room + "/messages.json":   {"what the canary meant", "what the canary says"},
			"conversations/" + room + "/reactions.json":  {"🐤"},
			"conversations/" + direct + "/messages.json": {"a canary's secret"},
			"conversations/" + left + "/messages.json":   {"the bird was here"},
		}
		for name, words := range names {
			for _, w := range words {
				if !strings.Contains(all[name], w) {
					t.Errorf("%s has no %q:\n%s", name, w, all[name])
				}
			}
		}
		songs := 0
		for name, text := range all {
			for _, w := range []string{"somebody's", "ada@example.org", "argon2", "passphrase", "👍", "hash"} {
				if strings.Contains(text, w) {
					t.Errorf("%s has %q", name, w)
				}
			}
			if strings.HasPrefix(name, "files/") && strings.Contains(text, "song") {
				songs++
			}
		}
		if songs != 2 {
			t.Errorf("%d of 2 files", songs)
		}
		p.linksAreBound(t, ada, bob, e)
		if r := p.ask(t, bob.token, `mutation { requestExport { export { id } } }`, nil); r.code() != "RATE_LIMITED" {
			t.Errorf("a second on the same day: %v", r)
		}
		if err := p.gql(t.Context(), bob.token, deleteAccountDoc, vars("p", password(bob.name)), nil); err != nil {
			t.Fatal(err)
		}
		if r := p.files(t, "", http.MethodGet, *e.URL, nil); r.status != http.StatusNotFound {
			t.Errorf("after the account was deleted: %d", r.status)
		}
		await(t, 20*time.Second+grace, "the archive's end", func() bool { return len(p.onDisk(t)) == 0 })
	})
}

// linksAreBound tries what is not the link that bob was given.
func (p *program) linksAreBound(t *testing.T, ada, bob person, e exportNode) {
	t.Helper()
	if n := len(p.exports(t, ada)); n != 0 {
		t.Errorf("another has %d exports", n)
	}
	id := e.ID
	bare, query, _ := strings.Cut(*e.URL, "?")
	for what, url := range map[string]string{
		"without a signature": bare, "for another": strings.Replace(*e.URL, bob.id, ada.id, 1), "of another end": strings.Replace(*e.URL, "until=", "until=9", 1),
		"of another export": strings.Replace(bare, id, ids.New[ids.Export]().String(), 1) + "?" + query,
		"of no export":      strings.Replace(bare, id, "..%2f..%2fsecret.key", 1) + "?" + query,
	} {
		for _, token := range []string{"", bob.token, ada.token} {
			if r := p.files(t, token, http.MethodGet, url, nil); r.status != http.StatusNotFound {
				t.Errorf("%s: %d %.100s", what, r.status, r.body)
			}
		}
	}
	_, text := p.personal(t, bob, "", "READ", "WRITE")
	for _, doc := range []string{`{ exports { id } }`, `mutation { requestExport { export { id } } }`, `mutation { deleteAccount(input: {password: "x"}) { ok } }`} {
		if r := p.ask(t, text, doc, nil); r.code() != "FORBIDDEN" {
			t.Errorf("%s by a personal token: %v", doc, r)
		}
	}
	if r := p.files(t, "", http.MethodPost, *e.URL, strings.NewReader("x")); r.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", r.status)
	}
}

// An export that a killed server was making is made by its next start, whole.
func TestAnExportIsMadeAfterAKill(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	var rooms []string
	for i := range 3 {
		room := p.group(t, ada)
		rooms = append(rooms, room)
		for j := range 30 {
			p.says(t, ada, room, fmt.Sprintf("number %d in %d", j, i))
		}
	}
	p.upload(t, ada, "large.bin", bytes.Repeat([]byte("large "), 2<<20))
	asked := p.requestExport(t, ada)
	p.kill()
	// What the kill may have left of it, whenever it came.
	dir := filepath.Join(p.dir, "files", "exports")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, asked.ID+".zip.unfinished"), []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	e := p.made(t, ada)
	all := p.unzipped(t, e)
	for i, room := range rooms {
		if n := strings.Count(all["conversations/"+room+"/messages.json"], fmt.Sprintf(" in %d", i)); n != 30 {
			t.Errorf("%d of 30 messages", n)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != asked.ID+".zip" {
		t.Errorf("%v %v", left, err)
	}
	if again := p.exports(t, ada); len(again) != 1 || again[0].ID != asked.ID || !strings.HasPrefix(*again[0].URL, "/exports/"+asked.ID+"?") {
		t.Errorf("%+v", again)
	}
}
