package wsgql

import (
	"encoding/binary"
	"encoding/json"
	"unicode/utf8"

	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
)

// Frames of a server are not masked (RFC 6455, section 5.1).
const (
	finText  = 0x81
	finClose = 0x88
	finPing  = 0x89

	opcodeMask  = 0x0f
	opcodeClose = 0x8

	maxHeader      = 10
	maxCloseReason = 123 // section 5.5: 125 bytes with the code
)

var pingFrame = []byte{finPing, 0}

// appendText appends a text frame with the joined parts as payload.
func appendText(dst []byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	dst = appendHeader(dst, n)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

//nolint:gosec // The cases bound n.
func appendHeader(dst []byte, n int) []byte {
	switch {
	case n < 126:
		return append(dst, finText, byte(n))
	case n < 1<<16:
		return append(dst, finText, 126, byte(n>>8), byte(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, finText, 127), uint64(n))
	}
}

// closeFrame makes a close frame; a reason that is too long is cut.
func closeFrame(code int, reason string) []byte {
	for len(reason) > maxCloseReason {
		_, n := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-n]
	}
	f := append(make([]byte, 0, 4+len(reason)), finClose, byte(2+len(reason)), byte(code>>8), byte(code)) //nolint:gosec // Cut above; codes have four digits.
	return append(f, reason...)
}

// messages makes the frames of one operation: its id is encoded once.
type messages struct {
	next string // `{"id":…,"type":"next","payload":`
	id   []byte // as JSON
}

func messagesOf(id string) messages {
	enc, _ := json.Marshal(id) // a string always encodes
	return messages{next: `{"id":` + string(enc) + `,"type":"next","payload":`, id: enc}
}

var (
	errorPart    = []byte(`,"type":"error","payload":`)
	completePart = []byte(`,"type":"complete"}`)
	idPart       = []byte(`{"id":`)
	endPart      = []byte(`}`)
)

func (m *messages) appendNext(dst, payload []byte) []byte {
	dst = appendHeader(dst, len(m.next)+len(payload)+1)
	dst = append(dst, m.next...)
	dst = append(dst, payload...)
	return append(dst, '}')
}

// appendSpliced is appendNext with the subscriber's own values filled in. The
// length is known only afterwards, so the payload is built behind room for the
// longest header and moved up to the real one.
func (m *messages) appendSpliced(dst []byte, by Renderer, r *gqlx.Rendered, local feed.Local) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, maxHeader)...)
	dst = append(dst, m.next...)
	dst = by.Append(dst, r, local)
	dst = append(dst, '}')
	body := dst[start+maxHeader:]
	head := appendHeader(dst[start:start], len(body))
	return dst[:start+len(head)+copy(dst[start+len(head):], body)]
}

func (m *messages) appendError(dst []byte, errs []gqlx.Error) []byte {
	payload, err := json.Marshal(errs)
	if err != nil { // an extension that does not encode
		payload = []byte(`[{"message":"Something went wrong on the server.","extensions":{"code":"INTERNAL"}}]`)
	}
	return appendText(dst, idPart, m.id, errorPart, payload, endPart)
}

func (m *messages) appendComplete(dst []byte) []byte {
	return appendText(dst, idPart, m.id, completePart)
}
