package main

import (
	"fmt"

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

// join names who hears what.
func join(cfg Config, b bus.Bus, c *contexts) error {
	if err := b.Group("user", user.Topics(), c.user.Handle); err != nil {
		return fmt.Errorf("subscribe user: %w", err)
	}
	if !cfg.several() {
		return nil
	}
	if err := b.Broadcast(chat.Broadcasts(), c.chat.Hear); err != nil {
		return fmt.Errorf("subscribe chat: %w", err)
	}
	return nil
}

// newRelays brings each context's log to each receiver that hears it.
func newRelays(cfg Config, s *stores, b bus.Bus, log zerolog.Logger) []lifecycle.Part {
	logs := []struct {
		topic  string
		events relay.Log
	}{{"auth", s.auth}, {"user", s.user}}
	var parts []lifecycle.Part
	for _, to := range b.Receivers() {
		for _, from := range logs {
			if !to.Hears(from.topic) {
				continue
			}
			name := from.topic + ">" + to.Name()
			r := relay.New(
				relay.Deps{Events: from.events, Positions: s.relays, To: to, Log: log},
				relay.Config{Name: name, Alone: !cfg.several()},
			)
			parts = append(parts, lifecycle.Part{Name: "relay " + name, Run: r.Run})
		}
	}
	return parts
}
