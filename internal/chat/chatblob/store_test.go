package chatblob

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func setup(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), Config{RefusedTypes: Programs})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// come is an upload that is all there.
func (s *Store) come(t *testing.T, content []byte) chat.File {
	t.Helper()
	f := chat.File{Attachment: chat.Attachment{ID: ids.New[ids.Attachment](), Name: "a"}}
	name := filepath.Join(s.Incoming(), f.ID.String())
	if err := errors.Join(os.WriteFile(name, content, 0o600), os.WriteFile(name+".info", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	return f
}

func (s *Store) left(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(s.dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func content(t *testing.T, s *Store, id ids.Attachment, thumbnail bool) []byte {
	t.Helper()
	f, err := s.Open(t.Context(), id, thumbnail)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := new(bytes.Buffer)
	if _, err := b.ReadFrom(f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAFileIsWhatItsContentSays(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for want, text := range map[string]string{
		"text/plain; charset=utf-8": "hello", "application/pdf": "%PDF-1.7\n", "application/zip": "PK\x05\x06" + strings.Repeat("\x00", 18),
		"text/html; charset=utf-8": "<!doctype html><script>", "image/svg+xml": `<svg xmlns="http://www.w3.org/2000/svg"/>`,
		"application/octet-stream": "\x00\x01\x02", "text/plain": "",
	} {
		f, err := s.TakeIn(t.Context(), s.come(t, []byte(text)))
		if err != nil || !f.Complete || f.Size != int64(len(text)) || f.Length != f.Size || f.Width != 0 {
			t.Fatalf("%q: %+v %v", text, f, err)
		}
		if f.ContentType != want {
			t.Errorf("%q is %s", text, f.ContentType)
		}
		if got := content(t, s, f.ID, false); string(got) != text {
			t.Errorf("%q came back as %q", text, got)
		}
		again, err := s.TakeIn(t.Context(), f) // nobody wrote it down
		if err != nil || again != f {
			t.Errorf("again: %+v %v", again, err)
		}
		if err := errors.Join(s.Remove(t.Context(), f.ID), s.Remove(t.Context(), f.ID)); err != nil {
			t.Error(err)
		}
		if _, err := s.Open(t.Context(), f.ID, false); !errors.Is(err, chat.ErrNoFile) {
			t.Errorf("after its removal: %v", err)
		}
	}
	for _, program := range []string{"MZ\x90\x00", "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00", "\xcf\xfa\xed\xfe\x07\x00\x00\x01"} {
		f := s.come(t, []byte(program+strings.Repeat("\x00", 64)))
		if _, err := s.TakeIn(t.Context(), f); !errors.Is(err, chat.ErrFileType) {
			t.Errorf("%q: %v", program, err)
		}
		if err := s.Remove(t.Context(), f.ID); err != nil {
			t.Error(err)
		}
	}
	if names := s.left(t); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
}

// A photograph that lies on its side is shown upright, small, and without
// where it was made.
func TestAnImageGetsASizeAndAThumbnail(t *testing.T) {
	t.Parallel()
	s := setup(t)
	img := image.NewRGBA(image.Rect(0, 0, 1000, 500)) // as the camera was held: its left is the top
	for y := range 500 {
		for x := range 1000 {
			img.SetRGBA(x, y, color.RGBA{R: 255, A: 255})
			if x >= 500 {
				img.SetRGBA(x, y, color.RGBA{B: 255, A: 255})
			}
		}
	}
	photo := withSegments(jpegOf(t, img), segment(0xe1, exif(binary.BigEndian, 6)))
	f, err := s.TakeIn(t.Context(), s.come(t, photo))
	if err != nil || f.Width != 500 || f.Height != 1000 || !f.Thumbnail || f.ContentType != "image/jpeg" || f.Length != int64(len(photo)) || f.Size >= f.Length {
		t.Fatalf("%+v %v", f, err)
	}
	if bytes.Contains(content(t, s, f.ID, false), []byte(secret)) {
		t.Error("it tells where it was made")
	}
	small, _, err := image.Decode(bytes.NewReader(content(t, s, f.ID, true)))
	if err != nil || small.Bounds() != image.Rect(0, 0, 200, 400) {
		t.Fatal(small, err)
	}
	if r, _, b, _ := small.At(100, 50).RGBA(); r < b {
		t.Error("the top is not red")
	}
	if r, _, b, _ := small.At(100, 350).RGBA(); r > b {
		t.Error("the bottom is not blue")
	}
	if names := s.left(t); len(names) != 2 {
		t.Errorf("left: %v", names)
	}
	if err := s.Remove(t.Context(), f.ID); err != nil || len(s.left(t)) > 0 {
		t.Error(err, s.left(t))
	}

	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 30, 20))); err != nil {
		t.Fatal(err)
	}
	clear, err := s.TakeIn(t.Context(), s.come(t, b.Bytes()))
	if err != nil || clear.Width != 30 || clear.Height != 20 || !bytes.HasPrefix(content(t, s, clear.ID, true), []byte(pngSignature)) {
		t.Errorf("what can be seen through: %+v %v", clear, err)
	}
	pixel, err := s.TakeIn(t.Context(), s.come(t, riff(webp)))
	if err != nil || pixel.Width != 1 || pixel.ContentType != "image/webp" || !pixel.Thumbnail {
		t.Errorf("WebP: %+v %v", pixel, err)
	}
}

func TestOrientationsTurnAsExifSays(t *testing.T) {
	t.Parallel()
	// Where the first pixel of a picture of 2 by 3 comes to lie (CIPA DC-008, 4.6.4).
	for o, at := range map[uint16]image.Point{1: {0, 0}, 2: {1, 0}, 3: {1, 2}, 4: {0, 2}, 5: {0, 0}, 6: {2, 0}, 7: {2, 1}, 8: {0, 1}} {
		in := image.NewRGBA(image.Rect(0, 0, 2, 3))
		in.SetRGBA(0, 0, color.RGBA{R: 255, A: 255})
		out := upright(in, o)
		if size := out.Bounds().Size(); (o >= 5) != (size == image.Pt(3, 2)) {
			t.Errorf("%d: %v", o, size)
		}
		if out.RGBAAt(at.X, at.Y).R != 255 {
			t.Errorf("%d: it is not at %v", o, at)
		}
	}
}

// bomb is a PNG that says it is huge, and is when it is decoded.
func bomb(w, h uint32) []byte {
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	ihdr = append(ihdr, 8, 6, 0, 0, 0)
	b := []byte(pngSignature)
	for _, c := range []struct {
		kind string
		data []byte
	}{{"IHDR", ihdr}, {"IDAT", []byte("x\x9c\x03\x00\x00\x00\x00\x01")}, {"IEND", nil}} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(c.data)))
		at := len(b)
		b = append(append(b, c.kind...), c.data...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[at:]))
	}
	return b
}

