package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatd/internal/platform/sqldb"
)

// mustRefuse starts the program where it cannot and returns the one line that
// it says before it ends with 1.
func mustRefuse(t testing.TB, addr, dir string, args ...string) string {
	t.Helper()
	return mustRefuseWith(t, nil, append([]string{"--listen", addr, "--data-dir", dir}, args...)...)
}

// mustRefuseWith is mustRefuse with an environment, on a directory and address
// that nobody uses unless the arguments name others.
func mustRefuseWith(t testing.TB, env []string, args ...string) string {
	t.Helper()
	args = append([]string{
		"serve", "--listen", freeAddr(t), "--data-dir", filepath.Join(t.TempDir(), "data"), "--log-level", "error",
	}, args...)
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(20*time.Second+grace, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	_ = cmd.Wait()
	line := strings.TrimSuffix(out.String(), "\n")
	if cmd.ProcessState.ExitCode() != 1 || !strings.HasPrefix(line, "chatd: ") || strings.Contains(line, "\n") {
		t.Errorf("it ended with %v and said %q", cmd.ProcessState, out.String())
	}
	return line
}

func TestWhatStandsInTheWayOfAStartIsToldInOneLine(t *testing.T) {
	t.Parallel()
	running := startProgram(t)
	t.Run("the port is taken", func(t *testing.T) {
		t.Parallel()
		line := mustRefuse(t, running.addr, filepath.Join(t.TempDir(), "data"))
		says(t, line, running.addr, "--listen")
	})
	t.Run("the port of another face is taken", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		line := mustRefuse(t, freeAddr(t), filepath.Join(t.TempDir(), "data"), "--ops-listen", l.Addr().String())
		says(t, line, l.Addr().String(), "--ops-listen")
	})
	t.Run("another chatd has the data directory", func(t *testing.T) {
		t.Parallel()
		says(t, mustRefuse(t, freeAddr(t), running.dir), running.dir, "another chatd")
	})
	t.Run("a file stands in the directory's place", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "data")
		if err := os.WriteFile(file, []byte("a diary"), 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, mustRefuse(t, freeAddr(t), file), file, "--data-dir")
	})
	t.Run("a directory that cannot be made", func(t *testing.T) {
		t.Parallel()
		says(t, mustRefuse(t, freeAddr(t), "/proc/chatd"), "/proc/chatd")
	})
	t.Run("a directory that cannot be written", func(t *testing.T) {
		t.Parallel()
		if os.Getuid() == 0 {
			says(t, mustRefuse(t, freeAddr(t), "/sys/fs"), "/sys/fs") // root may write anywhere else
			return
		}
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		says(t, mustRefuse(t, freeAddr(t), dir), dir, "chown")
	})
	t.Run("a newer chatd has written the data", func(t *testing.T) {
		t.Parallel()
		p := startProgram(t)
		p.register(t, "ada")
		if err := p.stop(t); err != nil {
			t.Fatalf("stop: %v", err)
		}
		outdate(t, sqldb.Config{Path: filepath.Join(p.dir, databaseFile)})
		before, err := os.ReadFile(filepath.Join(p.dir, databaseFile))
		if err != nil {
			t.Fatal(err)
		}
		says(t, mustRefuse(t, p.addr, p.dir), "newer", "run that version")
		after, err := os.ReadFile(filepath.Join(p.dir, databaseFile))
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("the refused database has changed (%v)", err)
		}
	})
	t.Run("a newer chatd has written the PostgreSQL schema", func(t *testing.T) {
		t.Parallel()
		args := onPostgres(t)
		p := startProgram(t, args...)
		if err := p.stop(t); err != nil {
			t.Fatalf("stop: %v", err)
		}
		outdate(t, sqldb.Config{URL: args[len(args)-1]})
		says(t, mustRefuse(t, p.addr, p.dir, args...), "newer")
	})
	t.Run("PostgreSQL does not answer", func(t *testing.T) {
		t.Parallel()
		addr := freeAddr(t)
		line := mustRefuse(t, freeAddr(t), filepath.Join(t.TempDir(), "data"), "--postgres-url", "postgres://chatd:hidden@"+addr+"/chatd")
		says(t, line, addr)
		if strings.Contains(line, "hidden") {
			t.Errorf("the password is told: %q", line)
		}
	})
}

func says(t testing.TB, line string, words ...string) {
	t.Helper()
	t.Log(line)
	for _, w := range words {
		if !strings.Contains(line, w) {
			t.Errorf("%q does not say %q", line, w)
		}
	}
}

// outdate makes the store's schema that of a later version.
func outdate(t testing.TB, cfg sqldb.Config) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO chat_migrations (version_id, is_applied, tstamp) VALUES (9999, $1, CURRENT_TIMESTAMP)`, true)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestASecondSignalEndsTheProgramAtOnce(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	// A request under way holds the first stop up.
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")); err != nil {
		t.Fatal(err)
	}
	c := p.dial(t, p.register(t, "ada"))
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	await(t, 10*time.Second, "the sockets have been told", func() bool { return c.Err() != nil || draining(p) })
	select {
	case <-p.done:
		t.Fatal("it did not wait for the request")
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		if p.err == nil {
			t.Error("it claims to have ended well")
		}
	case <-time.After(5*time.Second + grace):
		t.Fatal("it goes on")
	}
}

// draining says whether no new connection is taken.
func draining(p *program) bool {
	c, err := net.DialTimeout("tcp", p.addr, time.Second)
	if err != nil {
		return true
	}
	_ = c.Close()
	return false
}
