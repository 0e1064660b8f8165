package chathttp

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/tus/tusd/v2/pkg/handler"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// tusStore is a store of tusd's, in which everybody finds his own uploads
// alone, and what is complete is taken in.
type tusStore struct {
	f     *Face
	files incoming
}

// incoming is where uploads are while they come: tusd's file store, or
// partStore.
type incoming interface {
	handler.DataStore
	handler.TerminaterDataStore
	handler.LengthDeferrerDataStore
}

// NewUpload implements handler.DataStore.
func (s *tusStore) NewUpload(ctx context.Context, info handler.FileInfo) (handler.Upload, error) {
	up, err := s.files.NewUpload(ctx, info)
	if err != nil {
		return nil, s.f.told(ctx, full(err))
	}
	return s.wrap(ctx, up, info.ID)
}

// GetUpload implements handler.DataStore.
func (s *tusStore) GetUpload(ctx context.Context, id string) (handler.Upload, error) {
	u, err := s.own(ctx, id)
	if err != nil {
		return nil, err
	}
	if u.file.Complete {
		return u, nil
	}
	up, err := s.files.GetUpload(ctx, id)
	if errors.Is(err, handler.ErrNotFound) {
		// Perhaps it was taken in, and the machine died before that was noted.
		if err = u.complete(ctx); err == nil {
			return u, nil
		}
		return nil, handler.ErrNotFound
	}
	if err != nil {
		return nil, s.f.told(ctx, err)
	}
	u.Upload = up
	return u, nil
}

func (s *tusStore) own(ctx context.Context, name string) (*upload, error) {
	id, ok := ids.ParseAttachment(name)
	if !ok {
		return nil, handler.ErrNotFound
	}
	who, err := s.f.caller(ctx)
	if err != nil {
		return nil, s.f.told(ctx, err)
	}
	file, err := s.f.deps.Chat.Upload(ctx, who.User, id)
	if errors.Is(err, chat.ErrNoFile) {
		return nil, handler.ErrNotFound
	}
	if err != nil {
		return nil, s.f.told(ctx, err)
	}
	return &upload{s: s, file: file}, nil
}

func (s *tusStore) wrap(ctx context.Context, up handler.Upload, id string) (handler.Upload, error) {
	u, err := s.own(ctx, id)
	if err != nil {
		return nil, err
	}
	u.Upload = up
	return u, nil
}

// AsTerminatableUpload implements handler.TerminaterDataStore.
func (s *tusStore) AsTerminatableUpload(u handler.Upload) handler.TerminatableUpload {
	return u.(*upload) //nolint:forcetypeassert // It is one of ours.
}

// AsLengthDeclarableUpload implements handler.LengthDeferrerDataStore.
func (s *tusStore) AsLengthDeclarableUpload(u handler.Upload) handler.LengthDeclarableUpload {
	return u.(*upload) //nolint:forcetypeassert // It is one of ours.
}

// upload is one of somebody's. Once it is complete there is nothing of it in
// tusd's store any more.
type upload struct {
	handler.Upload // nil when it is complete
	s              *tusStore
	file           chat.File
}

// GetInfo implements handler.Upload.
func (u *upload) GetInfo(ctx context.Context) (handler.FileInfo, error) {
	if u.file.Complete {
		return handler.FileInfo{ID: u.file.ID.String(), Size: u.file.Length, Offset: u.file.Length}, nil
	}
	info, err := u.Upload.GetInfo(ctx)
	if err != nil {
		return info, u.s.f.told(ctx, err)
	}
	if !info.SizeIsDeferred && info.Offset == info.Size {
		// All is there, but the answer to the last part was an error.
		if err := u.FinishUpload(ctx); err != nil {
			return info, err
		}
	}
	return info, nil
}

// WriteChunk implements handler.Upload.
func (u *upload) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	writing(ctx)
	if u.file.Complete { // it is empty
		return 0, nil
	}
	n, err := u.Upload.WriteChunk(ctx, offset, &capped{src, u.s.f.cfg.MaxSize - offset})
	return n, u.s.f.told(ctx, full(err))
}

// GetReader implements handler.Upload; downloads do not come this way.
func (u *upload) GetReader(context.Context) (io.ReadCloser, error) { return nil, handler.ErrNotFound }

// DeclareLength implements handler.LengthDeclarableUpload.
func (u *upload) DeclareLength(ctx context.Context, length int64) error {
	if u.file.Complete {
		return handler.ErrInvalidUploadLength
	}
	up := u.s.files.AsLengthDeclarableUpload(u.Upload)
	return u.s.f.told(ctx, full(up.DeclareLength(ctx, length)))
}

// Terminate implements handler.TerminatableUpload.
func (u *upload) Terminate(ctx context.Context) error {
	if err := u.s.f.deps.Chat.EndUpload(ctx, u.file.Uploader, u.file.ID); err != nil {
		if errors.Is(err, chat.ErrNoFile) {
			return handler.ErrNotFound // It is in a message, which is deleted otherwise.
		}
		return u.s.f.told(ctx, err)
	}
	if u.Upload == nil {
		return nil
	}
	return u.s.f.told(ctx, u.s.files.AsTerminatableUpload(u.Upload).Terminate(ctx))
}

// FinishUpload implements handler.Upload.
func (u *upload) FinishUpload(ctx context.Context) error {
	if u.file.Complete {
		return nil
	}
	err := u.complete(ctx)
	if errors.Is(err, chat.ErrFileType) || errors.Is(err, chat.ErrFileDamaged) {
		return errors.Join(u.s.f.told(ctx, err), u.Terminate(ctx))
	}
	return u.s.f.told(ctx, full(err))
}

// complete takes the upload in and notes it.
func (u *upload) complete(ctx context.Context) error {
	file, err := u.s.f.deps.Blobs.TakeIn(ctx, u.file)
	if err != nil {
		return err
	}
	if err := u.s.f.deps.Chat.CompleteUpload(ctx, file); err != nil {
		return err
	}
	u.file = file
	return nil
}

// full says of a disk without room that the server cannot now.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errors.Join(errs.ErrUnavailable, err)
	}
	return err
}

// capped is a part of an upload of which no more than some bytes are taken.
// tusd takes as many as Content-Length says while an upload's length is not
// known.
type capped struct {
	io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		if n, err := c.Reader.Read(p[:min(len(p), 1)]); n == 0 {
			return 0, err
		}
		return 0, handler.ErrMaxSizeExceeded
	}
	n, err := c.Reader.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
