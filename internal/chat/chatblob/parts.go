package chatblob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"chatd/internal/platform/ids"
)

// An upload that is under way is "incoming/ID/note" and a part for each offset
// at which something came. A part is written whole, once; one that is there
// already, of a request that was thought lost, gives way to a longer one alone.

// partBytes is how much of an upload is on this machine alone, at most: what
// has come beyond is in the bucket, and outlives this process.
const partBytes = 8 << 20

// partsLooked is how many parts of an upload are looked at.
const partsLooked = 10_000

func uploadOf(id ids.Attachment) string { return incoming + "/" + id.String() + "/" }

func noteOf(id ids.Attachment) string { return uploadOf(id) + "note" }

// partOf sorts by offset, before the note.
func partOf(id ids.Attachment, offset int64) string {
	return fmt.Sprintf("%s%016x", uploadOf(id), offset)
}

// Note writes an upload's note in place of the one before.
func (b *Bucket) Note(ctx context.Context, id ids.Attachment, note []byte) error {
	if err := b.objects.Put(ctx, noteOf(id), bytes.NewReader(note), int64(len(note))); err != nil {
		return fmt.Errorf("note %s: %w", id, err)
	}
	return nil
}

// Noted returns an upload's note and how many bytes of it there are;
// chat.ErrNoFile when there is no note.
func (b *Bucket) Noted(ctx context.Context, id ids.Attachment) (note []byte, length int64, err error) {
	var text bytes.Buffer
	if err := b.copyTo(ctx, &text, noteOf(id)); err != nil {
		return nil, 0, fmt.Errorf("the note of %s: %w", id, noFile(err))
	}
	_, length, err = b.parts(ctx, id)
	return text.Bytes(), length, err
}

// parts are the names of an upload's parts from the first byte on, without a
// gap, and how many bytes they are.
func (b *Bucket) parts(ctx context.Context, id ids.Attachment) (names []string, length int64, err error) {
	all, err := b.objects.List(ctx, uploadOf(id), partsLooked)
	if err != nil {
		return nil, 0, fmt.Errorf("the parts of %s: %w", id, err)
	}
	for _, part := range all { // by their offsets
		if part.Key == partOf(id, length) && part.Size > 0 {
			names = append(names, part.Key)
			length += part.Size
		}
	}
	return names, length, nil
}

// Add writes what src has as the upload's bytes from an offset on, and returns
// how many of them are kept, also when src fails.
func (b *Bucket) Add(ctx context.Context, id ids.Attachment, offset int64, src io.Reader) (n int64, err error) {
	for err == nil {
		var some int64
		some, err = b.add(ctx, id, offset+n, src)
		n += some
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// add writes one part, and returns io.EOF when it was the last one.
func (b *Bucket) add(ctx context.Context, id ids.Attachment, offset int64, src io.Reader) (int64, error) {
	spool, err := os.CreateTemp(b.scratch.dir, "part-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = errors.Join(spool.Close(), os.Remove(spool.Name())) }()
	n, came := io.CopyN(spool, src, partBytes)
	if n == 0 {
		return 0, came
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	// What has come is kept though the client may have gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if kept, err := b.objects.Size(ctx, partOf(id, offset)); err == nil && kept >= n {
		return n, came
	}
	if err := b.objects.Put(ctx, partOf(id, offset), spool, n); err != nil {
		return 0, fmt.Errorf("keep a part of %s: %w", id, err)
	}
	return n, came
}

// Drop removes an upload that is under way: its note last, so that what a
// failure leaves is found again.
func (b *Bucket) Drop(ctx context.Context, id ids.Attachment) error {
	all, err := b.objects.List(ctx, uploadOf(id), partsLooked)
	if err != nil {
		return fmt.Errorf("drop %s: %w", id, err)
	}
	for _, o := range all {
		if err := b.objects.Remove(ctx, o.Key); err != nil {
			return fmt.Errorf("drop %s: %w", id, err)
		}
	}
	return nil
}
