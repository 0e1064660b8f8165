package links

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/url"
	"strconv"
	"sync"
	"time"

	"chatd/internal/platform/ids"
)

// A link is good for Lasts at most, and its end is a multiple of step: within a
// step a user is given the same address, so that browsers keep what they have.
const (
	Lasts = 5 * time.Minute
	step  = time.Minute
)

const sigBytes = 16

// Signer makes and checks links. It may be used by any number of goroutines.
type Signer struct {
	origin string
	hashes sync.Pool // of hash.Hash under the key
	now    func() time.Time
}

// Config of a Signer; the zero Config is good.
type Config struct {
	Now func() time.Time // time.Now
}

// New returns a Signer of links under an origin, as https://chat.example.org,
// or of relative ones where it is empty. The key has 32 bytes, the same on
// every node.
func New(origin string, key []byte, cfg Config) *Signer {
	s := &Signer{origin: origin, now: cfg.Now}
	if s.now == nil {
		s.now = time.Now
	}
	s.hashes.New = func() any { return hmac.New(sha256.New, key) }
	return s
}

// AppendLink appends a user's link to a path, good for 4 to 5 minutes. The path
// begins with a slash and has no query.
func (s *Signer) AppendLink(dst []byte, user ids.User, path string) []byte {
	end := s.now().Truncate(step).Add(Lasts).Unix()
	sig := s.sign(user, path, end)
	dst = append(append(dst, s.origin...), path...)
	dst = append(append(dst, "?for="...), user.String()...)
	dst = strconv.AppendInt(append(dst, "&until="...), end, 10)
	return base64.RawURLEncoding.AppendEncode(append(dst, "&sig="...), sig[:])
}

func (s *Signer) sign(user ids.User, path string, end int64) (sig [sigBytes]byte) {
	h := s.hashes.Get().(hash.Hash) //nolint:forcetypeassert // There is nothing else in it.
	defer s.hashes.Put(h)
	h.Reset()
	var buf [160]byte
	in := append(buf[:0], user.Bytes()...)              // of one length, as the next
	in = binary.BigEndian.AppendUint64(in, uint64(end)) //nolint:gosec // Bits.
	h.Write(append(in, path...))
	copy(sig[:], h.Sum(buf[:0]))
	return sig
}

// Signed says whether a query claims to be of a link.
func Signed(q url.Values) bool { return q.Has("sig") }

// Check says whose a link to a path is and how long it is good yet: not above
// zero when it is none, or its time is over.
func (s *Signer) Check(path string, q url.Values) (user ids.User, left time.Duration) {
	user, ok := ids.ParseUser(q.Get("for"))
	end, err := strconv.ParseInt(q.Get("until"), 10, 64)
	if !ok || err != nil {
		return ids.User{}, 0
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(q.Get("sig"))
	want := s.sign(user, path, end)
	if err != nil || subtle.ConstantTimeCompare(sig, want[:]) != 1 {
		return ids.User{}, 0
	}
	return user, min(time.Unix(end, 0).Sub(s.now()), Lasts)
}
