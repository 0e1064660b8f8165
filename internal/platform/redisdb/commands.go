package redisdb

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/rueidis"
)

// Script is a Lua script that answers with a whole number. It runs on the
// server as one step.
type Script struct{ lua *rueidis.Lua }

// NewScript makes a script. Nothing is sent before it is run; a server that
// has forgotten it is sent it again.
func NewScript(text string) *Script { return &Script{rueidis.NewLuaScript(text)} }

// Eval runs a script with keys, which are names as Name makes them, and
// arguments. ErrAway, or the server's own error; then the script may have run
// all the same.
func (d *DB) Eval(ctx context.Context, s *Script, keys, args []string) (int64, error) {
	var answer int64
	err := d.call(ctx, func(ctx context.Context) (err error) {
		answer, err = s.lua.Exec(ctx, d.client, keys, args).AsInt64()
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
	err := d.call(ctx, func(ctx context.Context) (err error) {
		answer, err = s.lua.Exec(ctx, d.client, keys, args).AsStrSlice()
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
	var found []rueidis.RedisMessage
	err := d.call(ctx, func(ctx context.Context) (err error) {
		found, err = d.client.Do(ctx, d.client.B().Mget().Key(keys...).Build()).ToArray()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read values: %w", err)
	}
	values := make([][]byte, len(keys))
	for i := range min(len(found), len(keys)) {
		if b, err := found[i].AsBytes(); err == nil {
			values[i] = b
		}
	}
	return values, nil
}

// Publish sends a message to all who are subscribed to a channel, a name as
// Name makes it, at this moment. ErrAway, or the server's own error.
func (d *DB) Publish(ctx context.Context, channel, message string) error {
	err := d.call(ctx, func(ctx context.Context) error {
		return d.client.Do(ctx, d.client.B().Publish().Channel(channel).Message(message).Build()).Error()
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
// must not block: all calls wait behind it.
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
		_ = d.client.Receive(ctx, d.client.B().Subscribe().Channel(channel).Build(), func(m rueidis.PubSubMessage) {
			d.metrics.heard.Inc()
			hear(m.Message)
		})
		if d.closed.Load() {
			<-ctx.Done()
			return ctx.Err()
		}
		again.Reset(d.cfg.ProbeEvery)
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
	return d.bounded(ctx, func(ctx context.Context) error {
		return d.probing.lua.Exec(ctx, d.client, []string{d.Name("probe")}, nil).Error()
	})
}
