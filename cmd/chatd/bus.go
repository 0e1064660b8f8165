package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/localbus"
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
