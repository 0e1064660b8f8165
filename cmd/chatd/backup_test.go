package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatd/internal/platform/datadir"
)

// command is a run of the program beside the server.
func command(ctx context.Context, args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, &out
}

// does runs a command that must succeed and returns what it says.
func does(t testing.TB, args ...string) string {
	t.Helper()
	cmd, out := command(t.Context(), args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("chatd %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out.String())
}

// doesNot runs a command that must refuse, and returns its one line.
func doesNot(t testing.TB, args ...string) string {
	t.Helper()
	cmd, out := command(t.Context(), args...)
	_ = cmd.Run()
	line := strings.TrimSuffix(out.String(), "\n")
	if cmd.ProcessState.ExitCode() != 1 || !strings.HasPrefix(line, "chatd: ") || strings.Contains(line, "\n") {
		t.Errorf("chatd %s ended with %v and said %q", strings.Join(args, " "), cmd.ProcessState, line)
	}
	return line
}

// killedAt runs a command, kills it a while after sign has come up, and says
// whether it had ended before.
func killedAt(t testing.TB, sign string, while time.Duration, args ...string) (ended bool) {
	t.Helper()
	cmd, _ := command(context.WithoutCancel(t.Context()), args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for begin := time.Now(); !exists(sign) && time.Since(begin) < 20*time.Second && len(done) == 0; {
		pause(t.Context(), time.Millisecond)
	}
	pause(t.Context(), while)
	_ = cmd.Process.Kill()
	return <-done == nil
}

// backup is one that was taken, and what was known at its time.
type backup struct {
	dir          string
	before       []*sent // acknowledged before it began
	begun, ended string  // cursors
}

// acked are the tries that were acknowledged so far.
func (l *ledger) acked() []*sent {
	return slices.DeleteFunc(l.all(), func(s *sent) bool { return s.fate != acked })
}

func takeBackup(t testing.TB, c *crowd, dir string) backup {
	t.Helper()
	b := backup{dir: dir, before: c.log.acked()}
	b.begun = c.cursor(t)
	t.Log(does(t, "backup", "--data-dir", c.p.dir, "--to", dir))
	b.ended = c.cursor(t)
	return b
}

// cursor is where the first person's stream is now.
func (c *crowd) cursor(t testing.TB) string {
	t.Helper()
	at, err := c.p.position(t.Context(), c.people[0])
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// restored starts a program on a backup, as restored into a new directory.
func restored(t testing.TB, from string) *program {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	t.Log(does(t, "restore", "--from", from, "--data-dir", dir))
	mustBePrivate(t, from)
	mustBePrivate(t, dir)
	return startProgramIn(t, dir, unlimited...)
}

// mustBePrivate fails when others may read a directory or its files.
func mustBePrivate(t testing.TB, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// isPrefix compares the histories of a restored program with those at the end
// of the original: the same messages, up to some of them, with all that was
// acknowledged before the backup among them.
func (b backup) isPrefix(t testing.TB, got, original map[string][]message) {
	t.Helper()
	for room, all := range original {
		have := got[room]
		if len(have) > len(all) {
			t.Fatalf("%d messages of %d", len(have), len(all))
		}
		for i, m := range have {
			if m.Seq != i+1 || m.ID != all[i].ID || m.text() != all[i].text() {
				t.Fatalf("place %d has seq %d, %q, not %q", i+1, m.Seq, m.text(), all[i].text())
			}
		}
	}
	for _, s := range b.before {
		have := got[s.room]
		if s.got.Seq > len(have) || have[s.got.Seq-1].ID != s.got.ID {
			t.Fatalf("%s was acknowledged as %d before the backup and is not in it", s.text, s.got.Seq)
		}
	}
}

// mustReset opens the viewer's stream from an old cursor.
func (p *program) mustReset(t testing.TB, who person, name, cursor string) {
	t.Helper()
	events := listenAll(t, p.dial(t, who), "1", cursor)
	for _, want := range []string{"StreamStarted", "Reset", "CaughtUp"} {
		if e := receive(t, events); e.Type != want {
			t.Errorf("from the cursor %s: %+v, want %s", name, e, want)
			return
		}
	}
	err := p.gql(t.Context(), who.token, `query($a: String) { events(after: $a) { edges { cursor } } }`, vars("a", cursor), nil)
	if codeOf(err) != "BAD_USER_INPUT" {
		t.Errorf("the query with the cursor %s: %v", name, err)
	}
}

func TestBackupsUnderLoadAreRestoredWhole(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	c := assemble(t, p, 2, 4, int(followings))
	for _, w := range c.writers {
		w.pause = 10 * time.Millisecond
	}
	c.start(t, forEver)
	var taken []backup
	for n := range backups {
		pause(t.Context(), 300*time.Millisecond)
		taken = append(taken, takeBackup(t, c, filepath.Join(t.TempDir(), fmt.Sprint("backup", n))))
	}
	pause(t.Context(), 300*time.Millisecond)
	c.settle(t) // the original has not suffered
	if n := c.log.count(unknown) + c.log.count(refused); n != 0 {
		t.Errorf("%d sends failed while backups were taken", n)
	}
	slowest := slices.MaxFunc(c.log.all(), func(a, b *sent) int { return int(a.took - b.took) }).took
	original := p.histories(t, c.people[0], c.rooms)
	last := c.cursor(t)
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	for n, b := range taken {
		q := restored(t, b.dir)
		who := q.login(t, c.people[0])
		got := q.histories(t, who, c.rooms)
		if len(b.before) == 0 {
			t.Error("nothing was acknowledged before the backup")
		}
		b.isPrefix(t, got, original)
		old := map[string]string{"before the backup": b.begun, "after the backup": b.ended, "of the end": last}
		for name, cursor := range old {
			q.mustReset(t, who, name, cursor)
		}
		b.retry(t, q, c, who)
		for _, room := range c.rooms { // beyond the positions that the cursors have
			for i := len(got[room]); i <= len(original[room]); i++ {
				m, err := q.send(t.Context(), who, room, fmt.Sprint("again ", i), fmt.Sprint("again ", i))
				if err != nil || m.Seq != i+1 {
					t.Fatalf("the next message has seq %d after %d, %v", m.Seq, i, err)
				}
			}
		}
		for name, cursor := range old {
			q.mustReset(t, who, name+", when its numbers were given out again", cursor)
		}
		at, err := q.position(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.send(t.Context(), who, c.rooms[0], "one more", ""); err != nil {
			t.Fatal(err)
		}
		events := listenAll(t, q.dial(t, who), "1", at)
		for _, want := range []string{"StreamStarted", "MessageAdded", "CaughtUp"} {
			if e := receive(t, events); e.Type != want {
				t.Errorf("from a new cursor: %+v, want %s", e, want)
			}
		}
		if err := q.stop(t); err != nil {
			t.Errorf("stop: %v", err)
		}
		mustBeWhole(t, filepath.Join(q.dir, databaseFile))
		t.Logf("backup %d: %d acknowledged before it, %d messages in it, %d at the end", n, len(b.before),
			len(got[c.rooms[0]])+len(got[c.rooms[1]]), len(original[c.rooms[0]])+len(original[c.rooms[1]]))
	}
	t.Logf("%d sends while %d backups were taken, the slowest in %v", len(c.log.all()), backups, slowest)
}

// retry sends some of what was acknowledged before the backup again.
func (b backup) retry(t testing.TB, q *program, c *crowd, who person) {
	t.Helper()
	for i := 0; i < len(b.before); i += 1 + len(b.before)/10 {
		s := b.before[i]
		if c.writers[s.writer].who.id != who.id {
			continue
		}
		m, err := q.send(t.Context(), who, s.room, s.text, s.key())
		if err != nil || m.ID != s.got.ID || m.Seq != s.got.Seq {
			t.Errorf("%s again has seq %d, not %d: %v", s.text, m.Seq, s.got.Seq, err)
		}
	}
}

// heavy is a crowd whose messages have made some megabytes.
func heavy(t testing.TB, p *program) *crowd {
	t.Helper()
	c := assemble(t, p, 2, 4, 0)
	for _, w := range c.writers {
		w.text = strings.Repeat(" and so on", 900)
	}
	c.start(t, forEver)
	await(t, time.Minute, "there is much to copy", func() bool { return len(c.log.all()) > backupMessages })
	return c
}

func TestABackupOutlivesTheServer(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	c := heavy(t, p)
	var taken []backup
	during := 0
	for n := range backupKills {
		b := backup{dir: filepath.Join(t.TempDir(), fmt.Sprint(n)), before: c.log.acked()}
		var backingUp sync.WaitGroup
		backingUp.Go(func() {
			cmd, out := command(context.WithoutCancel(t.Context()), "backup", "--data-dir", p.dir, "--to", b.dir)
			if err := cmd.Run(); err != nil {
				t.Errorf("backup while the server is killed: %v\n%s", err, out)
			}
		})
		await(t, 20*time.Second, "the backup has begun", func() bool { return exists(b.dir+datadir.Unfinished) || exists(b.dir) })
		pause(t.Context(), time.Duration(n)*20*time.Millisecond)
		if exists(b.dir + datadir.Unfinished) {
			during++
		}
		p.kill()
		backingUp.Wait()
		p.start(t)
		taken = append(taken, b)
		pause(t.Context(), 100*time.Millisecond)
	}
	p.kill()
	crashed := filepath.Join(t.TempDir(), "crashed") // a copy by hand, with its log
	if err := os.CopyFS(crashed, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	late := filepath.Join(t.TempDir(), "late")
	does(t, "backup", "--data-dir", p.dir, "--to", late) // without a server
	c.hush()
	all := c.log.acked()
	p.start(t)
	original := p.histories(t, c.people[0], c.rooms)
	mustBeClean(t, judge(c.log, original, nil))
	for _, b := range append(taken, backup{dir: late, before: all}, backup{dir: crashed, before: all}) {
		if b.dir == crashed {
			makePrivate(t, crashed)
		}
		q := restored(t, b.dir)
		b.isPrefix(t, q.histories(t, q.login(t, c.people[0]), c.rooms), original)
		q.kill()
		mustBeWhole(t, filepath.Join(q.dir, databaseFile))
	}
	t.Logf("%d kills of the server, %d during a backup", backupKills, during)
	if during == 0 {
		t.Error("the server was killed during no backup")
	}
}

// makePrivate takes a copy by hand from others' eyes.
func makePrivate(t testing.TB, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return errors.Join(err, os.Chmod(path, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestABackupOrRestoreThatIsKilledIsNotTakenForOne(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	c := heavy(t, p)
	c.hush()
	original := p.histories(t, c.people[0], c.rooms)
	everything := backup{before: c.log.acked()}
	good := filepath.Join(t.TempDir(), "good")
	does(t, "backup", "--data-dir", p.dir, "--to", good)
	finished, left := 0, 0
	const step = 20 * time.Millisecond
	for n := range backupKills {
		to := filepath.Join(t.TempDir(), fmt.Sprint(n))
		ended := killedAt(t, to+datadir.Unfinished, time.Duration(n)*step, "backup", "--data-dir", p.dir, "--to", to)
		_, err := os.Lstat(to)
		if _, unfinished := os.Lstat(to + datadir.Unfinished); unfinished == nil {
			left++
		}
		switch {
		case err == nil: // it has its name, so it is whole
			finished++
			does(t, "restore", "--from", to, "--data-dir", filepath.Join(t.TempDir(), "data"))
		case ended:
			t.Error("the backup said that it was made, and is not there")
		default:
			does(t, "backup", "--data-dir", p.dir, "--to", to)
		}
		if _, err := os.Lstat(to + datadir.Unfinished); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("something is left beside the backup: %v", err)
		}
	}
	t.Logf("%d backups killed, %d had left something, %d had been made", backupKills, left, finished)
	if left == 0 {
		t.Error("no backup was killed on its way")
	}
	p.kill()

	finished, left = 0, 0
	for n := range backupKills {
		dir := filepath.Join(t.TempDir(), "data")
		ended := killedAt(t, filepath.Join(dir, datadir.RestoreDir), time.Duration(n)*step, "restore", "--from", good, "--data-dir", dir)
		_, unfinished := os.Lstat(filepath.Join(dir, datadir.RestoreDir))
		switch {
		case unfinished == nil:
			left++
			says(t, mustRefuse(t, freeAddr(t), dir), "not restored to the end", "chatd restore")
			does(t, "restore", "--from", good, "--data-dir", dir)
		case exists(filepath.Join(dir, databaseFile)):
			finished++
		case ended:
			t.Error("the restore said that it was done, and is not")
		default: // it had not begun
			does(t, "restore", "--from", good, "--data-dir", dir)
		}
		mustBeWhole(t, filepath.Join(dir, databaseFile))
	}
	t.Logf("%d restores killed, %d had left something, %d had been done", backupKills, left, finished)
	if left == 0 {
		t.Error("no restore was killed on its way")
	}
	q := restored(t, good)
	everything.isPrefix(t, q.histories(t, q.login(t, c.people[0]), c.rooms), original)
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }
