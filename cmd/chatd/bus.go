package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/localbus"
	"chatd/internal/platform/lifecycle"
	"chatd/internal/platform/relay"
	"chatd/internal/user"
)

// newBus makes the bus and names who hears what.
func newBus(c *contexts, log zerolog.Logger, reg prometheus.Registerer) (bus.Bus, error) {
	b := localbus.New(localbus.Deps{Log: log, Metrics: reg}, localbus.Config{})
	if err := b.Group("user", user.Topics(), c.user.Handle); err != nil {
		return nil, fmt.Errorf("subscribe user: %w", err)
	}
	return b, nil
}

// newRelays brings each context's log to each receiver that hears it.
func newRelays(s *stores, b bus.Bus, log zerolog.Logger) []lifecycle.Part {
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
				relay.Config{Name: name, Alone: true}, // one node, see stores.claim
			)
			parts = append(parts, lifecycle.Part{Name: "relay " + name, Run: r.Run})
		}
	}
	return parts
}
