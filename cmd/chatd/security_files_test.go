package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"mime"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"chatd/internal/platform/testenv"
)

// oddNames are 40 names of files that mean something to a path, a header, a
// shell, a screen or Windows.
func oddNames() []string {
	return []string{
		"../../../etc/passwd", `..\..\windows\system32\drivers`, "/etc/passwd", `C:\boot.ini`, "..", ".", "", "...", "../", "a/../../b",
		"%2e%2e%2fetc%2fpasswd", "..%c0%af..%c0%afetc", "a\x00.png", "\x00", "a\r\nSet-Cookie: x=1", "a\nContent-Type: text/html", "a\";x=\"b", `a";filename="b.html`,
		"a;b=c", "a'b", `a\"b`, "<script>.svg", "\u202egnp.exe", "\u2066a\u2069", "\ufeffa", strings.Repeat("a", 300), strings.Repeat("é", 300), strings.Repeat("👩‍👩‍👧", 60),
		"CON", "NUL.txt", "COM1", "aux.", "a.", "a ", " a", "~root", "-rf", "$(id)", "`id`", "a|b>c",
	}
}

// Whatever a file is called, it is stored under a name of the server's own,
// within its directory, and the name comes back in a header that is whole.
func TestWhateverAFileIsCalledItStaysInItsPlace(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	stored := regexp.MustCompile(`^[0-9a-z]{2}/att_[0-9a-z]{26}$`)
	if n := len(oddNames()); n != 40 {
		t.Fatalf("%d names", n)
	}
	seen := map[string]bool{}
	for i, name := range oddNames() {
		content := fmt.Sprint("content ", i)
		id := p.upload(t, ada, name, []byte(content))
		m, err := p.sendFiles(t, ada, room, "", "", id)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		kept := m.Attachments[0].Name
		if kept == "" || utf8.RuneCountInString(kept) > 255 || len(kept) > 255 || strings.ContainsAny(kept, "/\\\x00\r\n\u202e\u2066") || kept == ".." || kept == "." {
			t.Errorf("%q is called %q", name, kept)
		}
		r := p.files(t, ada.token, http.MethodGet, "/files/"+id, nil)
		kind, params, err := mime.ParseMediaType(r.head.Get("Content-Disposition"))
		if err != nil || kind != "attachment" || params["filename"] != kept {
			t.Errorf("%q: %q is read as %s %v, %v", name, r.head.Get("Content-Disposition"), kind, params, err)
		}
		if string(r.body) != content || r.head.Get("Set-Cookie") != "" || len(r.head.Values("Content-Type")) != 1 || r.head.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: %q, %v", name, r.body, r.head)
		}
	}
	for _, file := range p.onDisk(t) {
		if seen[file] = true; !stored.MatchString(filepath.ToSlash(file)) {
			t.Errorf("stored as %q", file)
		}
	}
	if len(seen) != 40 {
		t.Errorf("%d files are stored", len(seen))
	}
	for _, escaped := range []string{"/etc/passwd", "../chatd.db", "..%2fchatd.db", "%2e%2e/chatd.db", "a/../../chatd.db", "incoming/../../chatd.db", ".\\chatd.db"} {
		if r := p.files(t, ada.token, http.MethodGet, "/files/"+escaped, nil); r.status != 404 && r.status != 400 || strings.Contains(string(r.body), "SQLite") {
			t.Errorf("%s: %d %.50s", escaped, r.status, r.body)
		}
	}
}

