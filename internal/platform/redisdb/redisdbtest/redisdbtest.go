package redisdbtest

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/testenv"
)

// urlVariable names a server that is there already.
const urlVariable = "CHATD_TEST_REDIS_URL"

// started is the server of this test binary.
var started = sync.OnceValues(func() (*Server, error) { return start(nil) })

// URL returns the address of the server that tests share, or skips the test.
func URL(t testing.TB) string {
	t.Helper()
	if address := os.Getenv(urlVariable); address != "" {
		return address
	}
	need(t)
	s, err := started()
	if err != nil {
		t.Fatal(err)
	}
	return s.URL()
}

func need(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		testenv.Missing(t, "redis", "no "+program+" in PATH, and "+urlVariable+" is not set")
	}
}

// Prefix is one that no other test has.
func Prefix() string { return "test:" + rand.Text() }

// Open opens a Redis, keeps looking after it, and closes it when the test
// ends. Without a URL it is the shared server, without a prefix a new one is
// taken.
func Open(t testing.TB, cfg redisdb.Config) *redisdb.DB {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = URL(t)
	}
	if cfg.Prefix == "" {
		cfg.Prefix = Prefix()
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second // machines that test are busy
	}
	db, err := redisdb.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = db.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		db.Close()
	})
	return db
}

// Eventually waits until ok holds, for 30 s at most.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after 30 s not yet: %s", what)
		}
	}
}
