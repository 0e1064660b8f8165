package chatsql_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/chat/chatsql"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func TestNumbersGoOnAfterARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chat.db")
	u := chattest.Users(2)
	var (
		c     chat.Conversation
		epoch string
		pos   int64
	)
	for run := range int64(3) {
		db, err := sqldb.Open(t.Context(), sqldb.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		store := setup(t, db)
		f := chattest.NewFixture(store)
		gotEpoch, gotPos, err := store.Position(t.Context())
		if err != nil || gotPos != pos || run > 0 && gotEpoch != epoch {
			t.Fatalf("run %d begins at %s %d, the one before ended at %s %d: %v", run, gotEpoch, gotPos, epoch, pos, err)
		}
		epoch = gotEpoch
		if run == 0 {
			c = f.Group(t, u...)
		}
		f.MarkRead(t, u[1], c.ID, run)
		m := f.Send(t, c.ID, u[0], "text")
		if m.Seq != run+1 || m.Rev != run+2 || m.Ord != run+1 {
			t.Fatalf("run %d: %+v", run, m)
		}
		pos = m.Pos
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killedWriter names, to the process that TestAcknowledgedMessagesSurviveAKill
// starts, the directory to write in.
const killedWriter = "CHATSQL_TEST_KILLED_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedWriter); dir != "" {
		fmt.Println("ended", writeUntilKilled(dir)) //nolint:forbidigo // It speaks to the test.
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled appends as fast as it can and says what was acknowledged.
func writeUntilKilled(dir string) error {
	db, err := sqldb.Open(context.Background(), sqldb.Config{Path: filepath.Join(dir, "chat.db")})
	if err != nil {
		return err
	}
	rooms, err := os.ReadFile(filepath.Join(dir, "rooms"))
	if err != nil {
		return err
	}
	store := chatsql.New(db, chatsql.Config{})
	failed := make(chan error)
	for line := range strings.Lines(string(rooms)) {
		room, user, _ := strings.Cut(strings.TrimSpace(line), " ")
		id, _ := ids.ParseConversation(room)
		sender, _ := ids.ParseUser(user)
		for range 2 {
			go func() { failed <- appendForEver(store, id, sender) }()
		}
	}
	return <-failed
}

func appendForEver(store chat.Store, id ids.Conversation, sender ids.User) error {
	for {
		key := ids.New[ids.Message]()
		m, err := store.Append(context.Background(), chat.NewMessage{
			ID: key, Conversation: id, Sender: sender, Kind: chat.Text, Text: "text", ClientID: key.String(),
			InputHash: []byte("hash"), CreatedAt: time.Now(), Version: 1,
		})
		if err != nil {
			return err
		}
		fmt.Printf("acknowledged %s %d\n", m.ID, m.Seq) //nolint:forbidigo // It speaks to the test.
	}
}

func TestAcknowledgedMessagesSurviveAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "chat.db")
	users := make(map[ids.Conversation]ids.User)
	var rooms bytes.Buffer
	look(t, path, func(f *chattest.Fixture, _ *sqldb.DB) {
		for range 8 {
			u := chattest.Users(1)
			c := f.Group(t, u...)
			users[c.ID] = u[0]
			fmt.Fprintln(&rooms, c.ID, u[0])
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "rooms"), rooms.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	acknowledged := make(map[ids.Message]int64)
	for range 3 {
		writeAndKill(t, dir, acknowledged)
		look(t, path, func(f *chattest.Fixture, db *sqldb.DB) {
			intact(t, f, db, users, acknowledged)
		})
	}
	if len(acknowledged) == 0 {
		t.Fatal("nothing was acknowledged")
	}
	t.Logf("%d messages acknowledged", len(acknowledged))
}

// look opens the database for as long as fn looks at it.
func look(t *testing.T, path string, fn func(f *chattest.Fixture, db *sqldb.DB)) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	fn(chattest.NewFixture(setup(t, db)), db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// writeAndKill runs the writer, kills it some time after its first
// acknowledgement and notes what it acknowledged.
func writeAndKill(t *testing.T, dir string, acknowledged map[ids.Message]int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), killedWriter+"="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var kill *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var message string
		var seq int64
		if n, _ := fmt.Sscanf(lines.Text(), "acknowledged %s %d", &message, &seq); n != 2 {
			t.Error(lines.Text())
			continue
		}
		if kill == nil {
			kill = time.AfterFunc(time.Duration(20+rand.IntN(150))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
		id, _ := ids.ParseMessage(message)
		acknowledged[id] = seq
	}
	_ = cmd.Wait() // It was killed.
}

// intact checks that what was acknowledged is there, and that no number is
// missing.
func intact(
	t *testing.T, f *chattest.Fixture, db *sqldb.DB, users map[ids.Conversation]ids.User, acknowledged map[ids.Message]int64,
) {
	t.Helper()
	var verdict string
	if err := db.QueryRow(t.Context(), `PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatal(verdict, err)
	}
	found := 0
	for id, user := range users {
		all := f.All(t, user, id)
		for i, m := range all {
			if m.Seq != int64(i+1) {
				t.Fatalf("message %d has seq %d", i+1, m.Seq)
			}
			if seq, ok := acknowledged[m.ID]; ok {
				if found++; seq != m.Seq {
					t.Fatalf("acknowledged as %d, stored as %d", seq, m.Seq)
				}
			}
		}
		if v := f.View(t, user, id); v.LastSeq != int64(len(all)) || v.UnreadCount() != 0 {
			t.Fatalf("%d messages, but %+v", len(all), v)
		}
	}
	if found != len(acknowledged) {
		t.Fatalf("%d of %d acknowledged messages are there", found, len(acknowledged))
	}
	chattest.Dense(t, f.Store)
}

func TestSmallBoundsChangeNothingButSpeed(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t)
	setup(t, db)
	chattest.RunStore(t, func(*testing.T) chat.Store { return chatsql.New(db, chatsql.Config{Heads: 1, Batch: 3}) })
}
