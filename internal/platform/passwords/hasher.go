package passwords

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"chatd/internal/platform/keys"
)

// Params are what a hash costs (argon2id, RFC 9106). The zero
// value is OWASP's 19 MiB, 2 passes, 1 lane.
type Params struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

const (
	saltLen = 16
	hashLen = 32
)

var errBadHash = errors.New("a stored password hash is not argon2id's")

// Hasher makes and checks password hashes, a bounded number at a time.
type Hasher struct {
	params  Params
	slots   chan struct{}
	waiting atomic.Int64
	maxWait int64
	dummy   string       // what the password of an account that is not there is checked against
	runs    atomic.Int64 // hashes computed; tests compare them
}

// NewHasher makes a Hasher that computes slots hashes at once (half of the
// processors when 0), while queue callers wait (256 when 0).
func NewHasher(p Params, slots, queue int) *Hasher {
	if p == (Params{}) {
		p = Params{MemoryKiB: 19 * 1024, Passes: 2, Lanes: 1}
	}
	if slots <= 0 {
		slots = max(runtime.GOMAXPROCS(0)/2, 1)
	}
	if queue <= 0 {
		queue = 256
	}
	h := &Hasher{params: p, slots: make(chan struct{}, slots), maxWait: int64(queue)}
	h.dummy = encode(p, keys.Random(saltLen), keys.Random(hashLen))
	return h
}

// Runs is how many hashes were computed: two ways that must look alike cost
// the same number.
func (h *Hasher) Runs() int64 { return h.runs.Load() }

// run computes one hash when a slot is free. ErrBusy when too many wait
// already; ctx's error when it ends before.
func (h *Hasher) run(ctx context.Context, p Params, password string, salt []byte) ([]byte, error) {
	if h.waiting.Add(1) > h.maxWait+int64(cap(h.slots)) {
		h.waiting.Add(-1)
		return nil, ErrBusy
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a hash: %w", ctx.Err())
	}
	defer func() { <-h.slots }()
	h.runs.Add(1)
	return argon2.IDKey([]byte(password), salt, p.Passes, p.MemoryKiB, p.Lanes, hashLen), nil
}

// Hash returns the stored form of password, a PHC string. ErrBusy.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := keys.Random(saltLen)
	sum, err := h.run(ctx, h.params, password, salt)
	if err != nil {
		return "", err
	}
	return encode(h.params, salt, sum), nil
}

// Verify says whether stored is the hash of password. An empty stored one
// costs the same and is never right. ErrBusy.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (bool, error) {
	against := stored
	if stored == "" {
		against = h.dummy
	}
	p, salt, want, err := decode(against)
	if err != nil {
		return false, err
	}
	got, err := h.run(ctx, p, password, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && stored != "", nil
}

// Outdated says whether stored costs less than what is asked for now.
func (h *Hasher) Outdated(stored string) bool {
	p, _, _, err := decode(stored)
	return err == nil && (p.MemoryKiB < h.params.MemoryKiB || p.Passes < h.params.Passes)
}

func encode(p Params, salt, sum []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.MemoryKiB, p.Passes, p.Lanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}

func decode(s string) (p Params, salt, sum []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, errBadHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Passes, &p.Lanes); err != nil {
		return p, nil, nil, errBadHash
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(err1, err2); err != nil || len(sum) != hashLen || p.Passes == 0 || p.Lanes == 0 {
		return p, nil, nil, errBadHash
	}
	return p, salt, sum, nil
}
