package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strings"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
)

const (
	personalPrefix = "chatd_pat_" // so that scanners for leaked secrets know it
	personalSecret = 24
	personalTag    = 8
	personalBody   = 16 + personalSecret + personalTag
	personalLen    = personalBody + crc32.Size
)

// personalKeys make and check the texts of personal tokens: id, secret, a tag
// by a key of the server, so that an invented token costs no read, and a
// checksum (CRC-32, IEEE) that anybody can check, so that scanners tell a
// token from what looks like one, and a mistyped one is told as such.
type personalKeys struct{ tag, hash []byte }

func newPersonalKeys(r *keys.Ring) personalKeys {
	return personalKeys{tag: r.Derive("auth/personal/tag"), hash: r.Derive("auth/personal/hash")}
}

// isPersonal says whether a text is meant to be a personal token.
func isPersonal(text string) bool { return strings.HasPrefix(text, personalPrefix) }

// make returns the text of a new token and what the store keeps of it.
func (k personalKeys) make(id ids.PersonalToken) (text string, hash []byte) {
	b := append(id.Bytes(), keys.Random(personalSecret)...)
	b = append(b, k.mac(k.tag, b)[:personalTag]...)
	hash = k.mac(k.hash, b)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return personalPrefix + base64.RawURLEncoding.EncodeToString(b), hash
}

// parse opens the text of a token that this server made. ErrMistypedToken
// when it is no token's at all, ErrBadToken when not one of this server's.
func (k personalKeys) parse(text string) (id ids.PersonalToken, hash []byte, err error) {
	enc := base64.RawURLEncoding.Strict()
	text = strings.TrimPrefix(text, personalPrefix)
	if len(text) != enc.EncodedLen(personalLen) {
		return id, nil, ErrMistypedToken
	}
	b, err := enc.DecodeString(text)
	if err != nil || len(b) != personalLen || crc32.ChecksumIEEE(b[:personalBody]) != binary.BigEndian.Uint32(b[personalBody:]) {
		return id, nil, ErrMistypedToken
	}
	body, signed := b[:personalBody], b[:personalBody-personalTag]
	if !hmac.Equal(b[len(signed):personalBody], k.mac(k.tag, signed)[:personalTag]) {
		return id, nil, ErrBadToken
	}
	if id, err = ids.FromBytes[ids.PersonalToken](b[:16]); err != nil {
		return id, nil, ErrBadToken
	}
	return id, k.mac(k.hash, body), nil
}

func (personalKeys) mac(key, b []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(b)
	return h.Sum(nil)
}
