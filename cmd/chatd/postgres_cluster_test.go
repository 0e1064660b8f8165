package main

import (
	"net"
	"net/url"
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
	bin  []string // where its programs may be
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
	c := &cluster{t: t, bin: found, addr: freeAddr(t)}
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
	c.run("initdb", "-D", c.dir+"/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	c.ctl("start")
	t.Cleanup(func() { c.ctl("stop", "-m", "immediate") })
	return c
}

// ctl runs pg_ctl and waits until the server is where it should be.
func (c *cluster) ctl(args ...string) {
	c.t.Helper()
	options := "-k " + c.dir + " -h 127.0.0.1 -p " + c.port()
	c.run("pg_ctl", append([]string{"-D", c.dir + "/data", "-l", c.dir + "/log", "-w", "-o", options}, args...)...)
}

func (c *cluster) run(name string, args ...string) {
	c.t.Helper()
	cmd := exec.Command(testenv.Tool(c.t, name, c.bin...), args...)
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

func (c *cluster) port() string {
	_, port, err := net.SplitHostPort(c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	return port
}

// local leads past TCP, to where everybody is let in, to a database.
func (c *cluster) local(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {c.dir}, "port": {c.port()}, "user": {"postgres"}}.Encode()
}

// standby starts a server that follows this one.
func (c *cluster) standby() *cluster {
	c.t.Helper()
	s := &cluster{t: c.t, bin: c.bin, as: c.as, dir: c.dir + "/standby", addr: freeAddr(c.t)}
	c.run("pg_basebackup", "-h", c.dir, "-p", c.port(), "-U", "postgres", "-D", s.dir+"/data", "-R", "-c", "fast", "--no-sync")
	s.ctl("start")
	c.t.Cleanup(func() { s.ctl("stop", "-m", "immediate") })
	return s
}

// do runs statements, each on its own, in a database.
func (c *cluster) do(database string, statements ...string) {
	c.t.Helper()
	args := []string{"-h", c.dir, "-p", c.port(), "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1", database}
	for _, s := range statements {
		args = append(args, "-c", s)
	}
	c.run("psql", args...)
}

// write puts a file into the directory, readable by the server alone.
func (c *cluster) write(name, text string) string {
	c.t.Helper()
	file := filepath.Join(c.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if c.as != nil {
		if err := os.Chown(file, int(c.as.Credential.Uid), int(c.as.Credential.Gid)); err != nil {
			c.t.Fatal(err)
		}
	}
	return file
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
