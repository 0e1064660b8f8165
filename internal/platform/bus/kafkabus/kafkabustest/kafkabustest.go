package kafkabustest

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"chatd/internal/platform/testenv"
)

const (
	// homeVariable names the directory with the jars of Kafka's server.
	homeVariable = "CHATD_TEST_KAFKA_HOME"
	// brokersVariable names brokers that run already, host:port with commas.
	brokersVariable = "CHATD_TEST_KAFKA_BROKERS"
)

// Brokers returns the addresses of kfake brokers of the test's own, which end
// with it.
func Brokers(t testing.TB) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

// Apache returns the addresses of Apache Kafka's brokers that tests share:
// each needs a prefix of its own. Without any the test is skipped.
func Apache(t testing.TB) []string {
	t.Helper()
	if running := os.Getenv(brokersVariable); running != "" {
		return strings.Split(running, ",")
	}
	return []string{Shared(t).Address(Plain)}
}

// shared is the broker of this test binary.
var shared = sync.OnceValues(start)

// Shared returns the broker that this package has started for all tests of the
// binary, or skips the test.
func Shared(t testing.TB) *Server {
	t.Helper()
	need(t)
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.tell(t) })
	return s
}

// Start starts a broker for this test alone, or skips the test.
func Start(t testing.TB) *Server {
	t.Helper()
	need(t)
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.tell(t)
		s.end()
	})
	return s
}

// tell shows the end of the broker's log when the test has failed.
func (s *Server) tell(t testing.TB) {
	t.Helper()
	if t.Failed() {
		t.Logf("Kafka's log:\n%s", s.log())
	}
}

func need(t testing.TB) {
	t.Helper()
	if os.Getenv(homeVariable) == "" {
		testenv.Missing(t, "kafka", homeVariable+" is not set; .ci/kafka prints what it should be")
	}
	if _, err := exec.LookPath(java); err != nil {
		testenv.Missing(t, "kafka", "no "+java+" in PATH")
	}
}
