package chatmongo

import (
	"context"
	"fmt"
	"iter"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Files implements chat.Archive.
func (a *Archive) Files(ctx context.Context, after ids.Attachment) iter.Seq2[chat.ArchivedFile, error] {
	return walked(ctx, a.s.files, after.Bytes(), func(d *fileDocument) (chat.ArchivedFile, any, error) {
		f := chat.ArchivedFile{File: d.file(), Conversation: idOf[ids.Conversation](d.Room), CondemnedAt: optInstant(d.Condemned)}
		var err error
		if d.Unsent != fileOf(&f, 0).Unsent {
			err = fmt.Errorf("%w: the keys of %s", chat.ErrArchive, f.ID)
		}
		return f, d.ID, err
	})
}

// fillFiles brings over the files that are not there yet.
func (f *Filler) fillFiles(ctx context.Context, from chat.Archive, pos int64, told func(part string, n int)) error {
	last, err := find[fileDocument](ctx, f.s.files, bson.D{}, descending("_id", 1))
	if err != nil {
		return fmt.Errorf("read the end of the files: %w", err)
	}
	var after ids.Attachment
	for _, d := range last {
		after = idOf[ids.Attachment](d.ID)
	}
	return fill(ctx, f, f.s.files, from.Files(ctx, after), func(d *chat.ArchivedFile) (any, int) {
		return fileOf(d, pos), 600
	}, func(n int) { told(chat.PartFiles, n) })
}
