package main

import (
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/testenv"
)

// cluster is a PostgreSQL server of one test, which syncs as in earnest.
type cluster struct {
	t    testing.TB
	bin  string // where its programs are
	dir  string
	addr string // host:port
	as   *syscall.SysProcAttr
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, bin: filepath.Dir(testenv.Tool(t, "initdb", found...)), addr: freeAddr(t)}
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
	host, port, err := net.SplitHostPort(c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	options := "-k " + c.dir + " -h " + host + " -p " + port
	c.run("pg_ctl", append([]string{"-D", c.dir + "/data", "-l", c.dir + "/log", "-w", "-o", options}, args...)...)
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
	return "postgres://postgres@" + c.addr + "/postgres?sslmode=disable"
}

// clients is how many connections of chatd the server has.
func (c *cluster) clients(t testing.TB) int {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: c.url() + "&application_name=test", MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatd'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
