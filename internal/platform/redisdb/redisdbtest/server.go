package redisdbtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is Debian's.
const program = "redis-server"

// Server is a Redis that has been started.
type Server struct {
	port int
	dir  string
	args []string
	cmd  *exec.Cmd
	in   io.Closer // its end is the server's end
	pid  int
}

// Start starts a server for this test alone, or skips the test. args are
// added to its command line.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	need(t)
	s, err := start(args)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

// script runs a server for as long as somebody holds the other end of its
// input, and removes its directory. So it needs nobody to remember it: the
// test binary may panic or be killed, and the server be stopped by a signal.
const script = `
dir=$1; shift
"$@" >>"$dir/log" 2>&1 &
echo $!
read end
kill -KILL $! 2>/dev/null
rm -rf "$dir"
`

func start(args []string) (*Server, error) {
	var err error
	for range 3 { // another process may take the port before the server does
		s := &Server{args: args}
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.launch(); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func (s *Server) launch() (err error) {
	if s.dir, err = os.MkdirTemp("", "chatd-redis-"); err != nil {
		return fmt.Errorf("starting Redis: %w", err)
	}
	line := append([]string{
		"-c", script, "sh", s.dir, program, "--bind", "127.0.0.1", "--port", strconv.Itoa(s.port),
		"--dir", s.dir, "--save", "", "--appendonly", "no",
	}, s.args...)
	s.cmd = exec.Command("/bin/sh", line...)
	// The server must not be in the way of the signals that a terminal sends.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return fmt.Errorf("starting Redis: %w", err)
	}
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("starting Redis: %w", err)
	}
	pid, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		s.pid, err = strconv.Atoi(strings.TrimSpace(pid))
	}
	if err == nil {
		err = s.ready()
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		s.kill()
		return fmt.Errorf("starting Redis on port %d: %w\n%s", s.port, err, log)
	}
	return nil
}

// ready waits until the port is answered by the process that was started.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.mine()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// mine says whether our process has the port: its log says so.
func (s *Server) mine() error {
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return fmt.Errorf("its log: %w", err)
	}
	if strings.Contains(string(log), "Ready to accept connections") {
		return nil
	}
	return errors.New("not ready")
}

// kill ends the server as a crash does.
func (s *Server) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.in.Close()
	_ = s.cmd.Wait() // it says "killed"
	s.cmd = nil
}

// URL is the server's address.
func (s *Server) URL() string { return "redis://127.0.0.1:" + strconv.Itoa(s.port) }

// Port is the server's port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Stop ends the server at once; what it held is lost.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.kill()
}

// Again starts a server that was stopped on the same port, empty.
func (s *Server) Again(t testing.TB) {
	t.Helper()
	if err := s.launch(); err != nil {
		t.Fatal(err)
	}
}

// Pause lets the server take connections and answer nothing.
func (s *Server) Pause(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Resume ends a pause.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(s.pid, sig); err != nil {
		t.Fatal(err)
	}
}

// Do sends one command past all clients and returns the first line of the
// answer, and the lines after it.
func (s *Server) Do(t testing.TB, words ...string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(s.port), 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	for _, command := range [][]string{words, {"QUIT"}} {
		fmt.Fprintf(conn, "*%d\r\n", len(command))
		for _, w := range command {
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(w), w)
		}
	}
	answer, err := io.ReadAll(conn)
	if err != nil || strings.HasPrefix(string(answer), "-") {
		t.Fatalf("%s: %s %v", words[0], answer, err)
	}
	return strings.TrimSuffix(string(answer), "+OK\r\n")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
