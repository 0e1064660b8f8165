package kafkabus

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Config says where the brokers are and bounds a Bus. Zero values are the
// defaults; only Brokers is required.
type Config struct {
	Brokers []string // host:port of some brokers of the cluster
	TLS     TLS
	SASL    SASL
	Reach   time.Duration // how long Start looks for a broker that answers; 8 s

	Prefix string // of topics and consumer groups; "chatd."
	// Publishes names topics that events go to though no group here hears
	// them: those for contexts that run elsewhere.
	Publishes []string

	// CreateTopics lets Start make topics that are missing; else it says how.
	CreateTopics  bool
	Partitions    int           // of each event topic, for good: order depends on it; 12
	Replication   int           // of topics that are made; 0 is the brokers' default
	Retention     time.Duration // of events in topics that are made; 24 h. A group away for longer misses some
	DeadRetention time.Duration // of dead letters; 7 days

	Queue      int           // events offered and not yet safe; 1,024. Offer waits while full
	Window     int           // events read and not yet committable, per group and partition, about; 256
	Workers    int           // events handled at once, per group; 4
	Tries      int           // before an event is put aside; 10
	Backoff    time.Duration // after the first failure, doubled with each; 100 ms
	MaxBackoff time.Duration // 30 s
	Asides     int           // events put aside that are kept to be read here; 1,000. The oldest go
	Lossy      int           // events waiting for one broadcast handler, or for the brokers; 1,024. More are lost

	Session  time.Duration // silence after which a node's partitions go to others; 10 s
	Handover time.Duration // how long an event in hand may hold up a partition that moves; 10 s
}

// TLS says how connections are encrypted. Certificates of brokers are checked
// always.
type TLS struct {
	On       bool
	CAFile   string // PEM; empty: the system's
	CertFile string // PEM of this client's certificate, with KeyFile; both or neither
	KeyFile  string
	Name     string // that brokers' certificates must bear; empty: that of the address
}

// SASL says who chatd is to the brokers.
type SASL struct {
	Mechanism string // "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"; empty: nobody
	User      string
	Password  string
}

func (c Config) withDefaults() (Config, error) {
	c.Reach = cmp.Or(c.Reach, 8*time.Second)
	c.Prefix = cmp.Or(c.Prefix, "chatd.")
	c.Partitions = cmp.Or(c.Partitions, 12)
	c.Retention = cmp.Or(c.Retention, 24*time.Hour)
	c.DeadRetention = cmp.Or(c.DeadRetention, 7*24*time.Hour)
	c.Queue = cmp.Or(c.Queue, 1024)
	c.Window = cmp.Or(c.Window, 256)
	c.Workers = cmp.Or(c.Workers, 4)
	c.Tries = cmp.Or(c.Tries, 10)
	c.Backoff = cmp.Or(c.Backoff, 100*time.Millisecond)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, 30*time.Second)
	c.Asides = cmp.Or(c.Asides, 1000)
	c.Lossy = cmp.Or(c.Lossy, 1024)
	c.Session = cmp.Or(c.Session, 10*time.Second)
	c.Handover = cmp.Or(c.Handover, 10*time.Second)
	switch {
	case len(c.Brokers) == 0:
		return c, errors.New("kafka: no broker is named")
	case c.Partitions < 0 || c.Partitions > 10_000:
		return c, fmt.Errorf("kafka: %d partitions for a topic", c.Partitions)
	case c.Replication < 0 || c.Replication > 100:
		return c, fmt.Errorf("kafka: %d replicas of a topic", c.Replication)
	}
	return c, nil
}

// options are those of every client.
func (c Config) options(log kgo.Logger) ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID("chatd"),
		kgo.WithLogger(log),
		kgo.DialTimeout(3 * time.Second),
		kgo.RequestTimeoutOverhead(5 * time.Second),
		kgo.MetadataMinAge(500 * time.Millisecond),
	}
	if c.TLS.On {
		encrypted, err := c.TLS.config()
		if err != nil {
			return nil, fmt.Errorf("kafka: TLS: %w", err)
		}
		opts = append(opts, kgo.DialTLSConfig(encrypted))
	}
	if c.SASL.Mechanism != "" {
		mechanism, err := c.SASL.mechanism()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

func (t TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.Name}
	if t.CAFile != "" {
		text, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the authorities: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("no certificate in %s", t.CAFile)
		}
	}
	if t.CertFile != "" || t.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client's certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	if s.User == "" || s.Password == "" {
		return nil, fmt.Errorf("kafka: SASL %s needs a user and a password", s.Mechanism)
	}
	switch s.Mechanism {
	case "PLAIN":
		return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism(), nil
	default:
		return nil, fmt.Errorf("kafka: SASL mechanism %q is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", s.Mechanism)
	}
}

func (c Config) liveTopic(topic string) string { return c.Prefix + topic + ".live" }
func (c Config) deadTopic() string             { return c.Prefix + "dead-letters" }
