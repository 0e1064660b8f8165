package chatmongo_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb/mongodbtest"
)

// wire stands between a store and its server and loses the answers to
// commands that contain a text.
type wire struct {
	lose atomic.Pointer[string]
	lost atomic.Int64
}

// listen serves on loopback until the test ends.
func (w *wire) listen(t *testing.T, server string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(client, server)
		}
	}()
	return l.Addr().String()
}

func (w *wire) serve(client net.Conn, server string) {
	defer client.Close()
	s, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer s.Close()
	for {
		command, err := wireMessage(client)
		if err != nil {
			return
		}
		if _, err := s.Write(command); err != nil {
			return
		}
		answer, err := wireMessage(s)
		if err != nil {
			return
		}
		if text := w.lose.Load(); text != nil && bytes.Contains(command, []byte(*text)) {
			w.lost.Add(1)
			return
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

func wireMessage(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	all := make([]byte, binary.LittleEndian.Uint32(head))
	copy(all, head)
	_, err := io.ReadFull(r, all[4:])
	return all, err
}

// command is what the message of a command begins its document with: its name
// and the collection, as BSON has them.
func command(name, collection string) *string {
	text := "\x02" + name + "\x00" +
		string(binary.LittleEndian.AppendUint32(nil, uint32(len(collection)+1))) + collection + "\x00"
	return &text
}

func TestALostAnswerLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	cfg := mongodbtest.Config(t)
	u, err := url.Parse(cfg.URL)
	if err != nil || u.User != nil || strings.Contains(u.Host, ",") {
		t.Skip("needs a lone server without credentials")
	}
	w := &wire{}
	cfg.URL = "mongodb://" + w.listen(t, u.Host) + "/"
	db := mongodbtest.Open(t, cfg)
	t.Cleanup(func() { _ = db.Drop(context.Background()) })
	f := chattest.NewFixture(setup(t, db))
	users := chattest.Users(2)
	c := f.Group(t, users...)
	for i, lost := range []*string{
		command("insert", "chat_log"), command("update", "chat_conversations"), command("update", "chat_members"),
	} {
		in := f.Message(t, c.ID, users[0], "text")
		in.ClientID, in.InputHash = fmt.Sprint(i), []byte("hash")
		w.lose.Store(lost)
		_, err := f.Store.Append(t.Context(), in)
		if !errors.Is(err, errs.ErrUnavailable) {
			t.Fatalf("without an answer to %q: %v", *lost, err)
		}
		w.lose.Store(nil)
		first := in.ID
		in.ID = ids.New[ids.Message]()
		m, err := f.Store.Append(t.Context(), in)
		if err != nil || m.ID != first || m.Seq != int64(i+1) {
			t.Fatalf("again after %q: %+v, %v", *lost, m, err)
		}
		if v := f.View(t, users[0], c.ID); v.LastSeq != m.Seq || v.Viewer.ReadSeq != m.Seq {
			t.Fatalf("after %q: %+v", *lost, v)
		}
	}
	edit := f.MemberEdit(t, c.ID, users[0], chat.Removed, "", users[1])
	w.lose.Store(command("update", "chat_members"))
	if _, err := f.Store.ChangeMembers(t.Context(), edit); !errors.Is(err, errs.ErrUnavailable) {
		t.Fatal(err)
	}
	w.lose.Store(nil)
	f.Position(t)
	if v := f.View(t, users[0], c.ID); v.MemberVersion != edit.Version+1 || v.MemberCount != 1 {
		t.Fatalf("%+v", v)
	}
	if n := w.lost.Load(); n != 4 {
		t.Fatalf("%d answers were lost", n)
	}
	chattest.Dense(t, f.Store)
}
