package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/chat"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/kafkabus"
	"chatd/internal/platform/bus/localbus"
	"chatd/internal/platform/lifecycle"
	"chatd/internal/platform/relay"
	"chatd/internal/user"
)

// several says whether other nodes may work on the same store.
func (c *Config) several() bool { return len(c.Bus.KafkaBrokers) > 0 }

// newBus makes the bus, of this process or of several nodes.
func newBus(cfg Config, log zerolog.Logger, reg prometheus.Registerer) (bus.Bus, error) {
	if !cfg.several() {
		return localbus.New(localbus.Deps{Log: log, Metrics: reg}, localbus.Config{}), nil
	}
	return newKafka(cfg, log, reg)
}

func newKafka(cfg Config, log zerolog.Logger, reg prometheus.Registerer) (*kafkabus.Bus, error) {
	kafka := kafkabus.Config{
		Brokers: cfg.Bus.KafkaBrokers, Prefix: cfg.Bus.KafkaPrefix, CreateTopics: cfg.Bus.KafkaTopics == "create",
		TLS: kafkabus.TLS{On: cfg.Bus.KafkaTLS == On, CAFile: cfg.Bus.KafkaCA},
	}
	if cfg.Bus.KafkaSASL != string(Off) {
		kafka.SASL = kafkabus.SASL{Mechanism: cfg.Bus.KafkaSASL, User: cfg.Bus.KafkaUser, Password: cfg.Bus.KafkaSecret.Reveal()}
	}
	return kafkabus.New(kafkabus.Deps{Log: log, Metrics: reg}, kafka)
}

// crier is how chat reaches other nodes; nil where there are none.
func crier(cfg Config, b bus.Bus) chat.Crier {
	if !cfg.several() {
		return nil
	}
	return b
}

// hearers are who hears what.
type hearers struct {
	user bus.Handler
	chat func(bus.Envelope)
}

func (h hearers) join(cfg Config, b bus.Bus) error {
	if err := b.Group("user", user.Topics(), h.user); err != nil {
		return fmt.Errorf("subscribe user: %w", err)
	}
	if !cfg.several() {
		return nil
	}
	if err := b.Broadcast(chat.Broadcasts(), h.chat); err != nil {
		return fmt.Errorf("subscribe chat: %w", err)
	}
	return nil
}

// probeKafka says in one line, within 10 s, what keeps a server of this
// configuration from its brokers; nil when nothing does or there are none. It
// changes nothing there.
func probeKafka(ctx context.Context, cfg Config) error {
	if !cfg.several() {
		return nil
	}
	b, err := newKafka(cfg, zerolog.Nop(), nil)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = b.Stop(ctx) // it has nothing in hand
	}()
	if err := (hearers{}).join(cfg, b); err != nil {
		return err
	}
	return b.Probe(ctx)
}

// newRelays brings each context's log to each receiver that hears it.
func newRelays(cfg Config, s *stores, b bus.Bus, log zerolog.Logger, reg prometheus.Registerer) []lifecycle.Part {
	logs := []struct {
		topic  string
		events relay.Log
	}{{"auth", s.auth}, {"user", s.user}}
	counts := relay.NewMetrics(reg)
	var parts []lifecycle.Part
	for _, to := range b.Receivers() {
		for _, from := range logs {
			if !to.Hears(from.topic) {
				continue
			}
			name := from.topic + ">" + to.Name()
			r := relay.New(
				relay.Deps{Events: from.events, Positions: s.relays, To: to, Log: log, Metrics: counts},
				relay.Config{Name: name, Alone: !cfg.several()},
			)
			parts = append(parts, lifecycle.Part{Name: "relay " + name, Run: r.Run})
		}
	}
	return parts
}
