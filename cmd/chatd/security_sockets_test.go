package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// strangeOrigins are pages that have no business with a server at addr.
func strangeOrigins(addr string) []string {
	_, port, _ := net.SplitHostPort(addr)
	return []string{
		"null", "https://evil.example", "http://" + addr + ".evil.example", "http://evil.example/" + addr,
		"http://evil" + addr, "http://sub." + addr, "http://127.0.0.1", "http://127.0.0.1:1" + port, "http://localhost:" + port,
		"http://evil@" + addr, "file://", "chrome-extension://abcdef", "http://" + addr + " http://evil.example", "*",
	}
}

func TestASocketIsOpenedByOnesOwnPagesOnly(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "--allowed-origins", "https://app.example.org")
	open := func(origin string) error {
		s, err := wsclient.Open(t.Context(), p.ws(), wsclient.Options{Header: http.Header{"Origin": {origin}}})
		if err == nil {
			_ = s.Close()
		}
		return err
	}
	for _, origin := range append(strangeOrigins(p.addr), "https://app.example.org.evil.example", "http://app.example.org", "https://app.example.org:8443") {
		if refused, ok := errors.AsType[*wsclient.HandshakeError](open(origin)); !ok || refused.Status != http.StatusForbidden {
			t.Errorf("%s: %v", origin, open(origin))
		}
	}
	for _, origin := range []string{"http://" + p.addr, "https://app.example.org"} {
		if err := open(origin); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

// Sockets that say nothing, from two networks, go when their time is over;
// meanwhile there is room for others, and one network cannot have all of it.
func TestSilentSocketsGoAndLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada := p.register(t, "ada")
	before := p.residentBytes(t)
	opened, refused := 0, 0
	var wg sync.WaitGroup
	for _, from := range []string{"127.0.0.2", "127.0.0.3"} {
		for range 270 {
			begin := time.Now()
			s, err := wsclient.Open(t.Context(), p.ws(), wsclient.Options{Dialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}})
			if failed, ok := errors.AsType[*wsclient.HandshakeError](err); ok && failed.Status == http.StatusTooManyRequests {
				refused++
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			opened++
			wg.Go(func() {
				defer s.Close()
				_ = s.NetConn().SetReadDeadline(begin.Add(15*time.Second + grace))
				if _, err := s.ReadMessage(); closeCode(err) != 4408 {
					t.Errorf("ended with %v", err)
				}
				if took := time.Since(begin); took > 15*time.Second+slack {
					t.Errorf("one went after %v", took)
				}
			})
		}
	}
	if opened < 500 || refused < 20 {
		t.Errorf("%d opened, %d refused", opened, refused)
	}
	if r := askSocket(t, p.dial(t, ada), whoAmI, nil); !strings.Contains(r, ada.id) {
		t.Errorf("somebody else: %s", r)
	}
	if grown := p.residentBytes(t) - before; grown > 100<<20 {
		t.Errorf("the program grew by %d bytes", grown)
	}
	wg.Wait()
}

// ended waits until the server has hung up, and returns the close code, 0
// without one.
func ended(t testing.TB, s *wsclient.Socket) int {
	t.Helper()
	_ = s.NetConn().SetReadDeadline(time.Now().Add(15*time.Second + grace))
	for {
		_, err := s.ReadMessage()
		if err == nil {
			continue
		}
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			t.Error("still open")
		}
		return max(closeCode(err), 0)
	}
}

