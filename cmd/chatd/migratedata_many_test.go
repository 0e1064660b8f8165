package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqlmove"
)

// grow adds messages to each conversation of a stopped directory, as if their
// makers had sent them.
func grow(t testing.TB, dir string, messages, rooms int) {
	t.Helper()
	cfg := sqldb.Config{Path: filepath.Join(dir, databaseFile), Relaxed: true}
	each := messages / rooms
	for _, text := range []string{
		fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d)
		INSERT INTO chat_message (pos, id, conversation, seq, add_rev, rev, ord, kind, sender, text, client_id, input_hash, created_at)
		SELECT p.pos + i + 1, randomblob(16), c.id, c.last_seq + i / %[2]d + 1, c.last_rev + i / %[2]d + 1, c.last_rev + i / %[2]d + 1,
			c.last_ord + i / %[2]d + 1, 'TEXT', c.creator, 'message ' || i || ' ' || hex(randomblob(i %% 100)), 'key ' || i, randomblob(32), 1790000000000000 + i
		FROM n JOIN chat_position p JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS k FROM chat_conversation) c ON c.k = i %% %[2]d`, messages, rooms),
		fmt.Sprintf(`UPDATE chat_conversation SET last_seq = last_seq + %[1]d, last_rev = last_rev + %[1]d, last_ord = last_ord + %[1]d,
			last_pos = (SELECT max(pos) FROM chat_message WHERE conversation = chat_conversation.id),
			active_pos = (SELECT max(pos) FROM chat_message WHERE conversation = chat_conversation.id)`, each),
		fmt.Sprintf(`UPDATE chat_member SET read_seq = %[1]d, read_ord = %[1]d, delivered_seq = %[1]d
			WHERE user_id = (SELECT creator FROM chat_conversation WHERE id = conversation)`, each),
		fmt.Sprintf(`UPDATE chat_position SET pos = pos + %d`, messages),
	} {
		alter(t, cfg, text)
	}
}

// The figures of docs/operations.md are this test's.
func TestManyMessagesAreMovedInLittleMemory(t *testing.T) {
	t.Parallel()
	const rooms = 20
	place := moveTarget(t)
	p := startProgram(t, unlimited...)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	var of []string
	for range rooms {
		of = append(of, p.group(t, ada, bob))
	}
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	grow(t, p.dir, moveMessages, rooms)
	args := place.moving(p.dir)

	// Cut off twice on the way of the messages: asked to end, and killed.
	to := sqldb.Config{URL: place.url()}
	var before int64
	for _, how := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		cmd, out := command(t.Context(), args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, 2*time.Minute, "that some messages are copied", func() bool { return rowsOf(t, to, "chat_message") > before })
		_ = cmd.Process.Signal(how)
		_ = cmd.Wait()
		if before = rowsOf(t, to, "chat_message"); before >= moveMessages {
			t.Fatalf("all were copied before the %s:\n%s", how, out)
		}
		if how == syscall.SIGTERM {
			_, line, _ := strings.Cut(out.String(), "chatd: ")
			says(t, line, "migrate-data: interrupted; run it again")
		}
	}

	begin := time.Now()
	cmd, out := command(t.Context(), args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	took, usage := time.Since(begin), cmd.ProcessState.SysUsage().(*syscall.Rusage)
	t.Logf("%d messages after %d that were there, compared: %v, %d MiB of memory, %v of CPU\n%s", moveMessages-before, before,
		took.Round(10*time.Millisecond), usage.Maxrss>>10, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(10*time.Millisecond), out)
	if most := int64(moveMemory >> 10); usage.Maxrss > most { // KiB
		t.Errorf("it took %d KiB of memory, more than %d", usage.Maxrss, most)
	}
	if after := rowsOf(t, to, "chat_message"); after != moveMessages {
		t.Errorf("%d messages are there", after)
	}
	q := startProgramIn(t, p.dir, append(slices.Clone(unlimited), place...)...)
	m, err := q.send(t.Context(), ada, of[0], "the next", "")
	if err != nil || m.Seq != moveMessages/rooms+1 {
		t.Errorf("the next message is %+v, %v", m, err)
	}
}

// rowsOf counts a table's rows; 0 when it cannot be read.
func rowsOf(t testing.TB, cfg sqldb.Config, table string) int64 {
	db, err := sqldb.Open(t.Context(), cfg)
	if err != nil {
		return 0
	}
	defer db.Close()
	n, _ := sqlmove.Rows(t.Context(), db, sqlmove.Table{Name: table})
	return n
}
