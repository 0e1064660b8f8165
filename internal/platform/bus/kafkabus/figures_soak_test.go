//go:build soak

package kafkabus_test

import "time"

// How often and how long a broker is away under -tags soak.
const (
	brokerKills = 3
	brokerDown  = time.Minute
)
