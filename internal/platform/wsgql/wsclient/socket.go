package wsclient

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455, section 1.3
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Opcodes of RFC 6455, section 5.2.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xa
)

const (
	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	maxMessage = 64 << 20
)

// CloseError is the end of a connection by the peer's close frame.
type CloseError struct {
	Code   int
	Reason string
}

// Error tells code and reason.
func (e *CloseError) Error() string { return fmt.Sprintf("closed with %d %s", e.Code, e.Reason) }

// HandshakeError is an upgrade that was answered with something else than 101.
type HandshakeError struct {
	Status int
	Body   string // its first 300 bytes
}

// Error tells status and body.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("handshake answered %d: %s", e.Status, e.Body)
}

// Options tune a connection; all zero is fine.
type Options struct {
	Header       http.Header
	Subprotocols []string    // graphql-transport-ws when nil; empty but not nil for none
	Dialer       *net.Dialer // for another source address or socket options
	TLS          *tls.Config
	ReadBuffer   int  // bytes, 1,024 by default
	IgnorePings  bool // to play dead
}

// Socket is one WebSocket. ReadMessage is called by one goroutine at a time;
// the writing methods by any.
type Socket struct {
	nc      net.Conn
	br      *bufio.Reader
	buf     []byte
	head    [8]byte
	pings   bool
	chosen  string
	writeMu sync.Mutex
	out     []byte
}

// Open does the handshake with a ws:// or wss:// address. ctx bounds it, not
// the connection. An answer that is not 101 is a *HandshakeError.
func Open(ctx context.Context, rawURL string, o Options) (*Socket, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	nc, err := dial(ctx, u, o)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", u.Host, err)
	}
	if o.ReadBuffer <= 0 {
		o.ReadBuffer = 1024
	}
	s := &Socket{nc: nc, br: bufio.NewReaderSize(nc, o.ReadBuffer), pings: !o.IgnorePings}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err = s.handshake(u, o)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return s, nil
}

func dial(ctx context.Context, u *url.URL, o Options) (net.Conn, error) {
	d := o.Dialer
	if d == nil {
		d = &net.Dialer{KeepAlive: -1}
	}
	switch u.Scheme {
	case "ws":
		return d.DialContext(ctx, "tcp", withPort(u, "80"))
	case "wss":
		td := tls.Dialer{NetDialer: d, Config: o.TLS}
		return td.DialContext(ctx, "tcp", withPort(u, "443"))
	}
	return nil, fmt.Errorf("scheme %q", u.Scheme)
}

func withPort(u *url.URL, port string) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (s *Socket) handshake(u *url.URL, o Options) error {
	if o.Subprotocols == nil {
		o.Subprotocols = []string{"graphql-transport-ws"}
	}
	var random [16]byte
	_, _ = rand.Read(random[:])
	key := base64.StdEncoding.EncodeToString(random[:])
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", u.RequestURI(), u.Host, key)
	if len(o.Subprotocols) > 0 {
		fmt.Fprintf(&b, "Sec-WebSocket-Protocol: %s\r\n", strings.Join(o.Subprotocols, ", "))
	}
	_ = o.Header.Write(&b) // a strings.Builder does not fail
	b.WriteString("\r\n")
	if _, err := io.WriteString(s.nc, b.String()); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	r, err := http.ReadResponse(s.br, nil)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	defer func() { _ = r.Body.Close() }()
	if r.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 300))
		return &HandshakeError{r.StatusCode, string(body)}
	}
	sum := sha1.Sum([]byte(key + acceptGUID)) //nolint:gosec // as above
	if r.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		return errors.New("handshake: wrong Sec-WebSocket-Accept")
	}
	s.chosen = r.Header.Get("Sec-WebSocket-Protocol")
	return nil
}

// Subprotocol is what the server has chosen.
func (s *Socket) Subprotocol() string { return s.chosen }

// NetConn is the connection below, for deadlines and abuse.
func (s *Socket) NetConn() net.Conn { return s.nc }

// Close closes the connection without a close frame.
func (s *Socket) Close() error { return s.nc.Close() }

// ReadMessage returns the next text or binary message; the slice is valid
// until the next call. Pings are answered on the way, and so is a close frame,
// which is returned as a *CloseError.
func (s *Socket) ReadMessage() ([]byte, error) {
	s.buf = s.buf[:0]
	for {
		op, fin, payload, err := s.readFrame()
		if err != nil {
			return nil, err
		}
		switch op {
		case OpPing:
			if s.pings {
				if err := s.WriteFrame(OpPong, payload); err != nil {
					return nil, err
				}
			}
		case OpPong:
		case OpClose:
			e := &CloseError{Code: 1005}
			if len(payload) >= 2 {
				e.Code, e.Reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
			}
			_ = s.WriteFrame(OpClose, payload)
			return nil, e
		default:
			s.buf = s.buf[:len(s.buf)+len(payload)]
			if fin {
				return s.buf, nil
			}
		}
	}
}

// readFrame reads one frame behind what is in buf.
func (s *Socket) readFrame() (op byte, fin bool, payload []byte, err error) {
	h := s.head[:]
	if _, err := io.ReadFull(s.br, h[:2]); err != nil {
		return 0, false, nil, err
	}
	op, fin = h[0]&0x0f, h[0]&0x80 != 0
	n := uint64(h[1] & 0x7f)
	if h[0]&0x70 != 0 || h[1]&0x80 != 0 {
		return 0, false, nil, errors.New("reserved bits or a masked frame from the server")
	}
	switch n {
	case 126:
		_, err = io.ReadFull(s.br, h[:2])
		n = uint64(binary.BigEndian.Uint16(h[:2]))
	case 127:
		_, err = io.ReadFull(s.br, h[:8])
		n = binary.BigEndian.Uint64(h[:8])
	}
	if err != nil {
		return 0, false, nil, err
	}
	start := len(s.buf)
	if n > maxMessage-uint64(start) {
		return 0, false, nil, fmt.Errorf("message of more than %d bytes", maxMessage)
	}
	end := start + int(n)
	if cap(s.buf) < end {
		s.buf = append(make([]byte, 0, max(512, end)), s.buf...)
	}
	payload = s.buf[start:end]
	_, err = io.ReadFull(s.br, payload)
	return op, fin, payload, err
}

// WriteText sends a text message.
func (s *Socket) WriteText(p []byte) error { return s.WriteFrame(OpText, p) }

// WriteFrame sends one final frame, masked with zeroes: the mask protects
// proxies from what scripts choose to send (RFC 6455, section 10.3), and there
// are none here.
func (s *Socket) WriteFrame(op byte, p []byte) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	s.out = AppendFrame(s.out[:0], op, p)
	_, err := s.nc.Write(s.out)
	return err
}

// WriteRaw sends bytes as they are.
func (s *Socket) WriteRaw(p []byte) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	_, err := s.nc.Write(p)
	return err
}

// AppendFrame appends a final client frame with a mask of zeroes.
func AppendFrame(dst []byte, op byte, p []byte) []byte {
	switch n := len(p); {
	case n < 126:
		dst = append(dst, 0x80|op, 0x80|byte(n))
	case n < 1<<16:
		dst = append(dst, 0x80|op, 0x80|126, byte(n>>8), byte(n)) //nolint:gosec // The case bounds n.
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|op, 0x80|127), uint64(n))
	}
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, p...)
}
