package redislimit

import (
	"context"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/limit"
	"chatd/internal/platform/redisdb"
)

const (
	// gather is for how long what is to be told is gathered.
	gather = 5 * time.Millisecond
	// batch is of how many budgets one script is told.
	batch = 200
)

// SettlerDeps is what a Settler needs.
type SettlerDeps struct {
	Redis   *redisdb.DB
	Meter   *limit.Meter // made with Shared
	Log     zerolog.Logger
	Metrics prometheus.Registerer // may be nil
}

// Settler adds what meters count to budgets that all nodes with the same Redis
// and prefix share, behind what is counted: no Take waits for it. It tells of
// a sixteenth of a budget at a time, and hears what the others have taken. So
// somebody who goes from node to node may get a burst of each before they know
// of each other, and pays all of it back. Without Redis each meter counts
// alone, at the same rates.
type Settler struct {
	deps   SettlerDeps
	script *redisdb.Script
	told   prometheus.Counter
}

// NewSettler makes a Settler. Nothing is told before Run.
func NewSettler(deps SettlerDeps) *Settler {
	s := &Settler{deps: deps, script: redisdb.NewScript(owe), told: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chatd_limit_settled_total", Help: "Budgets of requests and messages that this node has settled with Redis, a sixteenth or more at a time.",
	})}
	if deps.Metrics != nil {
		deps.Metrics.MustRegister(s.told)
	}
	return s
}

// owe adds what was taken to each key's budget, as gcra does, but refuses
// nothing: it was given already. It takes the keys, then for each Per in
// microseconds, Burst and how many were taken, and returns for each how long
// it is until the budget is whole. What several nodes gave at once may be more
// than a budget; twice of it is the most that anybody has to wait for.
const owe = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local out = {}
for i, key in ipairs(KEYS) do
	local per = tonumber(ARGV[3*i-2])
	local most = 2 * per * tonumber(ARGV[3*i-1])
	local whole = tonumber(redis.call('GET', key) or now) or now
	if whole < now then whole = now end
	whole = math.min(whole + per * tonumber(ARGV[3*i]), now + most)
	redis.call('SET', key, string.format('%.0f', whole), 'PX', string.format('%.0f', math.ceil((whole - now) / 1000)))
	out[i] = string.format('%.0f', whole - now)
end
return out`

// Run settles until ctx ends, and returns ctx's error.
func (s *Settler) Run(ctx context.Context) error {
	pause := time.NewTimer(gather)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.deps.Meter.Due():
		}
		pause.Reset(gather)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
		due := s.deps.Meter.TakeDue()
		for len(due) > 0 {
			n := min(len(due), batch)
			s.settle(ctx, due[:n])
			due = due[n:]
		}
	}
}

// settle tells of some and learns what the others took. That Redis is away,
// redisdb tells; what was to be told then is this node's own.
func (s *Settler) settle(ctx context.Context, due []limit.Due) {
	keys, args := make([]string, len(due)), make([]string, 0, 3*len(due))
	for i, d := range due {
		keys[i] = s.deps.Redis.Name("meter:" + d.Name + "/" + hex.EncodeToString(d.ID[:]))
		per := max(int64((d.Per+time.Microsecond-1)/time.Microsecond), 1)
		args = append(args, strconv.FormatInt(per, 10), strconv.Itoa(d.Burst), strconv.Itoa(d.Taken))
	}
	answer, err := s.deps.Redis.Texts(ctx, s.script, keys, args)
	if err != nil || len(answer) != len(due) {
		s.deps.Log.Debug().Err(err).Int("budgets", len(due)).Msg("limits are not settled with the other nodes")
		return
	}
	s.told.Add(float64(len(due)))
	for i, d := range due {
		if us, err := strconv.ParseInt(answer[i], 10, 64); err == nil {
			s.deps.Meter.Learn(d.Budget, d.ID, time.Duration(us)*time.Microsecond)
		}
	}
}