// An image of more pixels than may be decoded is a plain file, at no cost; so
// is one whose picture is larger than its head says.
func TestABombIsAPlainFile(t *testing.T) { //nolint:paralleltest // It measures what is allocated.
	s := setup(t)
	for name, in := range map[string][]byte{
		"50,000 by 50,000": bomb(50_000, 50_000), "one line": bomb(1<<31-1, 1), "one beyond": bomb(8000, 4001),
	} {
		f := s.come(t, in)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := s.TakeIn(t.Context(), f)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; err != nil || got.Width != 0 || got.Height != 0 || got.Thumbnail || allocated > 1<<20 {
			t.Errorf("%s: %+v, %d bytes, %v", name, got, allocated, err)
		}
	}
	// A canvas of one pixel with a frame of 16,384 by 16,384.
	large := bytes.Clone(webp)
	binary.LittleEndian.PutUint32(large[9:], 0x3fff|0x3fff<<14)
	f, err := s.TakeIn(t.Context(), s.come(t, riff(riffChunk("VP8X", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), large)))
	if err != nil || f.Thumbnail {
		t.Errorf("a frame beyond its canvas: %+v %v", f, err)
	}
	// One that cannot be decoded after all is shown without a thumbnail.
	f, err = s.TakeIn(t.Context(), s.come(t, bomb(100, 100)))
	if err != nil || f.Width != 100 || f.Thumbnail {
		t.Errorf("no picture in it: %+v %v", f, err)
	}
}

// However many come at once, no more pixels are decoded at once than may be,
// and whoever gives up waiting leaves nothing.
func TestDecodingIsBounded(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), Config{Pixels: 250_000})
	if err != nil {
		t.Fatal(err)
	}
	photo := jpegOf(t, picture(500, 500))
	if err := s.pixels.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	waiting, giveUp := context.WithCancel(t.Context())
	f := s.come(t, photo)
	giveUp()
	if _, err := s.TakeIn(waiting, f); !errors.Is(err, context.Canceled) {
		t.Errorf("it did not wait: %v", err)
	}
	s.pixels.Release(1)
	var all sync.WaitGroup
	for i := range 8 {
		f := f
		if i > 0 {
			f = s.come(t, photo)
		}
		all.Go(func() {
			if got, err := s.TakeIn(t.Context(), f); err != nil || !got.Thumbnail {
				t.Error(fmt.Sprint(i), got, err)
			}
		})
	}
	all.Wait()
	if !s.pixels.TryAcquire(250_000) {
		t.Error("some are still held")
	}
}

func TestNamesAreClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a.png": "a.png", "../../etc/passwd": "passwd", `C:\x\y.doc`: "y.doc", "": "file", "..": "file", ".": "file", "/": "file", " ": "file",
		"a\x00b\r\nc.txt": "abc.txt", "gpj\u202e.exe": "gpj.exe", "\u2066a\u2069": "a", "日本語.txt": "日本語.txt", "e\u0301.txt": "e\u0301.txt", "a\xff\xfeb": "a_b",
		strings.Repeat("x", 300) + ".tar.gz": strings.Repeat("x", 197) + ".gz", strings.Repeat("é", 200): strings.Repeat("é", 100),
		"\u200b\ufeff": "file", ".htaccess": ".htaccess",
	} {
		if got := chat.CleanName(in); got != want {
			t.Errorf("%q became %q instead of %q", in, got, want)
		}
		if again := chat.CleanName(chat.CleanName(in)); again != chat.CleanName(in) {
			t.Errorf("%q, cleaned again, became %q", in, again)
		}
	}
}
