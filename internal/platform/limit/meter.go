package limit

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Budget is a rate with the name that it is set, counted and told under.
type Budget struct {
	Name string
	Rate
}

// ID says whose budget it is: the bytes of an identifier or of a network. It
// is the same on all nodes.
type ID [16]byte

// Due is what somebody has taken that has not been told to other nodes.
type Due struct {
	Budget
	ID    ID
	Taken int
}

const (
	// parts is into how many a budget is divided for others: a node tells of
	// what was taken when it is one of them, so nobody is told of those who
	// take little.
	parts = 16
	// mostDue is how many may wait to be told in a shard; what is beyond is
	// counted here alone.
	mostDue = 1024
)

// MeterConfig of a Meter. The zero MeterConfig is the default.
type MeterConfig struct {
	// MaxKeys is as in Config.
	MaxKeys int
	// Shared keeps what others must be told of, for TakeDue.
	Shared bool
	// Refused is told of each refusal, by the budget's name; nil for nobody.
	// It must not block.
	Refused func(name string)
}

// Meter counts what is asked for all the time, as requests and messages are:
// a Take waits for nobody and, for who has taken before, allocates nothing.
// It is exact in this process. Where there are others, what they took is
// learned afterwards (Learn): each node may give a budget before it hears of
// the others', and all of it is paid back, so that the rate is right in the
// long run. Its methods may be called at once by any number of goroutines. A
// nil Meter counts nothing.
type Meter struct {
	cfg    MeterConfig
	began  time.Time
	seed   maphash.Seed
	shards [shards]meterShard
	due    chan struct{} // somebody is to be told of
}

type meterShard struct {
	mu       sync.Mutex
	accounts *simplelru.LRU[meterKey, account]
	due      []meterKey
}

type meterKey struct {
	name string
	id   ID
}

// account is what is known of one budget. Times are since the meter's begin.
type account struct {
	rate  Rate
	whole time.Duration // when it is whole again
	taken int           // and not told
}

// NewMeter makes a meter with whole budgets.
func NewMeter(cfg MeterConfig) *Meter {
	if cfg.MaxKeys <= 0 {
		cfg.MaxKeys = 65_536
	}
	m := &Meter{cfg: cfg, began: time.Now(), seed: maphash.MakeSeed(), due: make(chan struct{}, 1)}
	for i := range m.shards {
		// An error is for a size below one only.
		m.shards[i].accounts, _ = simplelru.NewLRU[meterKey, account](max(cfg.MaxKeys/shards, 1), nil)
	}
	return m
}

func (m *Meter) shard(id ID) *meterShard {
	return &m.shards[maphash.Bytes(m.seed, id[:])%shards]
}

// Take takes one from id's budget. When there is none left it takes nothing,
// and retryAfter is how long it is until the next.
func (m *Meter) Take(b Budget, id ID) (retryAfter time.Duration, ok bool) {
	if m == nil || b.Unlimited() {
		return 0, true
	}
	key := meterKey{b.Name, id}
	s := m.shard(id)
	now := time.Since(m.began)
	s.mu.Lock()
	a, _ := s.accounts.Get(key)
	if a.whole <= now {
		a.whole, a.taken = now, 0
	}
	if over := a.whole + b.Per - now - time.Duration(b.Burst)*b.Per; over > 0 {
		s.mu.Unlock()
		if m.cfg.Refused != nil {
			m.cfg.Refused(b.Name)
		}
		return over, false
	}
	a.whole += b.Per
	a.rate = b.Rate
	a.taken++
	tell := m.cfg.Shared && a.taken%max(b.Burst/parts, 1) == 0 && len(s.due) < mostDue
	if tell {
		s.due = append(s.due, key)
	}
	s.accounts.Add(key, a)
	s.mu.Unlock()
	if tell {
		select {
		case m.due <- struct{}{}:
		default: // it is known already
		}
	}
	return 0, true
}

// Due tells that TakeDue has something.
func (m *Meter) Due() <-chan struct{} { return m.due }

// TakeDue returns what others are to be told of, once.
func (m *Meter) TakeDue() []Due {
	var all []Due
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		for _, key := range s.due {
			// What was used longest ago may be forgotten, and what came back
			// meanwhile is nobody's concern.
			if a, ok := s.accounts.Peek(key); ok && a.taken > 0 {
				all = append(all, Due{Budget{key.name, a.rate}, key.id, a.taken})
				a.taken = 0
				s.accounts.Add(key, a)
			}
		}
		s.due = s.due[:0]
		s.mu.Unlock()
	}
	return all
}

// Learn says how long it is until the budget is whole to which all nodes add.
// What this one has given itself stays given.
func (m *Meter) Learn(b Budget, id ID, untilWhole time.Duration) {
	key := meterKey{b.Name, id}
	s := m.shard(id)
	whole := time.Since(m.began) + untilWhole
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.accounts.Peek(key); ok && whole > a.whole {
		a.whole = whole
		s.accounts.Add(key, a)
	}
}
