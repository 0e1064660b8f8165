package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net/url"
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
	URL        string        // of the server, as http://127.0.0.1:4000
	PID        int           // of the server; 0 finds a local one by its port
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
	proc, err := findServer(cfg.URL, cfg.PID)
	if err != nil && cfg.PID > 0 {
		return nil, fmt.Errorf("process %d: %w", cfg.PID, err)
	} else if err != nil {
		p.say("CPU and memory of the server are not measured: " + err.Error())
	}
	if err := p.setUp(ctx, proc); err != nil {
		return nil, err
	}
	p.measure(ctx, proc, report)
	p.close()
	p.judge(report)
	return report, nil
}

func (c *Config) complete() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("the server's URL must be like http://127.0.0.1:4000")
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
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
