package chatsql_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/internal/platform/testenv"
)

func TestAFullDiskRefusesSendsAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := testenv.SmallDisk(t, 8<<20)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f := chattest.NewFixture(setup(t, sqldbtest.Open(t, sqldb.Config{Path: filepath.Join(dir, "chat.db")})))
	u := chattest.Users(1)
	c := f.Group(t, u...)
	text := strings.Repeat("text ", 2000)
	sent := int64(0)
	fill := func() error {
		for range 1000 {
			m := f.Message(t, c.ID, u[0], text)
			m.ClientID, m.InputHash = m.ID.String(), []byte("hash")
			if _, err := f.Store.Append(t.Context(), m); err != nil {
				return err
			}
			sent++
		}
		return nil
	}
	for range 2 {
		if err := fill(); !errors.Is(err, errs.ErrUnavailable) {
			t.Fatalf("after %d messages: %v", sent, err)
		}
	}
	readable(t, f, c.ID, u[0], sent)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	m := f.Send(t, c.ID, u[0], "room again")
	if sent++; m.Seq != sent || m.Rev != sent+1 || m.Pos != sent+1 {
		t.Fatalf("numbers were lost: %+v after %d", m, sent)
	}
	readable(t, f, c.ID, u[0], sent)
	chattest.Dense(t, f.Store)
}

func readable(t *testing.T, f *chattest.Fixture, id ids.Conversation, user ids.User, sent int64) {
	t.Helper()
	all, err := f.Store.Page(t.Context(), user, chat.MessagePage{Conversation: id, Backward: true, Limit: 1})
	if err != nil || len(all) != 1 || all[0].Seq != sent {
		t.Fatalf("%d messages were acknowledged; the newest is %+v, %v", sent, all, err)
	}
	if pos := f.Position(t); pos != sent+1 {
		t.Fatalf("%d messages were acknowledged; the position is %d", sent, pos)
	}
}