func TestFramesThatBreakTheRulesHarmNobody(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	live := listen(t, p.dial(t, ada), "1", room, nil)
	before := p.residentBytes(t)
	const mask = "\x00\x00\x00\x00"
	attacks := map[string]string{
		"unmasked":                   "\x81\x02{}",
		"a reserved bit":             "\xc1\x82" + mask + "{}",
		"as if compressed":           "\xc1\x84" + mask + "\xaa\x56\x02\x00",
		"an unknown opcode":          "\x83\x80" + mask,
		"an unknown control opcode":  "\x8b\x80" + mask,
		"a ping in parts":            "\x09\x80" + mask,
		"a ping too long":            "\x89\xfe\x00\x7e" + mask + strings.Repeat("x", 126),
		"2^62 bytes":                 "\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00" + mask + strings.Repeat("x", 300<<10),
		"a negative length":          "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" + mask,
		"a continuation of nothing":  "\x80\x80" + mask,
		"a message inside a message": "\x01\x81" + mask + "{\x81\x81" + mask + "{",
		"a close with 1005":          "\x88\x82" + mask + "\x03\xed",
		"a close of one byte":        "\x88\x81" + mask + "\x03",
		"no UTF-8":                   "\x81\x82" + mask + "\xff\xfe",
		"binary":                     "\x82\x82" + mask + "{}",
	}
	for name, raw := range attacks {
		t.Run(name, func(t *testing.T) {
			for n := range 10 {
				var s *wsclient.Socket
				if n%2 == 0 { // before and after the acknowledgement
					var err error
					if s, err = wsclient.Open(t.Context(), p.ws(), wsclient.Options{}); err != nil {
						t.Fatal(err)
					}
				} else {
					c := dialAnonymously(t, p)
					_ = c.WriteRaw([]byte(raw))
					select {
					case <-c.Done():
					case <-time.After(15*time.Second + grace):
						t.Error("still open")
					}
					continue
				}
				_ = s.WriteRaw([]byte(raw)) // fails when the server has had enough in the middle
				if code := ended(t, s); code != 0 && code != 1002 && code != 1007 && code != 1009 && code != 4400 {
					t.Errorf("closed with %d", code)
				}
				_ = s.Close()
			}
		})
	}
	if _, err := p.send(t.Context(), ada, room, "fence", ""); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, live); m.text() != "fence" {
		t.Errorf("a bystander got %+v", m)
	}
	if grown := p.residentBytes(t) - before; grown > 64<<20 {
		t.Errorf("the program grew by %d bytes", grown)
	}
}

func TestAMessageOfAHundredMebibytesIsCutOffAtTheLimit(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	before := p.residentBytes(t)
	const size = 100 << 20
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	pour := func(w io.Writer) (sent int) {
		for sent < size {
			n, err := w.Write(chunk)
			if sent += n; err != nil {
				break
			}
		}
		return sent
	}
	frame := append([]byte("\x81\xff\x00\x00\x00\x00"), 6, 64, 0, 0, 0, 0, 0, 0)
	for _, acked := range []bool{false, true} {
		s, err := wsclient.Open(t.Context(), p.ws(), wsclient.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if acked {
			if err := s.WriteText([]byte(`{"type":"connection_init"}`)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.ReadMessage(); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = s.WriteRaw(frame)
			pour(s.NetConn()) // for a second it is thrown away, so that the farewell arrives
		})
		begin := time.Now()
		if code := ended(t, s); code != 1009 {
			t.Errorf("closed with %d", code)
		}
		if took := time.Since(begin); took > 5*time.Second+slack {
			t.Errorf("it took %v", took)
		}
		wg.Wait()
		_ = s.Close()
	}
	for _, length := range []string{fmt.Sprintf("Content-Length: %d", size), "Transfer-Encoding: chunked"} {
		nc, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(20*time.Second + grace))
		_, _ = fmt.Fprintf(nc, "POST /graphql HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%s\r\n\r\n", p.addr, length)
		var wg sync.WaitGroup
		wg.Go(func() {
			var w io.Writer = nc
			if strings.HasPrefix(length, "Transfer") {
				w = chunked{nc}
			}
			if sent := pour(w); sent > 20<<20 {
				t.Errorf("%s: %d bytes were taken", length, sent)
			}
		})
		answer, _ := io.ReadAll(nc)
		if !strings.HasPrefix(string(answer), "HTTP/1.1 413") || !strings.Contains(string(answer), "PAYLOAD_TOO_LARGE") {
			t.Errorf("%s: %.200s", length, answer)
		}
		_ = nc.Close()
		wg.Wait()
	}
	if grown := p.residentBytes(t) - before; grown > 48<<20 {
		t.Errorf("the program grew by %d bytes", grown)
	}
}

