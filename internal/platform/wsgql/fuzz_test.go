package wsgql_test

import (
	"testing"
	"time"

	"chatd/internal/platform/wsgql"
	"chatd/internal/platform/wsgql/wsclient"
)

// FuzzMessages sends a text message of any content to an initialised socket.
// The server must answer a ping afterwards, or have closed the socket.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		`{"type":"connection_init"}`, `{"type":"ping"}`, `{"type":"pong","payload":null}`, `{"id":"1","type":"complete"}`,
		`{"id":"1","type":"subscribe","payload":{"query":"{ok}"}}`, `{"id":"1","type":"subscribe","payload":{"query":"sub a after 3","variables":{"a":1e400}}}`,
		`{"id":"1","type":"subscribe","payload":{"query":"{big 10}","operationName":null,"extensions":{"a":[{}]}}}`,
		`{"ID":"\ud800","TYPE":"ping","payload":{"\u0000":-0}}`, `[[[[`, `null`, ``, "\xff", `{"type":"subscribe","id":{"a":1}}`,
	} {
		f.Add([]byte(seed))
	}
	r := setup(f, wsgql.Config{Unlimited: true})
	f.Fuzz(func(t *testing.T, message []byte) {
		s, err := wsclient.Open(t.Context(), r.url, wsclient.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		_ = s.NetConn().SetDeadline(time.Now().Add(20 * time.Second))
		out := wsclient.AppendFrame(nil, wsclient.OpText, []byte(initMessage))
		out = wsclient.AppendFrame(out, wsclient.OpText, message)
		_ = s.WriteRaw(wsclient.AppendFrame(out, wsclient.OpText, []byte(`{"type":"ping","payload":{"fence":1}}`)))
		endsOrAnswers(t, s)
	})
}

// FuzzFrames sends any bytes behind the handshake, and then a ping.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{
		"\x81\x80\x00\x00\x00\x00", "\x81\x82\x01\x02\x03\x04zz", "\x01\x81\x00\x00\x00\x00{\x80\x81\x00\x00\x00\x00}",
		"\x89\x80\x00\x00\x00\x00", "\x88\x82\x00\x00\x00\x00\x03\xe8", "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", "\xff", "\x81\x02{}",
	} {
		f.Add([]byte(seed))
	}
	r := setup(f, wsgql.Config{Unlimited: true})
	f.Fuzz(func(t *testing.T, frames []byte) {
		s, err := wsclient.Open(t.Context(), r.url, wsclient.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		_ = s.NetConn().SetDeadline(time.Now().Add(20 * time.Second))
		_ = s.WriteRaw(wsclient.AppendFrame(frames, wsclient.OpText, []byte(`{"type":"ping","payload":{"fence":1}}`)))
		if c, ok := s.NetConn().(interface{ CloseWrite() error }); ok {
			_ = c.CloseWrite() // the fence may have become part of a longer frame
		}
		endsOrAnswers(t, s)
	})
}

func endsOrAnswers(t *testing.T, s *wsclient.Socket) {
	t.Helper()
	for {
		p, err := s.ReadMessage()
		if ne, ok := err.(interface{ Timeout() bool }); ok && ne.Timeout() {
			t.Fatal("neither an answer nor the end")
		}
		if err != nil || string(p) == `{"type":"pong","payload":{"fence":1}}` {
			return
		}
	}
}
