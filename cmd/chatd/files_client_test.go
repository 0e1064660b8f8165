package main

import (
	"bytes"
	"encoding/base64"
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
