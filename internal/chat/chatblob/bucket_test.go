package chatblob

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/s3"
	"chatd/internal/platform/s3/s3test"
)

func setupBucket(t *testing.T) (*Bucket, *s3.Bucket) {
	t.Helper()
	objects := s3test.New(t)
	b, err := OpenBucket(objects, filepath.Join(t.TempDir(), "uploads"), Config{RefusedTypes: Programs})
	if err != nil {
		t.Fatal(err)
	}
	return b, objects
}

func inBucket(t *testing.T, objects *s3.Bucket) (names []string) {
	t.Helper()
	all, err := objects.List(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		names = append(names, o.Key)
	}
	return names
}

// cut is a reader that fails behind what it has.
type cut struct{ io.Reader }

var errCut = errors.New("cut off")

func (c cut) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = errCut
	}
	return n, err
}

func TestAnUploadIsItsPartsWithoutAGap(t *testing.T) {
	t.Parallel()
	b, objects := setupBucket(t)
	id, ctx := ids.New[ids.Attachment](), t.Context()
	if _, _, err := b.Noted(ctx, id); !errors.Is(err, chat.ErrNoFile) {
		t.Errorf("before it is begun: %v", err)
	}
	if err := b.Note(ctx, id, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := b.Note(ctx, id, []byte("note")); err != nil {
		t.Fatal(err)
	}
	wants := func(length int64) {
		t.Helper()
		if note, n, err := b.Noted(ctx, id); err != nil || string(note) != "note" || n != length {
			t.Errorf("%q, %d instead of %d, %v", note, n, length, err)
		}
	}
	wants(0)
	large := bytes.Repeat([]byte("0123456789abcdef"), (partBytes+100)/16)
	gone, cancel := context.WithCancel(ctx)
	cancel() // the client has gone; what came is kept
	if n, err := b.Add(gone, id, 0, cut{bytes.NewReader(large)}); n != int64(len(large)) || !errors.Is(err, errCut) {
		t.Errorf("%d, %v", n, err)
	}
	wants(int64(len(large)))
	if n, err := b.Add(ctx, id, int64(len(large))+5, strings.NewReader("behind a gap")); err != nil || n != 12 {
		t.Errorf("%d, %v", n, err)
	}
	wants(int64(len(large)))
	if n, err := b.Add(ctx, id, 0, strings.NewReader("a request that was thought lost")); err != nil || n != 31 {
		t.Errorf("%d, %v", n, err)
	}
	wants(int64(len(large)))
	if n, err := b.Add(ctx, id, int64(len(large)), strings.NewReader("12345")); err != nil || n != 5 {
		t.Errorf("%d, %v", n, err)
	}
	wants(int64(len(large)) + 5 + 12)
	f, err := b.TakeIn(ctx, chat.File{Attachment: chat.Attachment{ID: id, Name: "a"}})
	if err != nil || f.Size != int64(len(large))+17 {
		t.Errorf("%+v, %v", f, err)
	}
	if names := inBucket(t, objects); !slices.Equal(names, []string{nameOf(id)}) {
		t.Errorf("left %v", names)
	}
}

// Whatever a crash leaves of taking in, it is done by doing it again.
func TestTakingInFromABucketMayBeDoneAgain(t *testing.T) {
	t.Parallel()
	picture := pngOf(t, 500, 300)
	for what, crash := range map[string]func(t *testing.T, b *Bucket, o *s3.Bucket, id ids.Attachment){
		"before it": func(*testing.T, *Bucket, *s3.Bucket, ids.Attachment) {},
		"behind it": func(t *testing.T, b *Bucket, _ *s3.Bucket, id ids.Attachment) {
			if _, err := b.TakeIn(t.Context(), chat.File{Attachment: chat.Attachment{ID: id}}); err != nil {
				t.Fatal(err)
			}
		},
		"while the parts were removed": func(t *testing.T, b *Bucket, o *s3.Bucket, id ids.Attachment) {
			if _, err := b.TakeIn(t.Context(), chat.File{Attachment: chat.Attachment{ID: id}}); err != nil {
				t.Fatal(err)
			}
			if err := b.Note(t.Context(), id, []byte("note")); err != nil {
				t.Fatal(err)
			}
			if err := o.Put(t.Context(), partOf(id, 100), strings.NewReader("rest"), 4); err != nil {
				t.Fatal(err)
			}
		},
		"before the thumbnail": func(t *testing.T, b *Bucket, o *s3.Bucket, id ids.Attachment) {
			if _, err := b.TakeIn(t.Context(), chat.File{Attachment: chat.Attachment{ID: id}}); err != nil {
				t.Fatal(err)
			}
			if err := o.Remove(t.Context(), nameOf(id)+thumbnailSuffix); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b, objects := setupBucket(t)
			id := ids.New[ids.Attachment]()
			if err := b.Note(t.Context(), id, []byte("note")); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Add(t.Context(), id, 0, bytes.NewReader(picture)); err != nil {
				t.Fatal(err)
			}
			crash(t, b, objects, id)
			f, err := b.TakeIn(t.Context(), chat.File{Attachment: chat.Attachment{ID: id, Name: "a"}})
			if err != nil || f.Width != 500 || !f.Thumbnail || !f.Complete || f.Size != int64(len(picture)) {
				t.Errorf("%+v, %v", f, err)
			}
			for _, thumbnail := range []bool{false, true} {
				c, err := b.Open(t.Context(), id, thumbnail)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(c)
				if err != nil || len(got) == 0 || !thumbnail && !bytes.Equal(got, picture) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				_ = c.Close()
			}
			if names := inBucket(t, objects); len(names) != 2 {
				t.Errorf("left %v", names)
			}
			if here := b.scratch.left(t); len(here) > 0 {
				t.Errorf("left here: %v", here)
			}
			if err := b.Remove(t.Context(), id, ids.New[ids.Attachment]()); err != nil {
				t.Error(err)
			}
			if names := inBucket(t, objects); len(names) != 0 {
				t.Errorf("after the removal: %v", names)
			}
			if _, err := b.Open(t.Context(), id, false); !errors.Is(err, chat.ErrNoFile) {
				t.Errorf("opened: %v", err)
			}
		})
	}
}

func TestWhatIsRefusedStaysInNoBucketForLong(t *testing.T) {
	t.Parallel()
	b, objects := setupBucket(t)
	id := ids.New[ids.Attachment]()
	if err := b.Note(t.Context(), id, []byte("note")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add(t.Context(), id, 0, strings.NewReader("MZ"+strings.Repeat("\x00", 100))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.TakeIn(t.Context(), chat.File{Attachment: chat.Attachment{ID: id}}); !errors.Is(err, chat.ErrFileType) {
		t.Error(err)
	}
	if err := b.Drop(t.Context(), id); err != nil {
		t.Error(err)
	}
	if names := inBucket(t, objects); len(names) != 0 {
		t.Errorf("left %v", names)
	}
	if here := b.scratch.left(t); len(here) > 0 {
		t.Errorf("left here: %v", here)
	}
	// What a process has left is thrown away by the next one.
	if err := os.WriteFile(filepath.Join(b.scratch.dir, "part-x"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBucket(objects, b.scratch.dir, Config{}); err != nil {
		t.Fatal(err)
	}
	if here := b.scratch.left(t); len(here) > 0 {
		t.Errorf("left to the next one: %v", here)
	}
}

func pngOf(t *testing.T, w, h int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
