package zipdir_test

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatd/internal/platform/zipdir"
)

func list(items ...any) func(yield func(any, error) bool) {
	return func(yield func(any, error) bool) {
		for _, i := range items {
			err, failed := i.(error)
			if failed {
				i = nil
			}
			if !yield(i, err) {
				return
			}
		}
	}
}

func TestAnArchiveIsThereWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "archives")
	d := zipdir.New(path)
	broken := errors.New("broken")
	if _, err := d.Make("a.zip", func(w *zipdir.Writer) error {
		return errors.Join(w.JSON("x.json", 1), w.List("y.json", list(1, broken)))
	}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(path); err != nil || len(left) != 0 {
		t.Errorf("a failure left %v %v", left, err)
	}
	if _, err := d.Open("a.zip"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	size, err := d.Make("../a.zip", func(w *zipdir.Writer) error {
		return errors.Join(w.JSON("one.json", map[string]int{"a": 1}), w.List("some.json", list("x", 2)), w.List("none.json", list()),
			w.File("files/f", strings.NewReader("bytes")))
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Open("a.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() != size || info.Mode() != 0o600 {
		t.Errorf("%v %v, want %d", info, err, size)
	}
	r, err := zip.NewReader(f, size)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range r.File {
		in, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Name, strings.Join(strings.Fields(string(b)), ""))
	}
	if want := []string{"one.json", `{"a":1}`, "some.json", `["x",2]`, "none.json", "[]", "files/f", "bytes"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if err := errors.Join(d.Remove("a.zip"), d.Remove("a.zip")); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(path); err != nil || len(left) != 0 {
		t.Errorf("%v %v are left", left, err)
	}
}
