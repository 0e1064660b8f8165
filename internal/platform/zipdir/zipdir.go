package zipdir

import (
	"archive/zip"
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
)

// Dir is a directory of archives.
type Dir struct{ path string }

// New returns a Dir. It is made with the first archive.
func New(path string) *Dir { return &Dir{path} }

const unfinished = ".unfinished"

func (d *Dir) file(name string) string { return filepath.Join(d.path, filepath.Base(name)) }

// Make makes the archive of a name, which fill fills, and returns its size. When
// fill fails there is none.
func (d *Dir) Make(name string, fill func(*Writer) error) (size int64, err error) {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return 0, fmt.Errorf("make the directory of archives: %w", err)
	}
	path := d.file(name)
	f, err := os.OpenFile(path+unfinished, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("begin an archive: %w", err)
	}
	buffered := bufio.NewWriterSize(f, 64<<10)
	w := &Writer{zip.NewWriter(buffered)}
	if err = fill(w); err == nil {
		err = errors.Join(w.zip.Close(), buffered.Flush(), f.Sync())
	}
	if info, told := f.Stat(); told == nil {
		size = info.Size()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+unfinished, path)
	}
	if err == nil {
		err = syncDir(d.path)
	}
	if err != nil {
		_ = os.Remove(path + unfinished)
		return 0, fmt.Errorf("make an archive: %w", err)
	}
	return size, nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open opens an archive; fs.ErrNotExist.
func (d *Dir) Open(name string) (*os.File, error) {
	f, err := os.Open(d.file(name))
	if err != nil {
		return nil, fmt.Errorf("open an archive: %w", err)
	}
	return f, nil
}

// Remove removes an archive, and what there is of one; it is content when there
// is nothing.
func (d *Dir) Remove(name string) error {
	for _, path := range []string{d.file(name), d.file(name) + unfinished} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an archive: %w", err)
		}
	}
	return nil
}

// Writer fills an archive, entry after entry.
type Writer struct{ zip *zip.Writer }

func (w *Writer) entry(name string, method uint16) (io.Writer, error) {
	to, err := w.zip.CreateHeader(&zip.FileHeader{Name: name, Method: method})
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", name, err)
	}
	return to, nil
}

// JSON adds a document.
func (w *Writer) JSON(name string, v any) error {
	to, err := w.entry(name, zip.Deflate)
	if err != nil {
		return err
	}
	e := json.NewEncoder(to)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// List adds a document that is an array, an item a line.
func (w *Writer) List(name string, items iter.Seq2[any, error]) error {
	to, err := w.entry(name, zip.Deflate)
	if err != nil {
		return err
	}
	before := "[\n"
	for item, err := range items {
		if err != nil {
			return err
		}
		line, err := json.Marshal(item)
		if err == nil {
			_, err = io.WriteString(to, before)
		}
		if err == nil {
			_, err = to.Write(line)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		before = ",\n"
	}
	end := "\n]\n"
	if before == "[\n" {
		end = "[]\n"
	}
	if _, err := io.WriteString(to, end); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// File adds the bytes of a file as they are.
func (w *Writer) File(name string, from io.Reader) error {
	to, err := w.entry(name, zip.Store)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
