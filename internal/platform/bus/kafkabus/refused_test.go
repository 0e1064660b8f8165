package kafkabus_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"chatd/internal/platform/bus/kafkabus"
	"chatd/internal/platform/bus/kafkabus/kafkabustest"
)

// mustRefuse looks at brokers and starts a bus on them. Both must say the same
// in one line, soon, with the words and without the passwords.
func mustRefuse(t *testing.T, cfg kafkabus.Config, words ...string) {
	t.Helper()
	if cfg.Reach == 0 {
		cfg.Reach = 5 * time.Second
	}
	for name, look := range map[string]func(*kafkabus.Bus) error{
		"probe": func(b *kafkabus.Bus) error { return b.Probe(patient(t)) },
		"start": func(b *kafkabus.Bus) error { return b.Start(patient(t)) },
	} {
		b := open(t, cfg)
		group(t, b, newLog().handle)
		begin := time.Now()
		err := look(b)
		if took := time.Since(begin); took > cfg.Reach+10*time.Second {
			t.Errorf("%s: after %s", name, took)
		}
		if err == nil {
			t.Fatalf("%s: taken", name)
		}
		line := err.Error()
		t.Log(line)
		for _, w := range words {
			if !strings.Contains(line, w) {
				t.Errorf("%s: without %q: %s", name, w, line)
			}
		}
		if !strings.HasPrefix(line, "kafka: ") || strings.Contains(line, "\n") || strings.Contains(line, "password-of") {
			t.Errorf("%s: %q", name, line)
		}
	}
}

func TestBrokersThatCannotBeUsedAreToldInOneLine(t *testing.T) {
	t.Parallel()
	s := kafkabustest.Shared(t)
	trusted := kafkabus.TLS{On: true, CAFile: s.CAFile()}
	wrong := func(mechanism string) kafkabus.SASL {
		return kafkabus.SASL{Mechanism: mechanism, User: "chatd", Password: "password-of-nobody"}
	}
	for name, tc := range map[string]struct {
		at    kafkabustest.Listener
		tls   kafkabus.TLS
		sasl  kafkabus.SASL
		words []string

		silent bool // they end the connection without a word, as if they were about to stop
	}{
		"no TLS to a port with":        {at: kafkabustest.TLS, words: []string{"want TLS; turn it on"}},
		"no TLS to a port with, SASL":  {at: kafkabustest.SASLTLS, sasl: wrong("PLAIN"), words: []string{"want TLS; turn it on"}},
		"TLS to a port without":        {at: kafkabustest.Plain, tls: trusted, words: []string{"turn TLS off"}, silent: true},
		"TLS to a port without, SASL":  {at: kafkabustest.SASL, tls: trusted, sasl: wrong("PLAIN"), words: []string{"turn TLS off"}, silent: true},
		"an unknown authority":         {at: kafkabustest.TLS, tls: kafkabus.TLS{On: true}, words: []string{"not trusted", "unknown authority"}},
		"another name":                 {at: kafkabustest.TLS, tls: kafkabus.TLS{On: true, CAFile: s.CAFile(), Name: "kafka.example"}, words: []string{"not trusted", "kafka.example"}},
		"nobody where SASL is wanted":  {at: kafkabustest.SASL, words: []string{"may want SASL"}, silent: true},
		"nobody, with TLS":             {at: kafkabustest.SASLTLS, tls: trusted, words: []string{"may want SASL"}, silent: true},
		"SASL where there is none":     {at: kafkabustest.Plain, sasl: wrong("SCRAM-SHA-512"), words: []string{"take no SASL"}},
		"a wrong password, PLAIN":      {at: kafkabustest.SASL, sasl: wrong("PLAIN"), words: []string{`refuse SASL PLAIN as "chatd"`}},
		"a wrong password, SCRAM":      {at: kafkabustest.SASLTLS, tls: trusted, sasl: wrong("SCRAM-SHA-256"), words: []string{`refuse SASL SCRAM-SHA-256 as "chatd"`}},
		"brokers that advertise wrong": {at: kafkabustest.Astray, words: []string{"advertised.listeners", "127.0.0.1:1:"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := kafkabus.Config{Brokers: []string{s.Address(tc.at)}, TLS: tc.tls, SASL: tc.sasl}
			if tc.silent {
				cfg.Reach = 5 * time.Second // a handshake takes its time on a busy machine
			}
			mustRefuse(t, cfg, tc.words...)
		})
	}
}

func TestEveryWayInToApacheKafkaIsTaken(t *testing.T) {
	t.Parallel()
	s := kafkabustest.Shared(t)
	trusted := kafkabus.TLS{On: true, CAFile: s.CAFile()}
	known := func(mechanism string) kafkabus.SASL {
		return kafkabus.SASL{Mechanism: mechanism, User: kafkabustest.Known.Name, Password: kafkabustest.Known.Password}
	}
	for name, cfg := range map[string]kafkabus.Config{
		"TLS":           {Brokers: []string{s.Address(kafkabustest.TLS)}, TLS: trusted},
		"PLAIN":         {Brokers: []string{s.Address(kafkabustest.SASL)}, SASL: known("PLAIN")},
		"SCRAM-SHA-256": {Brokers: []string{s.Address(kafkabustest.SASLTLS)}, TLS: trusted, SASL: known("SCRAM-SHA-256")},
		"SCRAM-SHA-512": {Brokers: []string{s.Address(kafkabustest.SASLTLS)}, TLS: trusted, SASL: known("SCRAM-SHA-512")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg.Prefix, cfg.CreateTopics, cfg.Partitions = prefix(), true, 3
			heard := newLog()
			b := open(t, cfg)
			group(t, b, heard.handle)
			start(t, b)
			if err := b.Publish(patient(t), event("k", 1)); err != nil {
				t.Fatal(err)
			}
			heard.until(t, "the event", func() bool { return len(heard.key("k")) == 1 })
		})
	}
}

