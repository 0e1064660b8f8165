package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The bounds of a run. What asks for more is refused before anything is sent.
const (
	MaxSockets  = 100_000
	MaxMessages = 10_000_000
	MaxTextSize = 10_000 // characters, the API's own bound
)

// Config is what all scenarios have in common.
type Config struct {
	URLs       []string      // of the server, as http://127.0.0.1:4000; of several nodes, over which sockets are spread evenly
	PID        int           // of the server, if it is one; 0 finds local ones by their ports
	PerAccount int           // sockets of one account; 20 when 0, the server's own cap
	TextSize   int           // characters of a message; 100 when 0
	Warmup     int           // messages before the measured ones
	Settle     time.Duration // without a delivery, after which what is missing is lost; 5 s when 0
	Progress   func(string)  // told what is being done; may be nil
}

// Run plays a scenario against the server and returns what was measured and
// judged. It registers accounts and makes conversations of its own, and leaves
// them behind. It ends early, with what it has, when ctx does. An error means
// that there is nothing to judge: a bad Config, or a server that cannot be set
// up; what went wrong under load is in the Report.
func Run(ctx context.Context, cfg Config, s Scenario) (*Report, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	p := newPlay(cfg, s)
	defer p.close()
	report := &Report{Scenario: s.Name, Rooms: s.Rooms, Receivers: s.Rooms * s.Receivers, Streams: s.Rooms * s.Streams, Window: s.window(), Rate: s.Rate}
	procs, err := findServers(cfg.URLs, cfg.PID)
	if err != nil && cfg.PID > 0 {
		return nil, fmt.Errorf("process %d: %w", cfg.PID, err)
	} else if err != nil {
		p.say("CPU and memory of the server are not measured: " + err.Error())
	}
	if err := p.setUp(ctx, procs); err != nil {
		return nil, err
	}
	p.measure(ctx, procs, report)
	p.close()
	p.judge(report)
	return report, nil
}

func (c *Config) complete() error {
	if len(c.URLs) == 0 || len(c.URLs) > 1 && c.PID > 0 {
		return errors.New("a run needs a URL; and a process can be named only for one")
	}
	c.URLs = slices.Clone(c.URLs)
	for i, raw := range c.URLs {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return errors.New("the server's URL must be like http://127.0.0.1:4000")
		}
		c.URLs[i] = strings.TrimSuffix(raw, "/")
	}
	if c.PerAccount == 0 {
		c.PerAccount = 20
	}
	if c.TextSize == 0 {
		c.TextSize = 100
	}
	if c.Settle == 0 {
		c.Settle = 5 * time.Second
	}
	if c.PerAccount < 1 || c.TextSize < 1 || c.TextSize > MaxTextSize || c.Warmup < 0 || c.Warmup > MaxMessages {
		return errors.New("sockets of an account, size of a text or messages to warm up are out of bounds")
	}
	return nil
}
