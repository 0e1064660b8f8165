package chat

import (
	"context"
	"fmt"
	"time"

	"chatd/internal/platform/ids"
)

// FilesConfig bounds files; zero values are the defaults.
type FilesConfig struct {
	MaxSize    int64         // of a file, in bytes: 25 MiB
	PerMessage int           // 10
	Quota      int64         // of a user's files, in bytes: 1 GiB
	Unsent     int           // uploads of a user that are in no message: 100
	KeepUnsent time.Duration // before such a one is removed: 24 h
	// Sweep is how often what nobody needs is removed: 10 min. Grace is how
	// long an upload that was not sent stays on the disk after it was
	// condemned, so that a message that took it at that moment has it: 1 min.
	Sweep, Grace time.Duration
}

func (c FilesConfig) withDefaults() FilesConfig {
	set := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	if c.MaxSize == 0 {
		c.MaxSize = 25 << 20
	}
	if c.PerMessage == 0 {
		c.PerMessage = 10
	}
	if c.Quota == 0 {
		c.Quota = 1 << 30
	}
	if c.Unsent == 0 {
		c.Unsent = 100
	}
	set(&c.KeepUnsent, 24*time.Hour)
	set(&c.Sweep, 10*time.Minute)
	set(&c.Grace, time.Minute)
	return c
}

// BeginUpload makes room for an upload of that many bytes; below zero: not
// known yet, so that the largest file's are reserved. The name is cleaned.
// ErrFileSize, ErrQuota or ErrUnsent when it is too much, ErrTooOften; of several that
// begin at once where there is room for some, perhaps none gets it.
func (s *Service) BeginUpload(ctx context.Context, user ids.User, name string, length int64) (File, error) {
	if s.Blobs == nil {
		return File{}, ErrNoUploads
	}
	limits := s.cfg.Files
	if length > limits.MaxSize {
		return File{}, ErrFileSize
	}
	if err := s.count(s.cfg.Uploads, user); err != nil {
		return File{}, err
	}
	if length < 0 {
		length = limits.MaxSize
	}
	f := File{
		Attachment: Attachment{ID: ids.New[ids.Attachment](), Name: CleanName(name)},
		Uploader:   user, Length: length, CreatedAt: s.cfg.Now(),
	}
	if err := s.Store.Reserve(ctx, f); err != nil {
		return File{}, fmt.Errorf("reserve: %w", err)
	}
	// Counted with it in, so that those who begin at once see each other.
	used, err := s.Store.Usage(ctx, user)
	switch {
	case err != nil:
	case used.Bytes > limits.Quota:
		err = ErrQuota
	case used.Unsent > limits.Unsent:
		err = ErrUnsent
	}
	if err == nil {
		return f, nil
	}
	if undo := s.Store.Condemn(context.WithoutCancel(ctx), user, f.ID, s.cfg.Now()); undo != nil {
		s.Log.Warn().Err(undo).Stringer("attachment", f.ID).Msg("an upload that was refused is reserved until it expires")
	}
	return File{}, fmt.Errorf("begin an upload: %w", err)
}

// Upload returns an upload of the user's, or ErrNoFile.
func (s *Service) Upload(ctx context.Context, user ids.User, id ids.Attachment) (File, error) {
	f, err := s.Store.File(ctx, id)
	if err == nil && f.Uploader != user {
		err = ErrNoFile
	}
	if err != nil {
		return File{}, fmt.Errorf("upload %s: %w", id, err)
	}
	return f, nil
}

// CompleteUpload notes what is known of an upload now that its bytes are
// durable. From now on a message may take it.
func (s *Service) CompleteUpload(ctx context.Context, f File) error {
	if err := s.Store.Complete(ctx, f); err != nil {
		return fmt.Errorf("complete %s: %w", f.ID, err)
	}
	return nil
}

// EndUpload gives up an upload that is in no message.
func (s *Service) EndUpload(ctx context.Context, user ids.User, id ids.Attachment) error {
	if err := s.Store.Condemn(ctx, user, id, s.cfg.Now()); err != nil {
		return fmt.Errorf("end upload %s: %w", id, err)
	}
	return nil
}

// File returns a complete file to who may read it: a member of its message's
// conversation or, before it is sent, its uploader. ErrNoFile to all others.
func (s *Service) File(ctx context.Context, viewer ids.User, id ids.Attachment) (File, error) {
	found, err := s.Store.ReadableFiles(ctx, viewer, []ids.Attachment{id})
	if err != nil {
		return File{}, fmt.Errorf("file %s: %w", id, err)
	}
	if len(found) == 0 || !found[0].Complete {
		return File{}, fmt.Errorf("file %s: %w", id, ErrNoFile)
	}
	return found[0], nil
}

// Attachments returns those of the files that are complete and the viewer's to
// read, in any order.
func (s *Service) Attachments(ctx context.Context, viewer ids.User, of []ids.Attachment) ([]Attachment, error) {
	found, err := s.Store.ReadableFiles(ctx, viewer, of)
	if err != nil {
		return nil, fmt.Errorf("attachments: %w", err)
	}
	var all []Attachment
	for _, f := range found {
		if f.Complete {
			all = append(all, f.Attachment)
		}
	}
	return all, nil
}

// removeFiles removes the files of a message whose tombstone is durable. What
// fails is done by the next sweep.
func (s *Service) removeFiles(ctx context.Context, of []Attachment) {
	if s.Blobs == nil {
		return
	}
	named := make([]ids.Attachment, len(of))
	for i := range of {
		named[i] = of[i].ID
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.remove(ctx, named); err != nil {
		s.Log.Warn().Err(err).Msg("files of a deleted message are left to the sweep")
	}
}

func (s *Service) remove(ctx context.Context, of []ids.Attachment) error {
	if err := s.Blobs.Remove(ctx, of...); err != nil {
		return fmt.Errorf("remove files: %w", err)
	}
	if err := s.Store.Forget(ctx, of); err != nil {
		return fmt.Errorf("forget files: %w", err)
	}
	return nil
}

// SweepEvery is how often Sweep is due.
func (s *Service) SweepEvery() time.Duration { return s.cfg.Files.Sweep }

// Sweep removes uploads that were not sent in time, pictures that no profile
// names any more, and what a crash has left
// of those that were to be removed. It may run on several nodes at once, to no
// use.
func (s *Service) Sweep(ctx context.Context) error {
	const page = 100
	now := s.cfg.Now()
	if err := s.sweepAvatars(ctx); err != nil {
		return err
	}
	for {
		n, err := s.Store.CondemnUnsent(ctx, now.Add(-s.cfg.Files.KeepUnsent), now, page)
		if err != nil {
			return fmt.Errorf("condemn uploads: %w", err)
		}
		if n < page {
			break
		}
	}
	for {
		found, err := s.Store.Condemned(ctx, now.Add(-s.cfg.Files.Grace), page)
		if err != nil {
			return fmt.Errorf("find condemned files: %w", err)
		}
		if len(found) > 0 {
			err = s.remove(ctx, found)
		}
		if err != nil || len(found) < page {
			return err
		}
	}
}
