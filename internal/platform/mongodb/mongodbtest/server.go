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
	if !testenv.Required("mongo") { // Building it takes a minute the first time.
		testenv.Missing(t, "mongo", urlVariable+" is not set")
	}
	f, err := started()
	if err != nil {
		t.Fatal(err)
	}
	return f.address
}

// ferret is a FerretDB that has been started.
type ferret struct {
	address string
	cmd     *exec.Cmd // kept, for its input to be neither collected nor closed
}

func start() (*ferret, error) {
	program, err := build()
	if err != nil {
		return nil, fmt.Errorf("building FerretDB: %w", err)
	}
	// Not TMPDIR, whose length a socket's path may not have.
	dir, err := os.MkdirTemp("/tmp", "chatd-ferretdb-")
	if err != nil {
		return nil, fmt.Errorf("starting FerretDB: %w", err)
	}
	cmd := exec.Command(program, dir)
	// The end of the input is this process's: it is never closed but by the
	// system. Output that go test would wait for must not be inherited.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting FerretDB: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting FerretDB: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("starting FerretDB in %s: %w", dir, err)
	}
	return &ferret{"mongodb://" + strings.TrimSpace(line) + "/", cmd}, nil
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
