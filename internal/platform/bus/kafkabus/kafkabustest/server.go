package kafkabustest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const java = "java"

// What the broker logs when it takes requests, and when it never will.
const (
	started = "Kafka Server started"
	broken  = "Exiting Kafka due to fatal exception"
)

// Server is an Apache Kafka of one node that has been started.
type Server struct {
	dir   string
	ports [listeners]int
	cmd   *exec.Cmd
	in    io.Closer // its end is the server's end
}

// script runs a broker for as long as somebody holds the other end of its
// input. So it needs nobody to remember it: the test binary may panic or be
// killed. The directory goes then too, unless it is to be used again.
const script = `
dir=$1; shift
"$@" >>"$dir/log" 2>&1 &
read end
kill -KILL $! 2>/dev/null
wait
[ -e "$dir/keep" ] || rm -rf "$dir"
`

func start() (*Server, error) {
	var err error
	for range 3 { // another process may take a port before the broker does
		s := &Server{}
		if err = s.begin(); err == nil {
			return s, nil
		}
		err = fmt.Errorf("starting Kafka in %s: %w\n%s", s.dir, err, s.log())
		s.end()
	}
	return nil, err
}

// begin makes the broker's directory and launches it.
func (s *Server) begin() (err error) {
	if s.dir, err = os.MkdirTemp("", "chatd-kafka-"); err != nil {
		return err
	}
	if err := s.choosePorts(); err != nil {
		return err
	}
	if err := s.configure(); err != nil {
		return err
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	args := []string{"kafka.tools.StorageTool", "format", "--config", s.file("server.properties"), "--cluster-id", base64.RawURLEncoding.EncodeToString(id)}
	for _, u := range []User{Known, Guest} {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, u.Name, u.Password))
		}
	}
	if said, err := s.java(args...).CombinedOutput(); err != nil {
		return fmt.Errorf("formatting: %w\n%s", err, said)
	}
	return s.launch()
}

func (s *Server) java(args ...string) *exec.Cmd {
	return exec.Command(java, append([]string{
		"-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", // small, and quick to start
		"-Dlog4j2.configurationFile=" + s.file("log4j2.properties"),
		"-cp", filepath.Join(os.Getenv(homeVariable), "*"),
	}, args...)...)
}

func (s *Server) launch() error {
	_ = os.Remove(s.file("log"))
	_ = os.Remove(s.file("keep"))
	line := append([]string{"-c", script, "sh", s.dir}, s.java("kafka.Kafka", s.file("server.properties")).Args...)
	s.cmd = exec.Command("/bin/sh", line...)
	// The broker must not be in the way of the signals that a terminal sends.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	return s.ready()
}

// ready waits until the process that was started takes requests.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		switch log := s.log(); {
		case strings.Contains(log, started):
			return nil
		case strings.Contains(log, broken):
			return errors.New("it has ended")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Kill ends the broker as kill -9 does; what it has written stays.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(s.file("keep"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.kill()
}

// Again starts a broker that was killed, on the same ports and data, and
// returns when it takes requests, and how long that took.
func (s *Server) Again(t testing.TB) time.Duration {
	t.Helper()
	begin := time.Now()
	if err := s.launch(); err != nil {
		t.Fatalf("starting Kafka again: %v\n%s", err, s.log())
	}
	return time.Since(begin)
}

func (s *Server) kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.in.Close()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// end ends the broker, and what it has written goes.
func (s *Server) end() {
	s.kill()
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) log() string {
	text, err := os.ReadFile(s.file("log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-8000):])
}

// choosePorts finds free ones, all at once.
func (s *Server) choosePorts() error {
	for i := range s.ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("a free port: %w", err)
		}
		defer l.Close()
		s.ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}
