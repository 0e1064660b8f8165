package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"chatd/internal/platform/ids"
)

// Traces finds what somebody has left, in conversations that he is in no longer,
// too. It asks for no right.
type Traces interface {
	// Rooms returns the conversations that a user is or was in by rising id,
	// those after the one only (zero: all), at most limit.
	Rooms(ctx context.Context, user ids.User, after ids.Conversation, limit int) ([]Room, error)
	// Traced returns what a user has left in the messages with after < seq <=
	// after + span of a conversation. Its cost does not depend on how many
	// others there are.
	Traced(ctx context.Context, user ids.User, id ids.Conversation, after, span int64) (Traced, error)
	// Unkey takes the ClientIDs and InputHashes from the user's messages in a
	// conversation, which he is in no longer.
	Unkey(ctx context.Context, user ids.User, id ids.Conversation) error
	// CondemnUploads condemns the files of that uploader that are in no
	// message, his picture too, at most limit, and returns them.
	CondemnUploads(ctx context.Context, uploader ids.User, at time.Time, limit int) ([]ids.Attachment, error)
	// Uploaded returns the complete files of an uploader by rising id, those
	// after the one only (zero: all), at most limit.
	Uploaded(ctx context.Context, uploader ids.User, after ids.Attachment, limit int) ([]File, error)
	// BlankReports takes the reasons from the reports that a user has made.
	BlankReports(ctx context.Context, reporter ids.User) error
}

// Room is a conversation, and whether somebody is in it.
type Room struct {
	ID ids.Conversation
	In bool
}

// Traced is what somebody has left in some messages of a conversation.
type Traced struct {
	Version   int64     // the MemberVersion, which revisions need
	LastSeq   int64     // of the conversation
	Own       []Message // his that are no tombstones and no system messages
	Reactions []Reactor // his, to messages of whomever
}

const (
	traceSpan   = 500 // messages looked at at once
	traceAtOnce = 8   // revisions, which share commits
	erasePage   = 100 // of rooms and files
)

// Erase takes away what a user has left, whose account is gone: he leaves all
// conversations, as by Leave, direct ones too; what he wrote becomes tombstones,
// as by Delete, his reactions are taken back, his uploads that were not sent and
// what he wrote in reports go. Each is a commit of its own that those who listen
// see, so that a crash loses none; doing it again goes on where it was, and does
// nothing when all is done.
func (s *Service) Erase(ctx context.Context, user ids.User) error {
	// Out of all conversations first, so that nothing comes after it is looked for.
	err := s.eachRoom(ctx, user, func(r Room) error {
		if !r.In {
			return nil
		}
		err := s.decide(ctx, user, r.ID, func(v View) error { return s.leave(ctx, v) })
		s.forget(r.ID, user)
		if errors.Is(err, ErrNoConversation) { // he is out
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("take %s out of conversations: %w", user, err)
	}
	if err := s.eraseUploads(ctx, user); err != nil {
		return err
	}
	if err := s.Store.BlankReports(ctx, user); err != nil {
		return fmt.Errorf("blank the reports of %s: %w", user, err)
	}
	err = s.eachRoom(ctx, user, func(r Room) error { return s.eraseIn(ctx, user, r.ID) })
	if err != nil {
		return fmt.Errorf("erase what %s wrote: %w", user, err)
	}
	return nil
}

func (s *Service) eachRoom(ctx context.Context, user ids.User, do func(Room) error) error {
	for after := (ids.Conversation{}); ; {
		rooms, err := s.Store.Rooms(ctx, user, after, erasePage)
		if err != nil {
			return err
		}
		for _, r := range rooms {
			after = r.ID
			if err := do(r); err != nil {
				return fmt.Errorf("in %s: %w", r.ID, err)
			}
		}
		if len(rooms) < erasePage {
			return nil
		}
	}
}

func (s *Service) eraseUploads(ctx context.Context, user ids.User) error {
	for {
		gone, err := s.Store.CondemnUploads(ctx, user, s.cfg.Now(), erasePage)
		if err != nil {
			return fmt.Errorf("condemn uploads of %s: %w", user, err)
		}
		if len(gone) > 0 && s.Blobs != nil {
			if err := s.remove(ctx, gone); err != nil {
				return err
			}
		}
		if len(gone) < erasePage {
			return nil
		}
	}
}

// eraseIn makes tombstones of what a user wrote in one conversation and takes
// his reactions back.
func (s *Service) eraseIn(ctx context.Context, user ids.User, id ids.Conversation) error {
	const tries = 20 // of one page, while the membership moves
	moved := 0
	for after := int64(0); ; {
		found, err := s.Store.Traced(ctx, user, id, after, traceSpan)
		if err != nil {
			return err
		}
		switch err := s.eraseTraces(ctx, user, found); {
		case errors.Is(err, ErrMoved) && moved < tries:
			moved++
			continue
		case err != nil:
			return err
		}
		if after, moved = after+traceSpan, 0; after >= found.LastSeq {
			return s.Store.Unkey(ctx, user, id)
		}
	}
}

func (s *Service) eraseTraces(ctx context.Context, user ids.User, found Traced) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(traceAtOnce)
	revise := func(r Revision, files []Attachment) {
		work.Go(func() error {
			r.Version, r.At = found.Version, s.cfg.Now()
			_, err := s.Store.Revise(ctx, r)
			if errors.Is(err, ErrDeleted) {
				return nil // with all that was on it
			}
			if err == nil && len(files) > 0 {
				s.removeFiles(ctx, files)
			}
			return err
		})
	}
	for _, r := range found.Reactions {
		revise(Revision{Message: r.Message, Kind: ToUnreact, User: user, Emoji: r.Emoji}, nil)
	}
	for i := range found.Own {
		revise(Revision{Message: found.Own[i].ID, Kind: ToDelete}, found.Own[i].Attachments)
	}
	return work.Wait()
}

// Alone says whether a direct conversation has lost the other, whose account was
// deleted: it is there to be read.
func (v *View) Alone() bool { return v.Kind == Direct && v.MemberCount < len([2]ids.User{}) }
