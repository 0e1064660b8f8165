package kafkabus_test

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/bustest"
	"chatd/internal/platform/bus/kafkabus"
	"chatd/internal/platform/bus/kafkabus/kafkabustest"
)

// patience is how long something that must happen may take.
const patience = 30 * time.Second

func TestKafkaBusKeepsTheContract(t *testing.T) {
	t.Parallel()
	t.Run("kfake", func(t *testing.T) {
		t.Parallel()
		bustest.Run(t, func(t *testing.T, l bustest.Limits) bus.Bus {
			return open(t, limited(kafkabus.Config{Brokers: cluster(t).ListenAddrs()}, l))
		})
	})
	t.Run("Apache Kafka", func(t *testing.T) {
		t.Parallel()
		kafkabustest.Apache(t)
		bustest.Run(t, func(t *testing.T, l bustest.Limits) bus.Bus {
			cfg := apache(t)
			cfg.Partitions = 3
			return open(t, limited(cfg, l))
		})
	})
}

// each runs a test on kfake and on Apache Kafka.
func each(t *testing.T, test func(t *testing.T, cfg kafkabus.Config)) {
	t.Helper()
	t.Run("kfake", func(t *testing.T) {
		t.Parallel()
		cfg := quick(cluster(t, kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}),
			kfake.GroupMinSessionTimeout(time.Second)))
		cfg.Prefix = "chatd."
		test(t, cfg)
	})
	t.Run("Apache Kafka", func(t *testing.T) {
		t.Parallel()
		test(t, apache(t))
	})
}

// apache is a configuration for the brokers that tests share, under a prefix
// of the test's own.
func apache(t *testing.T) kafkabus.Config {
	t.Helper()
	cfg := brisk(kafkabustest.Apache(t))
	cfg.Prefix = prefix()
	t.Cleanup(func() { removeTopics(t, cfg) })
	return cfg
}

// prefix is one that no other test has.
func prefix() string { return "test-" + strings.ToLower(rand.Text()[:10]) + "." }

func limited(cfg kafkabus.Config, l bustest.Limits) kafkabus.Config {
	cfg.CreateTopics = true
	cfg.Queue, cfg.Window, cfg.Workers, cfg.Lossy = l.Queue, l.Queue, l.Workers, l.Queue
	cfg.Tries, cfg.Backoff, cfg.MaxBackoff = l.Tries, l.Backoff, l.Backoff
	return cfg
}

func removeTopics(t *testing.T, cfg kafkabus.Config) {
	t.Helper()
	admin := kadm.NewClient(client(t, cfg.Brokers))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, err := admin.ListTopics(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, name := range all.Names() {
		if strings.HasPrefix(name, cfg.Prefix) {
			if _, err := admin.DeleteTopics(ctx, name); err != nil {
				t.Error(err)
			}
		}
	}
}

// cluster starts a broker within the process.
func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// client returns one of the tests' own.
func client(t *testing.T, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func open(t *testing.T, cfg kafkabus.Config) *kafkabus.Bus {
	t.Helper()
	b, _ := counting(t, cfg)
	return b
}

// counting returns a bus with its metrics.
func counting(t *testing.T, cfg kafkabus.Config) (*kafkabus.Bus, *prometheus.Registry) {
	t.Helper()
	counts := prometheus.NewRegistry()
	b, err := kafkabus.New(kafkabus.Deps{
		Log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel), Metrics: counts,
	}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, b) })
	return b, counts
}

// quick is a configuration for tests of one cluster.
func quick(c *kfake.Cluster) kafkabus.Config { return brisk(c.ListenAddrs()) }

func brisk(brokers []string) kafkabus.Config {
	return kafkabus.Config{
		Brokers: brokers, CreateTopics: true, Partitions: 4, Tries: 3,
		Backoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond,
	}
}

func start(t *testing.T, b *kafkabus.Bus) {
	t.Helper()
	if err := b.Start(patient(t)); err != nil {
		t.Fatal(err)
	}
}

func stop(t *testing.T, b *kafkabus.Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func group(t *testing.T, b *kafkabus.Bus, h bus.Handler) {
	t.Helper()
	if err := b.Group("g", []string{"a"}, h); err != nil {
		t.Fatal(err)
	}
}

func event(key string, pos int64) bus.Envelope {
	return bus.Envelope{
		ID: rand.Text(), Name: "a.happened.v1", Topic: "a", Key: key, Pos: pos,
		Time: time.Now(), Payload: []byte(`{}`),
	}
}

// log has what several nodes have handled, in their common order.
type log struct {
	mu   sync.Mutex
	seen []bus.Envelope
	more chan struct{}
}

func newLog() *log { return &log{more: make(chan struct{}, 1)} }

func (l *log) handle(_ context.Context, e bus.Envelope) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, e)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return nil
}

func (l *log) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

// key returns the positions handled of a key.
func (l *log) key(key string) (got []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.seen {
		if e.Key == key {
			got = append(got, e.Pos)
		}
	}
	return got
}

// until waits for ok, which looks at the log after each event.
func (l *log) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	for !ok() {
		select {
		case <-l.more:
		case <-late:
			t.Fatalf("%s: not after %s", what, patience)
		}
	}
}

// firsts leaves out repeats: what is not higher than all before it.
func firsts(positions []int64) (got []int64) {
	for _, p := range positions {
		if len(got) == 0 || p > got[len(got)-1] {
			got = append(got, p)
		}
	}
	return got
}

func upTo(n int64) (all []int64) {
	for i := range n {
		all = append(all, i+1)
	}
	return all
}
