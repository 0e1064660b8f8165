package chatblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/s3"
)

// Bucket keeps files in a bucket, by the names that they have in a Store's
// directory. To take an upload in, it is put together in a directory of this
// process and goes through a Store there. Any number of nodes may share the
// bucket.
type Bucket struct {
	objects *s3.Bucket
	scratch *Store
}

var _ chat.Blobs = (*Bucket)(nil)

// OpenBucket makes a Bucket over objects, with a directory for this process
// alone, whose content is thrown away.
func OpenBucket(objects *s3.Bucket, dir string, cfg Config) (*Bucket, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("files directory: %w", err)
	}
	scratch, err := Open(dir, cfg)
	if err != nil {
		return nil, err
	}
	return &Bucket{objects, scratch}, nil
}

// TakeIn takes in an upload that is all there, as Store's does.
func (b *Bucket) TakeIn(ctx context.Context, f chat.File) (chat.File, error) {
	out, err := b.takeIn(ctx, f)
	if err != nil {
		return chat.File{}, fmt.Errorf("take in %s: %w", f.ID, err)
	}
	return out, nil
}

func (b *Bucket) takeIn(ctx context.Context, f chat.File) (chat.File, error) {
	defer func() { _ = b.scratch.Remove(context.WithoutCancel(ctx), f.ID) }()
	if err := b.fetch(ctx, f.ID); err != nil {
		return f, err
	}
	taken, err := b.scratch.TakeIn(ctx, f)
	if err != nil {
		return f, err
	}
	for _, name := range Names(taken.Attachment) {
		if err := b.store(ctx, name); err != nil {
			return f, err
		}
	}
	return taken, b.Drop(ctx, f.ID)
}

// fetch brings an upload into the scratch directory: from its parts or, where
// it was taken in and nobody wrote it down, from what became of it.
func (b *Bucket) fetch(ctx context.Context, id ids.Attachment) error {
	names, _, err := b.parts(ctx, id)
	if err != nil {
		return err
	}
	_, err = b.objects.Size(ctx, nameOf(id))
	switch {
	case err == nil: // of the parts some may be gone
		names = []string{nameOf(id)}
	case !errors.Is(err, s3.ErrNone):
		return err
	case len(names) == 0: // it is empty, or not there
		if _, _, err := b.Noted(ctx, id); err != nil {
			return err
		}
	}
	to, err := os.OpenFile(filepath.Join(b.scratch.Incoming(), id.String()), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err = b.copyTo(ctx, to, name); err != nil {
			break
		}
	}
	return errors.Join(err, to.Close())
}

func (b *Bucket) copyTo(ctx context.Context, to io.Writer, name string) error {
	o, err := b.objects.Get(ctx, name)
	if err != nil {
		return err
	}
	n, err := io.Copy(to, o)
	if err == nil && n != o.Size() {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, o.Close())
}

// store puts a file of the scratch directory into the bucket.
func (b *Bucket) store(ctx context.Context, name string) error {
	f, err := os.Open(filepath.Join(b.scratch.dir, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // Only read.
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return b.objects.Put(ctx, name, f, info.Size())
}

// Open opens a file that was taken in, or its thumbnail; chat.ErrNoFile when
// it is not there.
func (b *Bucket) Open(ctx context.Context, id ids.Attachment, thumbnail bool) (chat.Content, error) {
	name := nameOf(id)
	if thumbnail {
		name += thumbnailSuffix
	}
	o, err := b.objects.Get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", id, noFile(err))
	}
	return o, nil
}

// noFile is chat.ErrNoFile of what says that there is no object.
func noFile(err error) error {
	if errors.Is(err, s3.ErrNone) {
		return chat.ErrNoFile
	}
	return err
}

// Remove removes all that there is of files.
func (b *Bucket) Remove(ctx context.Context, of ...ids.Attachment) error {
	var failed []error
	for _, id := range of {
		failed = append(failed, b.objects.Remove(ctx, nameOf(id), nameOf(id)+thumbnailSuffix), b.Drop(ctx, id))
	}
	return errors.Join(failed...)
}

// Ping says whether the bucket answers.
func (b *Bucket) Ping(ctx context.Context) error { return b.objects.Ping(ctx) }
