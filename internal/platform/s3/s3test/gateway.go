package s3test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Bucket is the name of the bucket that a started gateway has.
const Bucket = "chatd"

// Gateway is a server that has been started.
type Gateway struct {
	program, dir string
	address      string
	cmd          *exec.Cmd // kept, for its input to be neither collected nor closed
}

// Start starts a gateway for this test alone, which it may kill, or skips the
// test.
func Start(t testing.TB) *Gateway {
	t.Helper()
	need(t)
	g, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Kill(t)
		_ = os.RemoveAll(g.dir)
	})
	return g
}

// Address is the gateway's host:port.
func (g *Gateway) Address() string { return g.address }

// URL is that of a bucket, with the right keys.
func (g *Gateway) URL(bucket string) string {
	return (&url.URL{Scheme: "http", User: url.UserPassword(Key, Secret), Host: g.address, Path: "/" + bucket}).String()
}

// Kill ends the gateway as a crash does.
func (g *Gateway) Kill(t testing.TB) {
	t.Helper()
	if g.cmd.ProcessState == nil {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait() // it says "killed"
	}
}

// Again starts a killed gateway on what it had, at its address.
func (g *Gateway) Again(t testing.TB) {
	t.Helper()
	if err := g.launch(); err != nil {
		t.Fatal(err)
	}
}

func start() (*Gateway, error) {
	g := &Gateway{}
	var err error
	if g.program, err = build(); err != nil {
		return nil, fmt.Errorf("building the S3 gateway: %w", err)
	}
	if g.dir, err = os.MkdirTemp("", "chatd-s3-"); err != nil {
		return nil, fmt.Errorf("starting the S3 gateway: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(g.dir, Bucket), 0o700); err != nil {
		return nil, fmt.Errorf("starting the S3 gateway: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the S3 gateway: %w", err)
	}
	g.address = l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("starting the S3 gateway: %w", err)
	}
	return g, g.launch()
}

// whileRead runs a program until its own input ends, which is this process's
// to keep open: so it ends with this process, however that ends. The program
// keeps the shell's place, so that killing it is killing the program.
const whileRead = `{ cat >/dev/null; kill -9 $$; } <&3 & exec "$0" "$@" 3<&- </dev/null`

func (g *Gateway) launch() error {
	g.cmd = exec.Command("sh", "-c", whileRead, g.program, "--quiet", "--port", g.address, "--access", Key, "--secret", Secret, "posix", g.dir)
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting the S3 gateway: %w", err)
	}
	g.cmd.ExtraFiles = []*os.File{r}
	err = g.cmd.Start()
	_ = r.Close()
	if err != nil {
		return errors.Join(fmt.Errorf("starting the S3 gateway: %w", err), w.Close())
	}
	keep(w)
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // For another process.
		resp, err := http.Get("http://" + g.address + "/")
		if err == nil {
			return resp.Body.Close()
		}
		if time.Now().After(late) {
			return fmt.Errorf("the S3 gateway does not answer: %w", err)
		}
	}
}

var kept sync.Map // *os.File

// keep has a file stay open until this process ends.
func keep(f *os.File) { kept.Store(f, true) }

// build returns the program, built from the module in versitygw/ unless the
// same versions were built before.
func build() (string, error) {
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
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
	program := filepath.Join(dir, "versitygw-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Test binaries may build at once: each puts a whole program in place.
	made := fmt.Sprintf("%s.%d", program, os.Getpid())
	cmd := exec.Command("go", "build", "-trimpath", "-o", made, "github.com/versity/versitygw/cmd/versitygw")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, os.Rename(made, program)
}

// sourceDir finds versitygw/ from the directory of whatever test runs.
func sourceDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		source := filepath.Join(dir, "internal", "platform", "s3", "s3test", "versitygw")
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
