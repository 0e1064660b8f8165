package kafkabus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/kafkabus"
)

// counter returns the one counter of a family as a collector.
func counter(t *testing.T, from *prometheus.Registry, name string) prometheus.Collector {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name && len(f.GetMetric()) == 1 {
			m := f.GetMetric()[0]
			return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name}, func() float64 {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			})
		}
	}
	t.Fatalf("no metric %s, or several", name)
	return nil
}

func TestTopicsAreMadeOrAskedFor(t *testing.T) {
	t.Parallel()
	each(t, topicsMade)
}

func topicsMade(t *testing.T, cfg kafkabus.Config) {
	t.Helper()
	cfg.CreateTopics = false
	cfg.Publishes = []string{"b"}
	b := open(t, cfg)
	group(t, b, newLog().handle)
	err := b.Start(patient(t))
	for _, want := range []string{
		strings.ReplaceAll("missing topics: P.dead-letters, P.a, P.b, P.b.live;", "P.", cfg.Prefix),
		"--create --topic " + cfg.Prefix + "a --partitions 4 --config retention.ms=86400000",
	} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("told %v, without %q", err, want)
		}
	}

	cfg.CreateTopics = true
	b = open(t, cfg)
	group(t, b, newLog().handle)
	if err := b.Probe(patient(t)); err != nil {
		t.Fatal(err)
	}
	if made := topics(t, cfg); len(made) != 0 {
		t.Errorf("looking has made %v", made)
	}
	start(t, b)
	made := topics(t, cfg)
	for topic, partitions := range map[string]int{cfg.Prefix + "a": 4, cfg.Prefix + "b": 4, cfg.Prefix + "b.live": 4, cfg.Prefix + "dead-letters": 1} {
		if n := len(made[topic].Partitions); n != partitions {
			t.Errorf("%s was made with %d partitions", topic, n)
		}
	}
}

func TestATopicWithTheWrongNumberOfPartitionsIsRefused(t *testing.T) {
	t.Parallel()
	each(t, wrongPartitions)
}

func wrongPartitions(t *testing.T, cfg kafkabus.Config) {
	t.Helper()
	admin := kadm.NewClient(client(t, cfg.Brokers))
	if _, err := admin.CreateTopic(patient(t), 7, 1, nil, cfg.Prefix+"a"); err != nil {
		t.Fatal(err)
	}
	b := open(t, cfg)
	group(t, b, newLog().handle)
	for _, look := range []func(context.Context) error{b.Probe, b.Start} {
		err := look(patient(t))
		want := "topic " + cfg.Prefix + "a has 7 partitions and must have 4"
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("told %v, not %q", err, want)
		}
	}
	if found := topics(t, cfg); len(found) != 1 || len(found[cfg.Prefix+"a"].Partitions) != 7 {
		t.Errorf("afterwards there are %v", found.Names())
	}
}

// topics returns those of the configuration's prefix.
func topics(t *testing.T, cfg kafkabus.Config) kadm.TopicDetails {
	t.Helper()
	return topicsOf(t, kadm.NewClient(client(t, cfg.Brokers)), cfg.Prefix)
}

func TestBrokersThatDoNotAnswerAreToldSoon(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, address := range map[string]string{"silent": silent.Addr().String(), "gone": gone.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, kafkabus.Config{Brokers: []string{address}, Reach: 2 * time.Second})
			group(t, b, newLog().handle)
			begin := time.Now()
			err := b.Start(patient(t))
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("after %s", took)
			}
			want := "kafka: no broker answers at " + address
			if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("told %v", err)
			}
		})
	}
}

func TestLagAndWhatIsHandledAreCounted(t *testing.T) {
	t.Parallel()
	each(t, lag)
}

