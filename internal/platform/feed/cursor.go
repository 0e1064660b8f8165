package feed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"time"

	"chatd/internal/platform/ids"
)

// GoodFor is how long a cursor can be resumed from.
const GoodFor = 30 * 24 * time.Hour

// What can be wrong with a cursor.
var (
	errCursorUnknown = errors.New("cursor is forged, another viewer's or of other data")
	errCursorExpired = errors.New("cursor is too old")
)

// Codec seals the positions of a viewer's stream into an opaque cursor: nobody
// else can read, make or use it. It is safe for concurrent use.
type Codec struct {
	aead   cipher.AEAD
	nonces sync.Pool // of hash.Hash, keyed for the synthetic nonces: keying costs as much as hashing
	now    func() time.Time
}

// NewCodec makes a Codec from a secret of at least 32 bytes that is the same
// on every node.
func NewCodec(secret []byte, now func() time.Time) (*Codec, error) {
	keys, err := hkdf.Key(sha256.New, secret, nil, "chatd feed cursor", 64)
	if err != nil {
		return nil, fmt.Errorf("derive the cursor keys: %w", err)
	}
	block, err := aes.NewCipher(keys[:32])
	if err != nil {
		return nil, fmt.Errorf("cursor cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("cursor cipher: %w", err)
	}
	if now == nil {
		now = time.Now
	}
	keyed := func() any { return hmac.New(sha256.New, keys[32:]) }
	return &Codec{aead: aead, nonces: sync.Pool{New: keyed}, now: now}, nil
}

// Garbled is a cursor that resumes nothing: what stands for one that was given
// and is empty.
const Garbled = "."

const (
	cursorVersion = 1
	nonceLen      = 12
	maxCursorLen  = 512
)

// cursor is what a Codec seals.
type cursor struct {
	epoch     uint64 // of all sources' data
	positions []int64
}

// seal makes the cursor text. The nonce is a keyed hash of all that is
// sealed, so the same position always has the same cursor and a nonce never
// serves two texts (the synthetic IV of RFC 5297, section 1.3.2).
func (c *Codec) seal(viewer ids.User, cur cursor) string {
	plain := make([]byte, 0, 64)
	plain = append(plain, cursorVersion)
	plain = binary.BigEndian.AppendUint32(plain, uint32(c.now().Unix()/3600)) //nolint:gosec // Hours fit for ages.
	plain = binary.BigEndian.AppendUint64(plain, cur.epoch)
	for _, p := range cur.positions {
		plain = binary.AppendUvarint(plain, uint64(p)) //nolint:gosec // Positions are not negative.
	}
	who := viewer.Bytes()
	h, _ := c.nonces.Get().(hash.Hash)
	h.Write(who)
	h.Write(plain)
	out := h.Sum(make([]byte, 0, 128))[:nonceLen]
	h.Reset()
	c.nonces.Put(h)
	out = c.aead.Seal(out, out, plain, who)
	return base64.RawURLEncoding.EncodeToString(out)
}

// open reads a cursor that was sealed for the viewer.
func (c *Codec) open(viewer ids.User, text string, sources int) (cursor, error) {
	if len(text) > maxCursorLen {
		return cursor{}, errCursorUnknown
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sealed) < nonceLen || strings.ContainsAny(text, "\r\n") { // which the decoder passes over
		return cursor{}, errCursorUnknown
	}
	plain, err := c.aead.Open(nil, sealed[:nonceLen], sealed[nonceLen:], viewer.Bytes())
	if err != nil || len(plain) < 13 || plain[0] != cursorVersion {
		return cursor{}, errCursorUnknown
	}
	made := time.Unix(int64(binary.BigEndian.Uint32(plain[1:]))*3600, 0)
	if c.now().Sub(made) > GoodFor+time.Hour {
		return cursor{}, errCursorExpired
	}
	cur := cursor{epoch: binary.BigEndian.Uint64(plain[5:]), positions: make([]int64, sources)}
	rest := plain[13:]
	for i := 0; i < sources && len(rest) > 0; i++ { // A source that came later starts at 0.
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return cursor{}, errCursorUnknown
		}
		cur.positions[i], rest = int64(v), rest[n:] //nolint:gosec // It was sealed from an int64.
	}
	return cur, nil
}