// chunkOf is a chunk of a PNG.
func chunkOf(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

const attack = `<html><script>top.location='/stolen?'+document.cookie;fetch('/stolen')</script><img src=x onerror="fetch('/stolen')"></html>`

// polyglots are files that are one thing to the server and perhaps another to a
// browser, by the name that they are sent under.
func polyglots(t testing.TB) map[string][]byte {
	t.Helper()
	picture := pngOf(t, 4, 4)
	ihdr := picture[8:33]
	return map[string][]byte{
		"page.html": []byte(attack), "page.png": []byte("<!doctype html>" + attack), "shout.html": []byte("\xef\xbb\xbf  \n" + attack),
		"picture.svg": []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="fetch('/stolen')"><script>fetch('/stolen')</script></svg>`),
		"data.xml":    []byte(`<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>fetch('/stolen')</script></html>`),
		"style.xsl":   []byte(`<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#s"?><x/>`),
		"a.html.png":  append(bytes.Clone(picture), attack...), // behind the end
		"tell.png":    bytes.Join([][]byte{picture[:8], ihdr, chunkOf("tEXt", []byte("x\x00"+attack)), picture[33:]}, nil),
		"a.gif":       []byte("GIF89a/*" + strings.Repeat(" ", 10) + "*/=1;fetch('/stolen')//" + attack),
		"a.pdf":       []byte("%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n" + attack),
		"a.js":        []byte("fetch('/stolen')"), "a.mhtml": []byte("MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + attack),
		"utf7.txt": []byte("+ADw-script+AD4-fetch('/stolen')+ADw-/script+AD4-"), "head.png": append([]byte("\x89PNG\r\n\x1a\n"), attack...),
	}
}

// A file that lies about its type is refused, or served so that no browser runs
// it: what is shown inline is a picture that the server has looked at, and has
// nothing of a page in it.
func TestAFileThatLiesIsRefusedOrInert(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	refused := 0
	for name, content := range polyglots(t) {
		r := p.files(t, ada.token, http.MethodPost, "/files/", bytes.NewReader(content), "Tus-Resumable", "1.0.0",
			"Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", called(name), "Content-Type", tusBytes)
		if r.status == http.StatusUnsupportedMediaType {
			refused++
			continue
		}
		at := r.head.Get("Location")
		if _, err := p.sendFiles(t, ada, room, "", "", at[strings.LastIndex(at, "/")+1:]); err != nil {
			t.Fatalf("%s: %d %s, %v", name, r.status, r.body, err)
		}
		r = p.files(t, ada.token, http.MethodGet, at, nil)
		kind, _, _ := mime.ParseMediaType(r.head.Get("Content-Type"))
		inline := strings.HasPrefix(r.head.Get("Content-Disposition"), "inline")
		if inline && (!strings.HasPrefix(kind, "image/") || kind == "image/svg+xml" || bytes.Contains(r.body, []byte("script"))) {
			t.Errorf("%s is shown inline as %s: %.100q", name, kind, r.body)
		}
		if strings.Contains(kind, "html") || strings.Contains(kind, "xml") || strings.Contains(kind, "script") || r.head.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(r.head.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %v", name, r.head)
		}
	}
	if refused < 2 { // the PNG that is none and the GIF that is none
		t.Errorf("%d were refused", refused)
	}
}

// pictureBombs are small files that a decoder would make large.
func pictureBombs(t testing.TB) map[string][]byte {
	t.Helper()
	ihdr := func(w, h uint32) []byte {
		b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
		return chunkOf("IHDR", append(b, 8, 6, 0, 0, 0))
	}
	signature := []byte("\x89PNG\r\n\x1a\n")
	frame := []byte("\x21\xf9\x04\x00\x01\x00\x00\x00\x2c\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02\x44\x01\x00")
	screen := []byte("GIF89a\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\xff\xff\xff")
	small := []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff")
	dot := []byte("\x21\xf9\x04\x00\x01\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00")
	tiff := []byte("II*\x00\x08\x00\x00\x00\xff\xff")
	for len(tiff) < 1<<20 {
		tiff = append(tiff, "\x4a\x01\x04\x00\xff\xff\xff\x00\x08\x00\x00\x00"...) // directories below, which are this one
	}
	return map[string][]byte{
		"a PNG of 65,535 by 65,535":      bytes.Join([][]byte{signature, ihdr(65535, 65535), chunkOf("IDAT", make([]byte, 100)), chunkOf("IEND", nil)}, nil),
		"a PNG of one line":              bytes.Join([][]byte{signature, ihdr(1<<31-1, 1), chunkOf("IDAT", nil), chunkOf("IEND", nil)}, nil),
		"a GIF of 100,000 frames":        append(append(bytes.Clone(small), bytes.Repeat(dot, 100_000)...), 0x3b),
		"a GIF of 1,000 frames, 65,535²": append(append(bytes.Clone(screen), bytes.Repeat(frame, 1000)...), 0x3b),
		"a JPEG of 65,535 by 65,535":     []byte("\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00\x00\xff\xd9"),
		"a TIFF that points at itself":   tiff,
		"a TIFF beyond its end":          []byte("MM\x00*\xff\xff\xff\xff" + strings.Repeat("\x00", 64)),
		"a HEIC without an end":          []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic\x00\x00\x00\x01meta\xff\xff\xff\xff\xff\xff\xff\xff" + strings.Repeat("\x00", 64)),
	}
}

// Pictures that would be large when decoded are refused or kept as plain files,
// in little time and memory.
func TestBombsOfPicturesCostNothing(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	p.upload(t, ada, "warm.png", pngOf(t, 500, 500)) // what a first image takes is no bomb's
	before := p.residentBytes(t)
	for name, content := range pictureBombs(t) {
		begun := time.Now()
		r := p.files(t, ada.token, http.MethodPost, "/files/", bytes.NewReader(content), "Tus-Resumable", "1.0.0",
			"Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", called("a"), "Content-Type", tusBytes)
		took := time.Since(begun)
		if r.status != 201 && r.status != 415 || took > 10*time.Second {
			t.Errorf("%s: %d after %v: %s", name, r.status, took, r.body)
		}
		t.Logf("%s, %d bytes: %d after %v", name, len(content), r.status, took)
	}
	if grown := p.residentBytes(t) - before; grown > 64<<20 {
		t.Errorf("the program has grown by %d MiB", grown>>20)
	} else {
		t.Logf("the program has grown by %d MiB", grown>>20)
	}
}

// chromiumFiles opens what lies about its type in a browser, by the links that
// members get.
func (js nodeScripts) chromiumFiles(t *testing.T) {
	t.Parallel()
	chromium := testenv.Tool(t, "chromium")
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	var links []string
	for name, content := range polyglots(t) {
		r := p.files(t, ada.token, http.MethodPost, "/files/", bytes.NewReader(content), "Tus-Resumable", "1.0.0",
			"Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", called(name), "Content-Type", tusBytes)
		if r.status == http.StatusUnsupportedMediaType {
			continue
		}
		at := r.head.Get("Location")
		m, err := p.sendFiles(t, ada, room, "", "", at[strings.LastIndex(at, "/")+1:])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		links = append(links, m.Attachments[0].URL)
	}
	s := js.start(t, "files.mjs", p.url(""), chromium)
	s.tell("links", links, "proof", attack)
	s.until(func(w nodeWord) bool {
		if w.Faults == nil {
			return false
		}
		if len(*w.Faults) > 0 || w.Requests != len(links) || w.Requests < 10 {
			t.Errorf("of %d files: %q", w.Requests, *w.Faults)
		}
		if !w.Received {
			t.Error("a page that does run its script was not noticed")
		}
		return true
	})
}
