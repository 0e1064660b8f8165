package dial

import (
	"net"
	"time"
)

// Silence is how long what was sent may go without the other host's word of
// it before the connection is lost.
const Silence = 10 * time.Second

// After so long without traffic a connection is probed, so often, and lost
// when so many probes in a row have had no answer.
const (
	probeAfter = 15 * time.Second
	probeEvery = 5 * time.Second
	probes     = 3
)

// Dialer makes connections within a time each. It may be changed before its
// first use.
func Dialer(within time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:         within,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: probeAfter, Interval: probeEvery, Count: probes},
		Control:         control,
	}
}
