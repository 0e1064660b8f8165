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
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/migrations"
)

// faces are profiles: who has which picture, and who sees nobody.
type faces struct {
	named map[ids.User]ids.Attachment
	blind ids.User
	away  bool
}

func (f *faces) Avatars(context.Context, []ids.User) (map[ids.User]ids.Attachment, error) {
	if f.away {
		return nil, errDisk
	}
	return f.named, nil
}

func (f *faces) Shown(_ context.Context, who principal.Principal, of ids.User) (ids.Attachment, error) {
	if who.User == f.blind {
		return ids.Attachment{}, nil
	}
	return f.named[of], nil
}

// A picture is there as long as its profile names it: whoever sees the profile
// sees it, and when it was put off, or never put on, the sweep takes it away
// once that is certain.
func TestAPictureIsThereAsLongAsItsProfileNamesIt(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t)
	if err := db.Migrate(t.Context(), "chat", migrations.FS("chat")); err != nil {
		t.Fatal(err)
	}
	store, bytes, people := chatsql.New(db, chatsql.Config{}), &disk{}, &faces{named: map[ids.User]ids.Attachment{}}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := chat.New(chat.Deps{Store: store, Directory: everybody{}, Secret: make([]byte, 32), Log: zerolog.Nop(), Blobs: bytes, Faces: people},
		chat.Config{Now: func() time.Time { return now }})
	u := chattest.Users(3)
	people.blind = u[2]
	image := func() ids.Attachment {
		t.Helper()
		f, err := s.BeginUpload(t.Context(), u[0], "face.png", 1000)
		if err != nil {
			t.Fatal(err)
		}
		f.ContentType, f.Width, f.Height, f.Thumbnail = "image/png", 40, 30, true
		if err := s.CompleteUpload(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		return f.ID
	}
	first, second, never := image(), image(), image()
	sees := func(what string, who ids.User, id ids.Attachment, want bool) {
		t.Helper()
		_, err := s.Thumbnail(t.Context(), principal.Principal{User: who}, id)
		if want != (err == nil) || err != nil && !errors.Is(err, chat.ErrNoFile) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := s.File(t.Context(), who, id); (who == u[0] && want) != (err == nil) {
			t.Errorf("%s, the file as it was uploaded: %v", what, err)
		}
	}
	put := func(id ids.Attachment, named bool) {
		t.Helper()
		if err := s.WearAvatar(t.Context(), u[0], id); err != nil {
			t.Fatal(err)
		}
		if named {
			people.named[u[0]] = id
		}
	}
	sweep := func(after time.Duration, gone ...ids.Attachment) {
		t.Helper()
		for range 2 { // what is condemned is removed after a time of its own
			now = now.Add(after)
			if err := s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		slices.SortFunc(bytes.removed, ids.Attachment.Compare)
		slices.SortFunc(gone, ids.Attachment.Compare)
		if !slices.Equal(bytes.removed, gone) {
			t.Errorf("removed %v, not %v", bytes.removed, gone)
		}
	}
	sees("before it is put on", u[1], first, false)
	put(first, true)
	sees("anybody", u[1], first, true)
	sees("its user", u[0], first, true)
	sees("who does not see the user", u[2], first, false)
	put(never, false) // the profile could not be stored
	sees("what no profile names", u[1], never, false)
	sweep(10 * time.Second)
	put(second, true)
	sees("what was put off", u[1], first, false)
	sees("what was put on", u[1], second, true)
	people.away = true
	now = now.Add(2 * time.Minute)
	if err := s.Sweep(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("while profiles cannot be asked: %v", err)
	}
	people.away = false
	sweep(2*time.Minute, first, never)
	sweep(48*time.Hour, first, never)
	sees("after days", u[1], second, true)
	delete(people.named, u[0])
	put(ids.Attachment{}, false)
	sees("of who has none", u[1], second, false)
	sweep(2*time.Minute, first, never, second)
}
