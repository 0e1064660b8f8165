package chatblob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/gabriel-vasile/mimetype"
	"golang.org/x/sync/semaphore"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Config has the bounds of a Store; the zero Config is good.
type Config struct {
	// Pixels is how many may be decoded at once, in all images together; an
	// image with more has no thumbnail (32 million, which take up to 256 MB).
	Pixels int64
	// RefusedTypes are those that are not taken in; as told from the content,
	// without parameters.
	RefusedTypes []string
}

// Store keeps files in a directory.
type Store struct {
	dir     string
	cfg     Config
	pixels  *semaphore.Weighted
	refused map[string]bool
}

var _ chat.Blobs = (*Store)(nil)

// Programs are the types that the system itself would run.
var Programs = []string{
	"application/vnd.microsoft.portable-executable", "application/x-elf", "application/x-executable", "application/x-sharedlib",
	"application/x-mach-binary", "application/x-ms-installer", "application/x-ms-shortcut",
}

const incoming = "incoming"

// Open makes the directory where it is missing.
func Open(dir string, cfg Config) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("files directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Join(abs, incoming), 0o700); err != nil {
		return nil, fmt.Errorf("files directory: %w", err)
	}
	cfg.Pixels = cmp.Or(cfg.Pixels, 32_000_000)
	s := &Store{dir: abs, cfg: cfg, pixels: semaphore.NewWeighted(cfg.Pixels), refused: make(map[string]bool)}
	for _, t := range cfg.RefusedTypes {
		s.refused[t] = true
	}
	return s, nil
}

// Incoming is the directory of what is being uploaded, a file named by its id
// for each, and others that begin with it and a dot.
func (s *Store) Incoming() string { return filepath.Join(s.dir, incoming) }

const thumbnailSuffix = ".thumbnail"

func (s *Store) path(id ids.Attachment) string {
	return filepath.Join(s.dir, filepath.FromSlash(nameOf(id)))
}

func nameOf(id ids.Attachment) string {
	name := id.String()
	return name[len(name)-2:] + "/" + name
}

// Names are those of a complete file's parts under the directory, with slashes.
func Names(a chat.Attachment) []string {
	if !a.Thumbnail {
		return []string{nameOf(a.ID)}
	}
	return []string{nameOf(a.ID), nameOf(a.ID) + thumbnailSuffix}
}

// Open opens a file that was taken in, or its thumbnail; chat.ErrNoFile when
// it is not there.
func (s *Store) Open(_ context.Context, id ids.Attachment, thumbnail bool) (chat.Content, error) {
	name := s.path(id)
	if thumbnail {
		name += thumbnailSuffix
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = chat.ErrNoFile
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", id, err)
	}
	return f, nil
}

// TakeIn takes in an upload that is all there, and returns f with what its
// content tells. It may be called again after any failure, also one of the
// machine. chat.ErrFileType and chat.ErrFileDamaged say that it will not be
// taken in.
func (s *Store) TakeIn(ctx context.Context, f chat.File) (chat.File, error) {
	from := filepath.Join(s.Incoming(), f.ID.String())
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		from = s.path(f.ID) // it was moved, and nobody wrote it down
	}
	out, err := s.takeIn(ctx, f, from)
	if err != nil {
		return chat.File{}, fmt.Errorf("take in %s: %w", f.ID, err)
	}
	return out, nil
}

func (s *Store) takeIn(ctx context.Context, f chat.File, from string) (chat.File, error) {
	src, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		err = chat.ErrNoFile
	}
	if err != nil {
		return f, err
	}
	defer src.Close() //nolint:errcheck // Only read.
	info, err := src.Stat()
	if err != nil {
		return f, err
	}
	f.Length = info.Size()
	if f.ContentType, err = s.typeOf(src); err != nil {
		return f, err
	}
	to := s.path(f.ID)
	if err := makeDir(filepath.Dir(to)); err != nil {
		return f, err
	}
	if strip := strippers[f.ContentType]; strip != nil {
		if err := s.image(ctx, &f, src, strip, to); err != nil {
			return f, err
		}
	} else {
		f.Size = info.Size()
		switch err := blank(from, f.ContentType); {
		case errors.Is(err, errDamaged):
			return f, chat.ErrFileDamaged
		case err != nil:
			return f, err
		}
		if err := src.Sync(); err != nil {
			return f, err
		}
		if err := os.Rename(from, to); err != nil {
			return f, err
		}
	}
	f.Complete = true
	if err := syncDir(filepath.Dir(to)); err != nil {
		return f, err
	}
	return f, s.sweepIncoming(f.ID)
}

// typeOf tells a file's type from its content.
func (s *Store) typeOf(src io.ReadSeeker) (string, error) {
	kind, err := mimetype.DetectReader(src)
	if err != nil {
		return "", err
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	for k := kind; k != nil; k = k.Parent() {
		if s.refused[plain(k.String())] {
			return "", chat.ErrFileType
		}
	}
	return kind.String(), nil
}

// image writes an image without what it tells beside its picture, and its
// thumbnail.
func (s *Store) image(ctx context.Context, f *chat.File, src *os.File, strip stripper, to string) error {
	size, err := writeFile(to, func(w io.Writer) error { return strip(w, src) })
	if errors.Is(err, errDamaged) {
		return chat.ErrFileDamaged
	}
	if err != nil {
		return err
	}
	f.Size = size
	shown, err := s.thumbnail(ctx, to)
	if err != nil {
		return err
	}
	f.Width, f.Height, f.Thumbnail = shown.width, shown.height, shown.thumbnail
	return nil
}

// Remove removes all that there is of files.
func (s *Store) Remove(_ context.Context, of ...ids.Attachment) error {
	var failed []error
	for _, id := range of {
		name := s.path(id)
		for _, path := range []string{name, name + thumbnailSuffix, name + unfinished, name + thumbnailSuffix + unfinished} {
			failed = append(failed, remove(path))
		}
		failed = append(failed, s.sweepIncoming(id))
	}
	return errors.Join(failed...)
}

// sweepIncoming removes what an upload has left that is over.
func (s *Store) sweepIncoming(id ids.Attachment) error {
	found, err := filepath.Glob(filepath.Join(s.Incoming(), id.String()+".*"))
	if err != nil {
		return err
	}
	for _, path := range append(slices.Clip(found), filepath.Join(s.Incoming(), id.String())) {
		if err := remove(path); err != nil {
			return err
		}
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
