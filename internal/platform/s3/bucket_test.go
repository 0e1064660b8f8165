package s3_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/s3"
	"chatd/internal/platform/s3/s3test"
)

func TestAnObjectIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	b := s3test.New(t)
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	large := bytes.Repeat([]byte("0123456789abcdef"), 2<<16) // 2 MiB
	for key, content := range map[string][]byte{"a/large": large, "a/empty": nil, "b/ é'\"&?%2F": []byte("odd")} {
		if err := b.Put(ctx, key, bytes.NewReader(content), int64(len(content))); err != nil {
			t.Fatal(key, err)
		}
		o, err := b.Get(ctx, key)
		if err != nil {
			t.Fatal(key, err)
		}
		back, err := io.ReadAll(o)
		if err != nil || !bytes.Equal(back, content) || o.Size() != int64(len(content)) {
			t.Errorf("%s: %d bytes, %v", key, len(back), err)
		}
		if n, err := b.Size(ctx, key); err != nil || n != int64(len(content)) {
			t.Errorf("%s: %d, %v", key, n, err)
		}
		_ = o.Close()
	}
	o, err := b.Get(ctx, "a/large")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	part := make([]byte, 5)
	if _, err := o.Seek(-20, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(o, part); err != nil || string(part) != "cdef0" {
		t.Errorf("%q, %v", part, err)
	}
	if _, err := o.ReadAt(part, 16); err != nil || string(part) != "01234" {
		t.Errorf("%q, %v", part, err)
	}
	if err := b.Put(ctx, "a/large", strings.NewReader("small"), 5); err != nil {
		t.Fatal(err)
	}
	all, err := b.List(ctx, "a/", 10)
	if err != nil || !slices.Equal(all, []s3.Entry{{Key: "a/empty"}, {Key: "a/large", Size: 5}}) {
		t.Errorf("%v, %v", all, err)
	}
	if all, err = b.List(ctx, "", 1); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	if err := b.Remove(ctx, "a/large", "a/none", "a/empty"); err != nil {
		t.Error(err)
	}
	if _, err := b.Get(ctx, "a/large"); !errors.Is(err, s3.ErrNone) {
		t.Errorf("what was removed: %v", err)
	}
	if _, err := b.Size(ctx, "a/none"); !errors.Is(err, s3.ErrNone) {
		t.Errorf("what never was: %v", err)
	}
}

func TestAServerThatIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	g := s3test.Start(t)
	b, err := s3.Open(s3.Config{URL: g.URL(s3test.Bucket)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "a", strings.NewReader("a"), 1); err != nil {
		t.Fatal(err)
	}
	g.Kill(t)
	_, get := b.Get(t.Context(), "a")
	for what, err := range map[string]error{
		"put": b.Put(t.Context(), "b", strings.NewReader("b"), 1), "get": get, "remove": b.Remove(t.Context(), "a"), "ping": b.Ping(t.Context()),
	} {
		if errs.KindOf(err) != errs.Unavailable || strings.Contains(err.Error(), s3test.Secret) {
			t.Errorf("%s: %v", what, err)
		}
	}
	g.Again(t)
	if _, err := b.Get(t.Context(), "a"); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

func TestAURLOfABucketHasAllThatItNeeds(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"https://k:s@s3.example.org/b", "http://k:s%2F@127.0.0.1:9000/b/some/prefix/?region=eu-central-1"} {
		if err := s3.CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "s3://canary:canary@h/b", "https://h/b", "https://canary@h/b", "https://canary:canary@h", "https://canary:canary@h/", "https://:canary@h/b",
		"https://canary:canary@h/b?regoin=x", "https://canary:canary@h/b#x", "https://canary:can%zzary@h/b", "https://canary:canary@:1/b",
	} {
		if err := s3.CheckURL(bad); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
