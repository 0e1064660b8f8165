package main

import (
	"bytes"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Nodes that share a directory share uploads: each takes any part, however
// many at once, and what one has in a message the others show and delete.
func TestNodesShareTheirFiles(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 2, "--files-dir", t.TempDir())
	a, b := nodes[0], nodes[1]
	ada := a.register(t, "ada")
	bob := b.register(t, "bob")
	room := a.group(t, ada, bob)
	content := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	r := a.files(t, ada.token, http.MethodPost, "/files/", nil, "Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(len(content)))
	where := r.head.Get("Location")
	for at, tries := 0, 0; at < len(content); tries++ {
		if tries > 200 {
			t.Fatalf("no further than %d", at)
		}
		next := min(at+32_000, len(content))
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				r := nodes[i%2].files(t, ada.token, http.MethodPatch, where, bytes.NewReader(content[at:next]),
					"Tus-Resumable", "1.0.0", "Content-Type", tusBytes, "Upload-Offset", strconv.Itoa(at))
				if !slices.Contains([]int{204, 400, 409, 423, 429}, r.status) {
					t.Errorf("a part: %d %s", r.status, r.body)
				}
			})
		}
		wg.Wait()
		n, err := strconv.Atoi(nodes[tries%2].files(t, ada.token, http.MethodHead, where, nil, "Tus-Resumable", "1.0.0").head.Get("Upload-Offset"))
		if err != nil || n < at {
			t.Fatal(n, at, err)
		}
		at = n
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
	if err := a.gql(t.Context(), ada.token, `mutation($id: ID!) { deleteMessage(input: {id: $id}) { message { id } } }`, vars("id", m.ID), nil); err != nil {
		t.Fatal(err)
	}
	for _, p := range nodes {
		if r := p.files(t, bob.token, http.MethodGet, where, nil); r.status != 404 {
			t.Errorf("after the deletion: %d", r.status)
		}
	}
}

// Nodes that share no directory take no files, rather than show some of them
// on some nodes.
func TestNodesThatShareNoDirectoryTakeNoFiles(t *testing.T) {
	t.Parallel()
	p := startNodes(t, 1)[0]
	ada := p.register(t, "ada")
	r := p.files(t, ada.token, http.MethodPost, "/files/", nil, "Tus-Resumable", "1.0.0", "Upload-Length", "1")
	if r.status != 412 || !strings.Contains(string(r.body), "NO_UPLOADS") {
		t.Errorf("%d %s", r.status, r.body)
	}
	text, err := askFiles(t.Context(), Config{Bus: BusConfig{KafkaBrokers: []string{"k:1"}}})
	if err != nil || !strings.Contains(text, "--files-dir") {
		t.Errorf("the check says %q, %v", text, err)
	}
	if _, err := askFiles(t.Context(), Config{Files: FilesConfig{Dir: "nodes_files_test.go"}}); err == nil {
		t.Error("a file was taken for a directory")
	}
	if text, err = askFiles(t.Context(), Config{Files: FilesConfig{Dir: t.TempDir()}}); err != nil {
		t.Error(fmt.Sprint(text, err))
	}
}