// chunked writes each piece as a chunk.
type chunked struct{ w io.Writer }

func (c chunked) Write(b []byte) (int, error) {
	if _, err := fmt.Fprintf(c.w, "%x\r\n%s\r\n", len(b), b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func TestCompressionIsNotNegotiated(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	r := p.do(t, http.MethodGet, "/graphql", map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Protocol": "graphql-transport-ws", "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
	}, nil)
	if r.status != http.StatusSwitchingProtocols || r.header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("%v %v", r, r.header)
	}
	h := map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}
	if r := p.do(t, http.MethodPost, "/graphql", h, buffered("\x1f\x8b")); r.status != http.StatusUnsupportedMediaType {
		t.Errorf("a packed body: %v", r)
	}
}

// HTTP and all of a user's sockets draw on one budget.
func TestRequestsAreCountedOverAllWaysTogether(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	const query = "{ viewer { user { id } } }"
	// The budget is 400, and 100 more each second: sockets that ask without
	// waiting for answers use it up however slow the machine is.
	const flood = 3_000
	var limited atomic.Int64
	usedUp := make(chan struct{})
	for _, socket := range []*wsclient.Conn{p.dial(t, ada), p.dial(t, ada)} {
		for n := range flood / 2 {
			err := socket.Subscribe(fmt.Sprint("q", n), query, nil, func(e wsclient.Event) {
				if e.Kind == wsclient.Error && bytes.Contains(e.Payload, []byte("RATE_LIMITED")) && limited.Add(1) == flood/3 {
					close(usedUp)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	select {
	case <-usedUp:
	case <-time.After(20*time.Second + grace):
		t.Fatalf("%d of %d requests of the sockets were refused", limited.Load(), flood)
	}
	// A quarter of what HTTP alone may ask at once; what has come back meanwhile
	// lets some through.
	var refused atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if r := p.ask(t, ada.token, query, nil); r.code() == "RATE_LIMITED" && r.status == 429 {
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if refused.Load() == 0 {
		t.Errorf("over HTTP nothing was refused, after %d requests of the sockets were", limited.Load())
	}
	if r := p.ask(t, bob.token, query, nil); r.code() != "" {
		t.Errorf("somebody else: %v", r)
	}
}

func TestSubscriptionsAreBoundedAndAFloodIsRefused(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada := p.register(t, "ada")
	socket := p.dial(t, ada)
	before := p.residentBytes(t)
	var refused, limited atomic.Int64
	over := make(chan struct{})
	const flood = 10_000
	for n := range flood {
		err := socket.Subscribe(fmt.Sprint("s", n), `subscription { events { cursor } }`, nil, func(e wsclient.Event) {
			if e.Kind != wsclient.Error {
				return
			}
			switch {
			case bytes.Contains(e.Payload, []byte("TOO_MANY_SUBSCRIPTIONS")):
				refused.Add(1)
			case bytes.Contains(e.Payload, []byte("RATE_LIMITED")):
				limited.Add(1)
			}
			if refused.Load()+limited.Load() == flood-100 {
				close(over)
			}
		})
		if err != nil {
			t.Fatalf("subscription %d: %v", n, err)
		}
	}
	select {
	case <-over:
	case <-time.After(20*time.Second + grace):
		t.Errorf("%d refused, %d limited", refused.Load(), limited.Load())
	}
	if refused.Load() == 0 || limited.Load() == 0 {
		t.Errorf("%d refused, %d limited", refused.Load(), limited.Load())
	}
	if grown := p.residentBytes(t) - before; grown > 256<<20 { // 25 KB for each that is refused; the race detector has most of it
		t.Errorf("the program grew by %d bytes", grown)
	}
	for range 19 {
		p.dial(t, ada)
	}
	if err := p.dialWith(t, vars("token", ada.token)); closeCode(err) != 1013 {
		t.Errorf("the 21st socket: %v", err)
	}
}
