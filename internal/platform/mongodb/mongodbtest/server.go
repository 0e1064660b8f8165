package mongodbtest

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"chatd/internal/platform/testenv"
)

// urlVariable names a server that is there already.
const urlVariable = "CHATD_TEST_MONGO_URL"

// started is the server of this test binary.
var started = sync.OnceValues(start)

// server returns the address of the server, or skips the test.
func server(t testing.TB) string {
	t.Helper()
	if address := os.Getenv(urlVariable); address != "" {
		return address
	}
	need(t)
	f, err := started()
	if err != nil {
		t.Fatal(err)
	}
	return f.URL()
}

// need skips the test where FerretDB is not to be built.
func need(t testing.TB) {
	t.Helper()
	if !testenv.Required("mongo") { // Building it takes a minute the first time.
		testenv.Missing(t, "mongo", urlVariable+" is not set")
	}
}

// Server is a FerretDB that has been started.
type Server struct {
	program, dir string
	address      string    // host:port
	cmd          *exec.Cmd // kept, for its input to be neither collected nor closed
}

// Start starts a server for this test alone, which it may kill, or skips the
// test.
func Start(t testing.TB) *Server {
	t.Helper()
	need(t)
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill(t)
		_ = os.RemoveAll(s.dir)
	})
	return s
}

// Address is the server's host:port, another one after each start.
func (s *Server) Address() string { return s.address }

// URL is the server's address.
func (s *Server) URL() string { return "mongodb://" + s.address + "/" }

// Kill ends the server as a crash does. What it had answered is kept.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it says "killed"
}

// Again starts a killed server on the data that it had, at another address.
func (s *Server) Again(t testing.TB) {
	t.Helper()
	if err := s.launch(); err != nil {
		t.Fatal(err)
	}
}

func start() (*Server, error) {
	s := &Server{}
	var err error
	if s.program, err = build(); err != nil {
		return nil, fmt.Errorf("building FerretDB: %w", err)
	}
	// Not TMPDIR, whose length a socket's path may not have.
	if s.dir, err = os.MkdirTemp("/tmp", "chatd-ferretdb-"); err != nil {
		return nil, fmt.Errorf("starting FerretDB: %w", err)
	}
	return s, s.launch()
}

func (s *Server) launch() error {
	s.cmd = exec.Command(s.program, s.dir)
	// The end of the input is this process's: it is never closed but by the
	// system. Output that go test would wait for must not be inherited.
	if _, err := s.cmd.StdinPipe(); err != nil {
		return fmt.Errorf("starting FerretDB: %w", err)
	}
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("starting FerretDB: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("starting FerretDB in %s: %w", s.dir, err)
	}
	s.address = strings.TrimSpace(line)
	return nil
}

// build returns the program, built from the module in ferretdb/ unless the
// same text was built before.
func build() (string, error) {
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "chatd-test")
	program := filepath.Join(dir, "ferretdb-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Test binaries may build at once: each puts a whole program in place.
	made := fmt.Sprintf("%s.%d", program, os.Getpid())
	cmd := exec.Command("go", "build", "-o", made, ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, os.Rename(made, program)
}

// sourceDir finds ferretdb/ from the directory of whatever test runs.
func sourceDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		source := filepath.Join(dir, "internal", "platform", "mongodb", "mongodbtest", "ferretdb")
		if _, err := os.Stat(filepath.Join(source, "go.mod")); err == nil {
			return source, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("the module's directory is not above the test's")
		}
		dir = up
	}
}
