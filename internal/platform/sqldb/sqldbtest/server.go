package sqldbtest

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"chatd/internal/platform/testenv"
)

// urlVariable names a server that is there already.
const urlVariable = "CHATD_TEST_POSTGRES_URL"

// errMissing says that this machine has no PostgreSQL to start.
var errMissing = errors.New("no PostgreSQL")

// started is the server of this test binary.
var started = sync.OnceValues(start)

// server returns the address of the server, or skips the test.
func server(t testing.TB) string {
	t.Helper()
	if address := os.Getenv(urlVariable); address != "" {
		return address
	}
	c, err := started()
	if errors.Is(err, errMissing) {
		testenv.Missing(t, "postgres", err.Error()+", and "+urlVariable+" is not set")
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.address
}

// cluster is a server that has been started.
type cluster struct {
	address string
	cmd     *exec.Cmd // kept, for its input to be neither collected nor closed
}

// script makes a cluster, runs it for as long as somebody holds the other end
// of its input, and removes it. So it needs nobody to remember it: the test
// binary may panic or be killed. The extensions are made here because tests
// that run at once would make them at once.
const script = `
bin=$1 dir=$2
cd "$dir" || exit 1
{
	"$bin/initdb" -D data -U postgres -A trust -E UTF8 --locale=C -N &&
	"$bin/pg_ctl" -D data -l log -w -o "-k '$dir' -c listen_addresses= -c fsync=off -c full_page_writes=off \
		-c deadlock_timeout=100ms -c max_connections=200 -c shared_buffers=32MB -c max_wal_size=4GB" start &&
	for e in pg_trgm unaccent; do
		"$bin/psql" -h "$dir" -U postgres -c "CREATE EXTENSION IF NOT EXISTS $e" postgres || true
	done
} >setup 2>&1 && echo ready || echo "see $dir"
read end
"$bin/pg_ctl" -D data -m immediate stop >>setup 2>&1
cd / && rm -rf "$dir"
`

func start() (*cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	// Not TMPDIR, whose length a socket's path may not have.
	dir, err := os.MkdirTemp("/tmp", "chatd-postgres-")
	if err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	cmd := exec.Command("/bin/sh", "-c", script, "sh", bin, dir)
	cmd.Dir = dir
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		if cmd.SysProcAttr, err = asPostgres(dir); err != nil {
			return nil, err
		}
	}
	// The end of the input is this process's: it is never closed but by the
	// system. Output that go test would wait for must not be inherited.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		setup, _ := os.ReadFile(filepath.Join(dir, "setup"))
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return nil, fmt.Errorf("starting PostgreSQL in %s: %q, %w\n%s%s", dir, line, err, setup, log)
	}
	address := "postgres:///postgres?" + url.Values{"host": {dir}, "user": {"postgres"}}.Encode()
	return &cluster{address, cmd}, nil
}

func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	var found []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb",
		"/opt/homebrew/opt/postgresql@*/bin/initdb", "/usr/local/opt/postgresql@*/bin/initdb",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("looking for PostgreSQL: %w", err)
		}
		found = append(found, paths...)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("%w: initdb is neither in PATH nor in /usr/lib/postgresql", errMissing)
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// asPostgres has a process run as the user postgres, to whom dir is given.
func asPostgres(dir string) (*syscall.SysProcAttr, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%w: running as root, and there is no user postgres", errMissing)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, fmt.Errorf("the user postgres: %w", err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, fmt.Errorf("the user postgres: %w", err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}