func lag(t *testing.T, cfg kafkabus.Config) {
	t.Helper()
	heard := newLog()
	before := open(t, cfg)
	group(t, before, heard.handle)
	start(t, before)
	if err := before.Publish(patient(t), event("k", 1)); err != nil {
		t.Fatal(err)
	}
	heard.until(t, "the event", func() bool { return len(heard.key("k")) == 1 })
	stop(t, before)
	behind := client(t, cfg.Brokers)
	for range 5 {
		r := &kgo.Record{Topic: cfg.Prefix + "a", Key: []byte("k"), Value: []byte("{}")}
		if err := behind.ProduceSync(patient(t), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	hold := make(chan struct{})
	b, counts := counting(t, cfg)
	t.Cleanup(func() { close(hold) }) // before the stop
	group(t, b, func(ctx context.Context, e bus.Envelope) error {
		<-hold
		return heard.handle(ctx, e)
	})
	start(t, b)
	late := time.After(patience)
	for {
		n, err := testutil.GatherAndCount(counts, "chatd_bus_lag")
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			break
		}
		select {
		case <-late:
			t.Fatal("no lag was told")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if n := testutil.ToFloat64(counter(t, counts, "chatd_bus_lag")); n != 5 {
		t.Errorf("a lag of %v", n)
	}
}

func TestConnectionsAreEncryptedAndNamed(t *testing.T) {
	t.Parallel()
	pair, authority := certificate(t)
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			c := cluster(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "chatd", "right"),
				kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}))
			cfg := quick(c)
			cfg.TLS = kafkabus.TLS{On: true, CAFile: authority}
			cfg.SASL = kafkabus.SASL{Mechanism: mechanism, User: "chatd", Password: "right"}
			heard := newLog()
			b := open(t, cfg)
			group(t, b, heard.handle)
			start(t, b)
			if err := b.Publish(patient(t), event("k", 1)); err != nil {
				t.Fatal(err)
			}
			heard.until(t, "the event", func() bool { return len(heard.key("k")) == 1 })

			cfg.SASL.Password = "wrong"
			cfg.Reach = 5 * time.Second // a connection takes its time on a busy machine
			err := open(t, cfg).Start(patient(t))
			if err == nil || !strings.Contains(err.Error(), "check SASL "+mechanism) || strings.Contains(err.Error(), "wrong") {
				t.Errorf("with a connection that is closed for a wrong password: %v", err)
			}
			refusal := c.Fault(kfake.Fault{ // as brokers answer that do not just close
				Keys: []kmsg.Key{kmsg.SASLAuthenticate}, TopLevel: true, Err: kerr.SaslAuthenticationFailed, Count: -1,
			})
			err = open(t, cfg).Start(patient(t))
			if err == nil || !strings.Contains(err.Error(), `refuse SASL `+mechanism+` as "chatd"`) || strings.Contains(err.Error(), "wrong") {
				t.Errorf("with a wrong password: %v", err)
			}
			refusal.Remove()
			cfg.SASL.Password, cfg.TLS.CAFile = "right", ""
			if err := open(t, cfg).Start(patient(t)); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("with an unknown authority: %v", err)
			}
		})
	}
}

func TestABadConfigurationIsRefusedBeforeAnyBrokerIsAsked(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]kafkabus.Config{
		"no broker is named":            {},
		"SASL mechanism \"GSSAPI\"":     {Brokers: []string{"h:1"}, SASL: kafkabus.SASL{Mechanism: "GSSAPI", User: "u", Password: "p"}},
		"needs a user and a password":   {Brokers: []string{"h:1"}, SASL: kafkabus.SASL{Mechanism: "PLAIN", User: "u"}},
		"read the authorities":          {Brokers: []string{"h:1"}, TLS: kafkabus.TLS{On: true, CAFile: "/nowhere"}},
		"read the client's certificate": {Brokers: []string{"h:1"}, TLS: kafkabus.TLS{On: true, CertFile: "/nowhere"}},
		"partitions for a topic":        {Brokers: []string{"h:1"}, Partitions: -1},
	} {
		if _, err := kafkabus.New(kafkabus.Deps{}, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("told %v, not %q", err, want)
		}
	}
}

// certificate makes one for 127.0.0.1 that is its own authority, and returns
// the file that says so.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plan := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	text, err := x509.CreateCertificate(rand.Reader, plan, plan, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "authority.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: text})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{text}, PrivateKey: key}, file
}
