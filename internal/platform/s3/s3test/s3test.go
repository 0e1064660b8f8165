package s3test

import (
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"chatd/internal/platform/s3"
	"chatd/internal/platform/testenv"
)

// urlVariable names a bucket of a server that is there already.
const urlVariable = "CHATD_TEST_S3_URL"

// Keys of the gateways that tests start.
const (
	Key    = "chatd-key"
	Secret = "canary/secret+of=s3"
)

// started is the gateway of this test binary.
var started = sync.OnceValues(start)

// URL returns the URL of a bucket, with a prefix of the test's own, or skips
// the test.
func URL(t testing.TB) string {
	t.Helper()
	prefix := strings.ToLower(rand.Text())
	if given := os.Getenv(urlVariable); given != "" {
		u, err := url.Parse(given)
		if err != nil {
			t.Fatalf("%s is no URL", urlVariable)
		}
		return u.JoinPath(prefix).String()
	}
	need(t)
	g, err := started()
	if err != nil {
		t.Fatal(err)
	}
	return g.URL(Bucket) + "/" + prefix
}

// New returns a bucket, empty for the test.
func New(t testing.TB) *s3.Bucket {
	t.Helper()
	b, err := s3.Open(s3.Config{URL: URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// need skips the test where the gateway is not to be built.
func need(t testing.TB) {
	t.Helper()
	if !testenv.Required("s3") { // Building it takes a minute or two the first time.
		testenv.Missing(t, "s3", urlVariable+" is not set")
	}
}
