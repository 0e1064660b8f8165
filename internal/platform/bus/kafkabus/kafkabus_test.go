package kafkabus_test

import (
	"testing"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/bustest"
	"chatd/internal/platform/bus/kafkabus"
)

// cluster starts brokers within the process.
func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func open(t *testing.T, cfg kafkabus.Config) *kafkabus.Bus {
	t.Helper()
	b, err := kafkabus.New(kafkabus.Deps{Log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func limited(cfg kafkabus.Config, l bustest.Limits) kafkabus.Config {
	cfg.CreateTopics = true
	cfg.Queue, cfg.Window, cfg.Workers, cfg.Lossy = l.Queue, l.Queue, l.Workers, l.Queue
	cfg.Tries, cfg.Backoff, cfg.MaxBackoff = l.Tries, l.Backoff, l.Backoff
	return cfg
}

func TestKafkaBusKeepsTheContract(t *testing.T) {
	t.Parallel()
	bustest.Run(t, func(t *testing.T, l bustest.Limits) bus.Bus {
		return open(t, limited(kafkabus.Config{Brokers: cluster(t).ListenAddrs()}, l))
	})
}
