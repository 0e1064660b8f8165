package redislimit

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/limit"
	"chatd/internal/platform/redisdb"
)

// Deps is what a Limiter needs.
type Deps struct {
	Redis   *redisdb.DB
	Log     zerolog.Logger
	Metrics prometheus.Registerer // may be nil
}

// Limiter is a limit.Checker that all nodes with the same Redis and prefix
// share.
type Limiter struct {
	deps   Deps
	own    *limit.Local
	script *redisdb.Script
	alone  atomic.Bool // the last count was made without Redis

	shared, fallback prometheus.Counter
}

var _ limit.Checker = (*Limiter)(nil)

// New makes a limiter. cfg is for the process's own budgets, which are whole
// at first.
func New(deps Deps, cfg limit.Config) *Limiter {
	by := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatd_limit_counts_total", Help: "Questions of limits that were answered, by who counted: redis for all nodes, process for this one alone.",
	}, []string{"by"})
	if deps.Metrics != nil {
		deps.Metrics.MustRegister(by)
	}
	return &Limiter{
		deps: deps, own: limit.NewLocal(cfg), script: redisdb.NewScript(gcra),
		shared: by.WithLabelValues("redis"), fallback: by.WithLabelValues("process"),
	}
}

// gcra is limit.Local's algorithm on the server's clock, in microseconds. It
// takes the key, then Per, Burst and whether to take one, and returns how long
// it is until the next, 0 when it passes. A time beyond a whole budget comes
// from a clock that has gone back, or from a bigger rate before: it is cut to
// what this rate can owe, else it would have to be waited for.
const gcra = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local per = tonumber(ARGV[1])
local all = per * tonumber(ARGV[2])
local whole = tonumber(redis.call('GET', KEYS[1]) or now) or now
local after = 0
local cut = whole > now + all
if cut then whole = now + all end
if whole < now then whole = now end
if whole + per > now + all then
	after = whole + per - now - all
else
	whole = whole + per
end
if ARGV[3] == '1' and (after == 0 or cut) then
	redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', string.format('%.0f', math.ceil((whole - now) / 1000)))
end
return after`

// Allow takes one from key's budget, on this node and on all together. It
// takes as long as a call of redisdb at most, also when the caller has gone:
// who leaves before the answer pays all the same. retryAfter may be too long
// by as much.
func (l *Limiter) Allow(ctx context.Context, key string, r limit.Rate) (time.Duration, bool) {
	if r.Unlimited() {
		return 0, true
	}
	if after, ok := l.own.Allow(ctx, key, r); !ok {
		return l.late(after, r), false
	}
	after := l.ask(ctx, key, r, "1")
	if after > 0 {
		l.own.Refund(key, r)
	}
	return after, after == 0
}

// Check answers what Allow would.
func (l *Limiter) Check(ctx context.Context, key string, r limit.Rate) (time.Duration, bool) {
	if r.Unlimited() {
		return 0, true
	}
	if after, ok := l.own.Check(ctx, key, r); !ok {
		return l.late(after, r), false
	}
	after := l.ask(ctx, key, r, "0")
	return after, after == 0
}

// late is when Redis too will let somebody pass whom this process refuses
// without asking it: it has counted him up to a call's time later, but never
// has anybody wait for more than Per.
func (l *Limiter) late(after time.Duration, r limit.Rate) time.Duration {
	if l.alone.Load() {
		return after
	}
	return max(after, min(after+l.deps.Redis.Timeout(), r.Per))
}

// ask returns what Redis says, and 0 when it is away: the process's own
// limiter has said yes already.
func (l *Limiter) ask(ctx context.Context, key string, r limit.Rate, take string) time.Duration {
	const unit = time.Microsecond
	per := max(int64((r.Per+unit-1)/unit), 1)
	after, err := l.deps.Redis.Eval(context.WithoutCancel(ctx), l.script,
		[]string{l.deps.Redis.Name("limit:" + key)},
		[]string{strconv.FormatInt(per, 10), strconv.Itoa(r.Burst), take},
	)
	if err != nil {
		l.fallback.Inc()
		if !l.alone.Swap(true) {
			l.deps.Log.Warn().Err(err).Msg("limits are counted by this process alone, at the same rates, until redis is back")
		}
		return 0
	}
	l.shared.Inc()
	if l.alone.Load() && l.alone.Swap(false) {
		l.deps.Log.Info().Msg("limits are counted for all nodes together again")
	}
	return time.Duration(after) * unit
}
