package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
)

const (
	refreshPrefix = "chatd_rt_" // so that scanners for leaked secrets know it
	refreshSecret = 32
	refreshTag    = 16
	refreshLen    = 16 + 4 + refreshSecret + refreshTag
)

// refreshToken is an opened refresh token: which session, the how manieth of
// it, and a secret. The text also has a tag by a key of the server, so that
// an invented token costs no read, and an old one, of which the store keeps
// nothing, is still known to have been real.
type refreshToken struct {
	session    ids.Session
	generation uint32
	secret     [refreshSecret]byte
}

// refreshKeys make and check refresh tokens.
type refreshKeys struct{ tag, child []byte }

func newRefreshKeys(r *keys.Ring) refreshKeys {
	return refreshKeys{tag: r.Derive("auth/refresh/tag"), child: r.Derive("auth/refresh/child")}
}

// first makes the token of a new session.
func (refreshKeys) first(session ids.Session) refreshToken {
	return refreshToken{session: session, secret: [refreshSecret]byte(keys.Random(refreshSecret))}
}

// next derives the one child of t: whoever presents t again gets the same, and
// nothing that is stored could make it.
func (k refreshKeys) next(t refreshToken) refreshToken {
	h := hmac.New(sha256.New, k.child)
	h.Write(t.bytes())
	return refreshToken{
		session: t.session, generation: t.generation + 1, secret: [refreshSecret]byte(h.Sum(nil)),
	}
}

func (t refreshToken) bytes() []byte {
	b := make([]byte, 0, refreshLen)
	b = append(b, t.session.Bytes()...)
	b = binary.BigEndian.AppendUint32(b, t.generation)
	return append(b, t.secret[:]...)
}

// hash is what the store keeps of t. The secret has 256 bits, so it needs no
// salt and no slow hash.
func (t refreshToken) hash() []byte {
	sum := sha256.Sum256(t.bytes())
	return sum[:]
}

func (k refreshKeys) text(t refreshToken) string {
	b := t.bytes()
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(append(b, k.mac(b)...))
}

func (k refreshKeys) mac(b []byte) []byte {
	h := hmac.New(sha256.New, k.tag)
	h.Write(b)
	return h.Sum(nil)[:refreshTag]
}

// parse opens the text of a token that this server made; false for others.
func (k refreshKeys) parse(text string) (refreshToken, bool) {
	enc := base64.RawURLEncoding.Strict()
	text, ok := strings.CutPrefix(text, refreshPrefix)
	if !ok || len(text) != enc.EncodedLen(refreshLen) {
		return refreshToken{}, false
	}
	b, err := enc.DecodeString(text)
	if err != nil || len(b) != refreshLen {
		return refreshToken{}, false
	}
	body, tag := b[:refreshLen-refreshTag], b[refreshLen-refreshTag:]
	if !hmac.Equal(tag, k.mac(body)) {
		return refreshToken{}, false
	}
	session, err := ids.FromBytes[ids.Session](body[:16])
	if err != nil {
		return refreshToken{}, false
	}
	return refreshToken{
		session: session, generation: binary.BigEndian.Uint32(body[16:]), secret: [refreshSecret]byte(body[20:]),
	}, true
}

// standing is what a real token is to its session.
type standing uint8

const (
	unknown  standing = iota // not of this history, as after a restored backup
	unused                   // the current one
	repeated                 // the direct parent again, in time: the answer was lost
	reused                   // used before
)

// standingOf decides over a presented token. The current token is unused by
// being the current one, so a repeated parent never makes a branch.
func standingOf(t refreshToken, r Refresh, now time.Time, grace time.Duration) standing {
	hash := t.hash()
	switch {
	case t.generation == r.Generation:
		if bytes.Equal(hash, r.Current) {
			return unused
		}
		return unknown
	case t.generation > r.Generation:
		return unknown
	case bytes.Equal(hash, r.Parent) && now.Sub(r.RotatedAt) <= grace:
		return repeated
	}
	return reused
}
