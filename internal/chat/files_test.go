package chat_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/chat"
	"chatd/internal/chat/chatsql"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/migrations"
)

// disk is a directory of files that may fail.
type disk struct {
	broken  bool
	removed []ids.Attachment
}

var errDisk = errors.New("the disk is away")

func (d *disk) Remove(_ context.Context, of ...ids.Attachment) error {
	if d.broken {
		return errDisk
	}
	d.removed = append(d.removed, of...)
	return nil
}

// What a crash, or a disk that is away, leaves between the tombstone and the
// removal of its files is done by the next sweep, and not before it is due.
func TestASweepDoesWhatADeletionCouldNot(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t)
	if err := db.Migrate(t.Context(), "chat", migrations.FS("chat")); err != nil {
		t.Fatal(err)
	}
	store, bytes := chatsql.New(db, chatsql.Config{}), &disk{broken: true}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := chat.New(chat.Deps{Store: store, Directory: everybody{}, Secret: make([]byte, 32), Log: zerolog.Nop(), Blobs: bytes},
		chat.Config{Now: func() time.Time { return now }})
	f, u := chattest.NewFixture(store), chattest.Users(1)
	room := f.Group(t, u[0])
	upload := func() ids.Attachment {
		t.Helper()
		file, err := s.BeginUpload(t.Context(), u[0], "a", 10)
		if err != nil {
			t.Fatal(err)
		}
		file.ContentType = "text/plain"
		if err := s.CompleteUpload(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		return file.ID
	}
	sent, kept, unsent := upload(), upload(), upload()
	m, err := s.Send(t.Context(), chat.SendInput{Conversation: room.ID, Sender: u[0], Attachments: []ids.Attachment{sent}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(t.Context(), chat.SendInput{Conversation: room.ID, Sender: u[0], Text: "kept", Attachments: []ids.Attachment{kept}}); err != nil {
		t.Fatal(err)
	}
	gone, err := s.Delete(t.Context(), u[0], m.ID)
	if err != nil || !gone.Deleted() || len(gone.Attachments) > 0 {
		t.Fatalf("the deletion does not wait for the disk: %+v, %v", gone, err)
	}
	if _, err := s.File(t.Context(), u[0], sent); !errors.Is(err, chat.ErrNoFile) {
		t.Errorf("its file: %v", err)
	}
	now = now.Add(2 * time.Minute)
	if err := s.Sweep(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("while the disk is away: %v", err)
	}
	bytes.broken = false
	for range 2 {
		if err := s.Sweep(t.Context()); err != nil || !slices.Equal(bytes.removed, []ids.Attachment{sent}) {
			t.Errorf("removed %v, %v", bytes.removed, err)
		}
	}
	now = now.Add(24 * time.Hour) // the unsent one's time is over; its bytes stay for a moment more
	if err := s.Sweep(t.Context()); err != nil || len(bytes.removed) != 1 {
		t.Errorf("removed %v, %v", bytes.removed, err)
	}
	if _, err := s.Send(t.Context(), chat.SendInput{Conversation: room.ID, Sender: u[0], Attachments: []ids.Attachment{unsent}}); !errors.Is(err, chat.ErrAttachments) {
		t.Errorf("sent after its time: %v", err)
	}
	now = now.Add(2 * time.Minute)
	if err := s.Sweep(t.Context()); err != nil || !slices.Equal(bytes.removed, []ids.Attachment{sent, unsent}) {
		t.Errorf("removed %v, %v", bytes.removed, err)
	}
	if _, err := s.File(t.Context(), u[0], kept); err != nil {
		t.Errorf("what is in a message: %v", err)
	}
}

// A clientId's hash is what it was before there were attachments.
func TestAttachmentsAreOfAnInputOnlyWhereThereAreSome(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t)
	if err := db.Migrate(t.Context(), "chat", migrations.FS("chat")); err != nil {
		t.Fatal(err)
	}
	store := chatsql.New(db, chatsql.Config{})
	s := chat.New(chat.Deps{Store: store, Directory: everybody{}, Secret: make([]byte, 32), Log: zerolog.Nop()}, chat.Config{})
	f, u := chattest.NewFixture(store), chattest.Users(1)
	room := f.Group(t, u[0])
	// As an earlier version has stored it: HMAC-SHA256 of the length, the text
	// and no reply, under a key of zeros, cut to 16 bytes.
	old := f.Message(t, room.ID, u[0], "hello")
	old.ClientID, old.InputHash = "k", []byte("\xe3\xab\xcb\xd9\x46\x3f\x60\x41\x5b\x87\xaf\x64\xce\xfb\xcb\xf3")
	first, err := store.Append(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Send(t.Context(), chat.SendInput{Conversation: room.ID, Sender: u[0], Text: "hello", ClientID: "k", Attachments: []ids.Attachment{}})
	if err != nil || again.ID != first.ID {
		t.Errorf("with none: %+v, %v", again, err)
	}
	_, err = s.Send(t.Context(), chat.SendInput{
		Conversation: room.ID, Sender: u[0], Text: "hello", ClientID: "k", Attachments: []ids.Attachment{ids.New[ids.Attachment]()},
	})
	if !errors.Is(err, chat.ErrKeyReused) {
		t.Errorf("with one: %v", err)
	}
}
