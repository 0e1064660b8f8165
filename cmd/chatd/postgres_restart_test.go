//go:build soak

package main

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/testenv"
)

// cluster is a PostgreSQL server of one test, which syncs as in earnest.
type cluster struct {
	t   testing.TB
	bin string // where its programs are
	dir string
	as  *syscall.SysProcAttr
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, bin: filepath.Dir(testenv.Tool(t, "initdb", found...))}
	if c.dir, err = os.MkdirTemp("/tmp", "chatd-cluster-"); err != nil { //nolint:usetesting // A socket's path must be short.
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(c.dir) })
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			testenv.Missing(t, "postgres", err.Error())
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(c.dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		c.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	c.run("initdb", "-D", c.dir+"/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
	c.ctl("start")
	t.Cleanup(func() { c.ctl("stop", "-m", "immediate") })
	return c
}

// ctl runs pg_ctl and waits until the server is where it should be.
func (c *cluster) ctl(args ...string) {
	c.t.Helper()
	c.run("pg_ctl", append([]string{"-D", c.dir + "/data", "-l", c.dir + "/log", "-w", "-o", "-k " + c.dir + " -c listen_addresses="}, args...)...)
}

func (c *cluster) run(name string, args ...string) {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = c.dir, c.as
	out, err := os.CreateTemp(c.t.TempDir(), "out")
	if err != nil {
		c.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out // a pipe would be held open by the server
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		c.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, said)
	}
}

func (c *cluster) url() string {
	return "postgres:///postgres?" + url.Values{"host": {c.dir}, "user": {"postgres"}}.Encode()
}

func TestNothingIsLostWhenPostgresIsRestarted(t *testing.T) {
	t.Parallel()
	pg := newCluster(t)
	p := startProgram(t, append([]string{"--postgres-url", pg.url()}, unlimited...)...)
	c := assemble(t, p, 4, 16, 6)
	for _, w := range c.writers {
		w.pause = time.Millisecond
	}
	c.start(t, forEver)
	for n := range outages {
		pause(t.Context(), 2*time.Second)
		pg.ctl("restart", "-m", "immediate")
		t.Logf("restart %d: sends again after %v", n, recovery(t, c, "restart"))
	}
	await(t, 10*time.Second, "the server is ready", func() bool { status, _ := p.get(t, "/readyz"); return status == http.StatusOK })
	c.settle(t)
	if n := c.log.count(refused); n != 0 {
		t.Errorf("%d sends were refused otherwise than by UNAVAILABLE", n)
	}
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: pg.url(), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var backends int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'`).Scan(&backends); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d connections to PostgreSQL", backends)
	if backends > 21 { // the pool's 20, and this one
		t.Error("connections have leaked")
	}
}
