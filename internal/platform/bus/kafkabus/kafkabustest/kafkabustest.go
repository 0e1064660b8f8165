package kafkabustest

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Brokers returns the addresses of brokers of the test's own, which end with
// it.
func Brokers(t testing.TB) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}
