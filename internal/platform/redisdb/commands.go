package redisdb

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Script is a Lua script that answers with a whole number. It runs on the
// server as one step.
type Script struct{ lua *redis.Script }

// NewScript makes a script. Nothing is sent before it is run; a server that
// has forgotten it is sent it again.
func NewScript(text string) *Script { return &Script{redis.NewScript(-1, text)} }

// run runs a script on a connection.
func (s *Script) run(c redis.Conn, keys, args []string) (any, error) {
	all := make([]any, 0, 1+len(keys)+len(args))
	all = append(all, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	for _, arg := range args {
		all = append(all, arg)
	}
	return s.lua.Do(c, all...)
}

// Eval runs a script with keys, which are names as Name makes them, and
// arguments. ErrAway, or the server's own error; then the script may have run
// all the same.
func (d *DB) Eval(ctx context.Context, s *Script, keys, args []string) (int64, error) {
	var answer int64
	err := d.call(ctx, func(c redis.Conn) (err error) {
		answer, err = redis.Int64(s.run(c, keys, args))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("run a script: %w", err)
	}
	return answer, nil
}

// Texts is Eval for a script that answers with a list of texts.
func (d *DB) Texts(ctx context.Context, s *Script, keys, args []string) ([]string, error) {
	var answer []string
	err := d.call(ctx, func(c redis.Conn) (err error) {
		answer, err = redis.Strings(s.run(c, keys, args))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("run a script: %w", err)
	}
	return answer, nil
}

// Values returns what stands under keys, which are names as Name makes them,
// in one exchange: nil where nothing does, or something else than a text.
// ErrAway, or the server's own error.
func (d *DB) Values(ctx context.Context, keys []string) ([][]byte, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	names := make([]any, len(keys))
	for i, key := range keys {
		names[i] = key
	}
	var found [][]byte
	err := d.call(ctx, func(c redis.Conn) (err error) {
		found, err = redis.ByteSlices(c.Do("MGET", names...))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read values: %w", err)
	}
	values := make([][]byte, len(keys))
	copy(values, found)
	return values, nil
}

// Publish sends a message to all who are subscribed to a channel, a name as
// Name makes it, at this moment. ErrAway, or the server's own error.
func (d *DB) Publish(ctx context.Context, channel, message string) error {
	err := d.call(ctx, func(c redis.Conn) error {
		_, err := c.Do("PUBLISH", channel, message)
		return err
	})
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	d.metrics.sent.Inc()
	return nil
}

// Subscribe calls hear with every message of a channel until ctx ends, and
// returns ctx's error. It subscribes again whenever the connection is lost;
// what is sent meanwhile is not heard. hear is called by one goroutine, and
// must not block: all messages wait behind it.
func (d *DB) Subscribe(ctx context.Context, channel string, hear func(message string)) error {
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
		// Why it ended, the probe finds out and tells.
		_ = d.receive(ctx, channel, hear)
		if d.closed.Load() {
			<-ctx.Done()
			return ctx.Err()
		}
		again.Reset(d.cfg.ProbeEvery)
	}
}

// receive is Subscribe on one connection, as long as that lasts.
func (d *DB) receive(ctx context.Context, channel string, hear func(message string)) error {
	c, err := d.dial(ctx)
	if err != nil {
		return err
	}
	on := redis.PubSubConn{Conn: c}
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	var pinging sync.WaitGroup
	defer pinging.Wait()
	defer func() { cancel(); _ = c.Close() }()
	if err := on.Subscribe(channel); err != nil {
		return err
	}
	pinging.Go(func() {
		tick := time.NewTicker(pingEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if on.Ping("") != nil {
				return // whoever receives has the error too
			}
		}
	})
	for {
		switch m := on.ReceiveWithTimeout(pingEvery + d.cfg.ConnectTimeout).(type) {
		case redis.Message:
			d.metrics.heard.Inc()
			hear(string(m.Data))
		case error:
			return m
		}
	}
}

// probing does what users do: it runs a script, reads the clock and writes.
func probing() *Script {
	return NewScript(`redis.call('SET', KEYS[1], redis.call('TIME')[1], 'EX', 60) return 1`)
}

// looking is probing without the write.
func looking() *Script {
	return NewScript(`redis.call('TIME') redis.call('EXISTS', KEYS[1]) return 1`)
}

// probe asks whether Redis can work.
func (d *DB) probe(ctx context.Context) error {
	return d.bounded(ctx, func(c redis.Conn) error {
		_, err := d.probing.run(c, []string{d.Name("probe")}, nil)
		return err
	})
}
