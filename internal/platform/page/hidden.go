package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"chatd/internal/platform/errs"
)

// SealHidden is Seal for a position that the viewer must not read: of somebody
// who was looked at and is not shown. The hash of the position is what hides it,
// so that the same position is the same cursor (RFC 5297 has the idea).
func (s *Sealer) SealHidden(scope string, position []byte) string {
	mac := s.mac(scope, position)
	return base64.RawURLEncoding.EncodeToString(append(mac, s.mask(scope, mac, position)...))
}

// OpenHidden returns the position of a cursor that SealHidden has made for the
// same scope, else errs.ErrBadCursor.
func (s *Sealer) OpenHidden(scope, cursor string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < macLen || base64.RawURLEncoding.EncodeToString(b) != cursor {
		return nil, errs.ErrBadCursor
	}
	position := s.mask(scope, b[:macLen], b[macLen:])
	if !hmac.Equal(b[:macLen], s.mac(scope, position)) {
		return nil, errs.ErrBadCursor
	}
	return position, nil
}

// mask hides a text, or shows what is hidden.
func (s *Sealer) mask(scope string, mac, text []byte) []byte {
	out := make([]byte, 0, len(text))
	for n := uint32(0); len(out) < len(text); n++ {
		h := hmac.New(sha256.New, s.key)
		h.Write([]byte("hidden "))
		h.Write(binary.BigEndian.AppendUint32(mac[:macLen:macLen], n))
		h.Write([]byte(scope))
		for _, b := range h.Sum(nil)[:min(sha256.Size, len(text)-len(out))] {
			out = append(out, b^text[len(out)])
		}
	}
	return out
}
