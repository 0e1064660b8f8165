//go:build !soak

package kafkabus_test

import "time"

// How often and how long a broker is away in `go test ./...`.
const (
	brokerKills = 1
	brokerDown  = 8 * time.Second
)
