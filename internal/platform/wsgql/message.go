package wsgql

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/limit"
)

var (
	errNotText = errors.New("message is not text")
	errNotUTF8 = errors.New("message is not UTF-8")
)

// maxID is the longest operation id: the server repeats it with every event.
const maxID = 256

// message is one message of a client.
type message struct {
	ID      *string        `json:"id"`
	Type    *string        `json:"type"`
	Payload jsontext.Value `json:"payload"`
}

// hasObject says whether the payload is a JSON object.
func (m *message) hasObject() bool { return len(m.Payload) > 0 && m.Payload[0] == '{' }

// objectOrNone says whether the payload is an object or not there.
func (m *message) objectOrNone() bool {
	return m.hasObject() || len(m.Payload) == 0 || string(m.Payload) == "null"
}

// messageOf decodes a client's message; false if it is none.
func messageOf(p []byte) (m message, ok bool) {
	if err := json.Unmarshal(p, &m); err != nil || m.Type == nil {
		return message{}, false
	}
	return m, true
}

// requestOf decodes the payload of subscribe; false if it is no request. One
// without a document may be a persisted query's.
func requestOf(payload []byte) (gqlx.Request, bool) {
	r, document, err := gqlx.DecodeRequest(payload)
	return r, err == nil && (document || len(r.Extensions) > 0)
}

// buffers are for messages while they are decoded; long ones are not kept.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }} //nolint:gochecknoglobals // A pool is for all sockets.

const keptBuffer = 16 << 10

// receive returns the next message, decoded; a nil message is none that the
// protocol knows. Errors end the connection.
func (s *socket) receive() (*message, error) {
	// The context must not end: coder/websocket would close the connection.
	typ, r, err := s.ws.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	buf, _ := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= keptBuffer {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	if _, err := io.Copy(buf, r); err != nil {
		return nil, err
	}
	s.srv.metrics.count(s.shard, received, 1)
	if typ != websocket.MessageText {
		return nil, errNotText
	}
	if !utf8.Valid(buf.Bytes()) {
		return nil, errNotUTF8
	}
	if m, ok := messageOf(buf.Bytes()); ok {
		return &m, nil // its payload is a copy
	}
	return nil, nil
}

// budget counts one socket's messages (GCRA); it is used by one goroutine at
// a time.
type budget struct {
	rate limit.Rate
	full time.Time // when the budget is full again
}

// take takes one from the budget, or says how long it is until the next.
func (b *budget) take(now time.Time) (retryAfter time.Duration, ok bool) {
	if b.rate.Burst <= 0 || b.rate.Per <= 0 {
		return 0, true
	}
	full := b.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(b.rate.Per)
	if over := full.Sub(now) - time.Duration(b.rate.Burst)*b.rate.Per; over > 0 {
		return over, false
	}
	b.full = full
	return 0, true
}
