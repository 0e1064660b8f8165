package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatd/internal/platform/testenv"
)

func TestAnAnswerWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	strace := testenv.Tool(t, "strace")
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	out := filepath.Join(t.TempDir(), "trace")
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, strace, "-f", "-y", "-s", "16384", "-e", "trace=fsync,fdatasync,write,pwrite64",
		"-o", out, "-p", strconv.Itoa(p.cmd.Process.Pid))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // lets go of the program
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	// The trace has begun when it shows an answer.
	attached := func() bool {
		_, _ = p.get(t, "/healthz")
		b, _ := os.ReadFile(out)
		return strings.Contains(string(b), "HTTP/1.1 200")
	}
	end := time.Now().Add(10*time.Second + grace)
	for !attached() {
		if time.Now().After(end) {
			testenv.Missing(t, "strace", "it cannot attach to a process here")
		}
		pause(t.Context(), 50*time.Millisecond)
	}
	for n := range syncedSends {
		if _, err := p.send(t.Context(), ada, room, traceMark(n), ""); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	_ = cmd.Wait()
	before, unsynced, missing := readTrace(t, out)
	t.Logf("%d sends in sequence: %d answers after a sync of the log that holds the message, %d before it, %d not seen", syncedSends, before, unsynced, missing)
	if before != syncedSends || unsynced != 0 || missing != 0 {
		t.Error("an answer did not wait for the disk, or the trace does not show it")
	}
}

// traceMark is a text that stands in the trace as it is.
func traceMark(n int) string { return fmt.Sprintf("mark %d of the trace", n) }

// readTrace looks for each message's text in a write to the log, then for the
// end of a sync of the log, then for the text in the answer.
func readTrace(t testing.TB, file string) (synced, unsynced, missing int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const (
		nowhere = iota
		written
		onDisk
		answered
	)
	state := make([]int, syncedSends)
	syncing := map[string]bool{} // processes within a sync of the log
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		pid, call, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		call = strings.TrimSpace(call)
		log := strings.Contains(call, databaseFile+"-wal>")
		switch {
		case (strings.HasPrefix(call, "fsync(") || strings.HasPrefix(call, "fdatasync(")) && log && strings.HasSuffix(call, "<unfinished ...>"):
			syncing[pid] = true
		case strings.Contains(call, "sync resumed>") && syncing[pid],
			(strings.HasPrefix(call, "fsync(") || strings.HasPrefix(call, "fdatasync(")) && log:
			delete(syncing, pid)
			for n, s := range state {
				if s == written && strings.HasSuffix(call, "= 0") {
					state[n] = onDisk
				}
			}
		case strings.HasPrefix(call, "write(") || strings.HasPrefix(call, "pwrite64("):
			for n, s := range state {
				if !strings.Contains(call, traceMark(n)) {
					continue
				}
				switch {
				case log && s == nowhere:
					state[n] = written
				case strings.Contains(call, "HTTP/1.1 200"):
					if s == onDisk {
						synced++
					} else {
						unsynced++
					}
					state[n] = answered
				}
			}
		}
	}
	for _, s := range state {
		if s != answered {
			missing++
		}
	}
	return synced, unsynced, missing
}
