package limit

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const shards = 16

// Config of a Local. The zero Config is the default.
type Config struct {
	// MaxKeys is about how many keys are remembered, 65,536 when zero. Beyond
	// it the key that was used longest ago is forgotten, and so has its whole
	// budget again.
	MaxKeys int
}

// Local is a Limiter in this process. It keeps one time per key, after the
// generic cell rate algorithm (ITU-T I.371, annex A): the time at which the
// budget will be whole again.
type Local struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu   sync.Mutex
	full *simplelru.LRU[string, time.Time]
}

var _ Checker = (*Local)(nil)

// NewLocal makes a limiter with whole budgets.
func NewLocal(cfg Config) *Local {
	if cfg.MaxKeys <= 0 {
		cfg.MaxKeys = 65_536
	}
	l := &Local{seed: maphash.MakeSeed()}
	for i := range l.shards {
		// An error is for a size below one only.
		l.shards[i].full, _ = simplelru.NewLRU[string, time.Time](max(cfg.MaxKeys/shards, 1), nil)
	}
	return l
}

// Allow takes one from key's budget.
func (l *Local) Allow(_ context.Context, key string, r Rate) (time.Duration, bool) {
	return l.ask(key, r, true)
}

// Check answers what Allow would.
func (l *Local) Check(_ context.Context, key string, r Rate) (time.Duration, bool) {
	return l.ask(key, r, false)
}

// Refund gives back one that Allow has taken at the same rate.
func (l *Local) Refund(key string, r Rate) {
	if r.Unlimited() {
		return
	}
	s := &l.shards[maphash.String(l.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if whole, ok := s.full.Peek(key); ok {
		s.full.Add(key, whole.Add(-r.Per))
	}
}

func (l *Local) ask(key string, r Rate, take bool) (time.Duration, bool) {
	if r.Unlimited() {
		return 0, true
	}
	s := &l.shards[maphash.String(l.seed, key)%shards]
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	whole, _ := s.full.Get(key)
	if whole.Before(now) {
		whole = now
	}
	next := whole.Add(r.Per)
	if over := next.Sub(now) - time.Duration(r.Burst)*r.Per; over > 0 {
		return over, false
	}
	if take {
		s.full.Add(key, next)
	}
	return 0, true
}
