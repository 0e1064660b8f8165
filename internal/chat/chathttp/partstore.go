package chathttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tus/tusd/v2/pkg/handler"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// partStore is a store of tusd's over Parts: an upload's note is its FileInfo.
type partStore struct{ parts Parts }

// NewUpload implements handler.DataStore.
func (s partStore) NewUpload(ctx context.Context, info handler.FileInfo) (handler.Upload, error) {
	id, ok := ids.ParseAttachment(info.ID)
	if !ok {
		return nil, handler.ErrNotFound
	}
	u := &partUpload{s.parts, id, info}
	return u, u.note(ctx)
}

// GetUpload implements handler.DataStore.
func (s partStore) GetUpload(ctx context.Context, name string) (handler.Upload, error) {
	id, ok := ids.ParseAttachment(name)
	if !ok {
		return nil, handler.ErrNotFound
	}
	note, length, err := s.parts.Noted(ctx, id)
	if errors.Is(err, chat.ErrNoFile) {
		return nil, handler.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	u := &partUpload{parts: s.parts, id: id}
	if err := json.Unmarshal(note, &u.info); err != nil {
		return nil, fmt.Errorf("the note of %s: %w", id, err)
	}
	u.info.Offset = length
	return u, nil
}

// AsTerminatableUpload implements handler.TerminaterDataStore.
func (s partStore) AsTerminatableUpload(u handler.Upload) handler.TerminatableUpload {
	return u.(*partUpload) //nolint:forcetypeassert // It is one of ours.
}

// AsLengthDeclarableUpload implements handler.LengthDeferrerDataStore.
func (s partStore) AsLengthDeclarableUpload(u handler.Upload) handler.LengthDeclarableUpload {
	return u.(*partUpload) //nolint:forcetypeassert // It is one of ours.
}

type partUpload struct {
	parts Parts
	id    ids.Attachment
	info  handler.FileInfo
}

func (u *partUpload) note(ctx context.Context) error {
	info := u.info
	info.Offset = 0 // which the parts tell
	note, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return u.parts.Note(ctx, u.id, note)
}

// GetInfo implements handler.Upload.
func (u *partUpload) GetInfo(context.Context) (handler.FileInfo, error) { return u.info, nil }

// WriteChunk implements handler.Upload.
func (u *partUpload) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	n, err := u.parts.Add(ctx, u.id, offset, src)
	u.info.Offset += n
	return n, err
}

// GetReader implements handler.Upload; downloads do not come this way.
func (u *partUpload) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, handler.ErrNotFound
}

// FinishUpload implements handler.Upload; tusStore takes the upload in.
func (u *partUpload) FinishUpload(context.Context) error { return nil }

// Terminate implements handler.TerminatableUpload.
func (u *partUpload) Terminate(ctx context.Context) error { return u.parts.Drop(ctx, u.id) }

// DeclareLength implements handler.LengthDeclarableUpload.
func (u *partUpload) DeclareLength(ctx context.Context, length int64) error {
	u.info.Size, u.info.SizeIsDeferred = length, false
	return u.note(ctx)
}