// Rights are given one after the other: each that is missing is told, with the
// command that gives them, and nothing is made before all are there that making
// needs.
func TestMissingRightsAreToldWithTheCommandThatGivesThem(t *testing.T) {
	t.Parallel()
	s := kafkabustest.Shared(t)
	admin := kadm.NewClient(client(t, []string{s.Address(kafkabustest.Plain)}))
	guest := kafkabus.Config{
		Brokers: []string{s.Address(kafkabustest.SASL)}, Prefix: prefix(), Partitions: 3, CreateTopics: true,
		SASL: kafkabus.SASL{Mechanism: "SCRAM-SHA-256", User: kafkabustest.Guest.Name, Password: kafkabustest.Guest.Password},
	}
	allow := func(acls *kadm.ACLBuilder, ops ...kadm.ACLOperation) {
		t.Helper()
		made, err := admin.CreateACLs(patient(t), acls.ResourcePatternType(kadm.ACLPatternPrefixed).
			Allow("User:"+guest.SASL.User).AllowHosts("*").Operations(ops...))
		for _, one := range made {
			if err == nil {
				err = one.Err
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		soon(t, "the right is there", func() bool { // brokers hear of it a little later
			found, err := admin.DescribeACLs(patient(t), acls)
			return err == nil && len(found) == 1 && len(found[0].Described) == len(ops)
		})
	}
	onTopics := func() *kadm.ACLBuilder { return kadm.NewACLs().Topics(guest.Prefix) }
	command := "--allow-principal User:guest --producer --consumer --topic " + guest.Prefix + " --group " + guest.Prefix + " --resource-pattern-type prefixed"

	mustRefuse(t, guest, `"guest" may not`, "topic", command)
	allow(onTopics(), kadm.OpDescribe)
	mustRefuse(t, guest, `"guest" may not make topic `+guest.Prefix+"dead-letters", command)
	if made := topicsOf(t, admin, guest.Prefix); len(made) != 0 {
		t.Errorf("made without the right to: %v", made.Names())
	}
	allow(onTopics(), kadm.OpCreate)
	maker := open(t, guest)
	group(t, maker, newLog().handle)
	if err := maker.Start(patient(t)); err == nil || !strings.Contains(err.Error(), `"guest" may not write topic`) {
		t.Errorf("with topics that it could make and not write: %v", err)
	}
	mustRefuse(t, guest, `"guest" may not write topic`, command) // as they are there now
	allow(onTopics(), kadm.OpWrite)
	mustRefuse(t, guest, `"guest" may not read topic`, command)
	allow(onTopics(), kadm.OpRead)
	mustRefuse(t, guest, `"guest" may not read as group `+guest.Prefix+"g", command)
	allow(kadm.NewACLs().Groups(guest.Prefix), kadm.OpRead)
	heard := newLog()
	b := open(t, guest)
	group(t, b, heard.handle)
	if err := b.Probe(patient(t)); err != nil {
		t.Fatal(err)
	}
	start(t, b)
	if err := b.Publish(patient(t), event("k", 1)); err != nil {
		t.Fatal(err)
	}
	heard.until(t, "the event", func() bool { return len(heard.key("k")) == 1 })
	if err := b.Healthy(); err != nil {
		t.Error(err)
	}
}

func TestABrokerThatIsTooOldIsRefused(t *testing.T) {
	t.Parallel()
	for version, taken := range map[*kversion.Versions]bool{kversion.V2_0_0(): false, kversion.V2_1_0(): true} {
		cfg := quick(cluster(t, kfake.MaxVersions(version)))
		if !taken {
			mustRefuse(t, cfg, "too old", "Kafka 2.1 or later")
			continue
		}
		heard := newLog()
		b := open(t, cfg)
		group(t, b, heard.handle)
		start(t, b)
		if err := b.Publish(patient(t), event("k", 1)); err != nil {
			t.Fatal(err)
		}
		heard.until(t, "the event", func() bool { return len(heard.key("k")) == 1 })
	}
}

// As a lone broker whose offsets.topic.replication.factor is 3, which is what
// Kafka has unless told otherwise: it takes all events and hands out none.
func TestAClusterThatCannotKeepGroupsIsTold(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1})
	cfg := quick(c)
	cfg.Reach = 3 * time.Second // a connection takes its time on a busy machine
	mustRefuse(t, cfg, "__consumer_offsets", "offsets.topic.replication.factor")
}

func topicsOf(t *testing.T, admin *kadm.Client, prefix string) kadm.TopicDetails {
	t.Helper()
	found, err := admin.ListTopics(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	for name := range found {
		if !strings.HasPrefix(name, prefix) {
			delete(found, name)
		}
	}
	return found
}
