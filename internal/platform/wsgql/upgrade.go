package wsgql

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/coder/websocket"
)

// readBuffer is what a socket at rest keeps for reading; longer messages are
// read past it.
const readBuffer = 512

// upgrade does the handshake and takes the connection over from net/http.
func (s *socket) upgrade(w http.ResponseWriter, r *http.Request) error {
	ws, err := websocket.Accept(&hijackWriter{ResponseWriter: w, sock: s}, r, &websocket.AcceptOptions{
		Subprotocols:       []string{Protocol},
		InsecureSkipVerify: true, // ServeHTTP has decided on the origin
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		if s.nc != nil {
			_ = s.nc.Close()
		}
		return err
	}
	ws.SetReadLimit(s.srv.cfg.InitBytes)
	s.ws = ws
	return nil
}

// hijackWriter lets coder/websocket have the connection through us.
type hijackWriter struct {
	http.ResponseWriter
	sock *socket
}

// Hijack hands out the socket's own view of the connection, with small
// buffers; what net/http has read already is carried over.
func (h *hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, brw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if err := brw.Flush(); err != nil {
		_ = nc.Close()
		return nil, nil, err
	}
	early, _ := brw.Peek(brw.Reader.Buffered())
	br := bufio.NewReaderSize(bytes.NewReader(bytes.Clone(early)), max(readBuffer, len(early)))
	_, _ = br.Peek(len(early)) // coder/websocket carries over only what is buffered
	h.sock.nc = nc
	if sc, ok := nc.(syscall.Conn); ok {
		h.sock.raw, _ = sc.SyscallConn()
	}
	h.sock.in.buffered = br
	c := &libraryConn{Conn: nc, sock: h.sock}
	return c, bufio.NewReadWriter(br, bufio.NewWriterSize(c, 128)), nil
}

// input says what is known of the bytes that come in.
type input struct {
	buffered *bufio.Reader // the library's
	filled   bool          // the last reading took all that it could
}

// waits says whether there is more to read, as far as the last reading saw.
func (in *input) waits() bool { return in.filled || in.buffered.Buffered() > 0 }

// libraryConn is the connection as coder/websocket sees it: what it writes,
// pongs and close frames, goes through the mailbox like all else and so never
// lands inside another frame; closing is left to the socket.
type libraryConn struct {
	net.Conn
	sock *socket
}

func (c *libraryConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.sock.seen()
	}
	c.sock.in.filled = n == len(p)
	return n, err
}

// Write takes one control frame, which is all that the library flushes.
func (c *libraryConn) Write(p []byte) (int, error) {
	frame := bytes.Clone(p)
	if len(p) > 1 && p[0]&opcodeMask == opcodeClose {
		c.sock.shutWith(frame, false)
	} else {
		c.sock.send(nil, frame)
	}
	return len(p), nil
}

func (c *libraryConn) Close() error { return nil }

// originAllowed applies the rule for pages: the same host and port, or listed.
// A request without Origin does not come from a page.
func (s *Server) originAllowed(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	origin := normalOrigin(origins[0])
	if _, ok := s.origins[origin]; ok {
		return true
	}
	scheme, _, ok := strings.Cut(origin, "://")
	return ok && origin == normalOrigin(scheme+"://"+r.Host)
}

// normalOrigin writes an origin in lower case and without a default port;
// what is no http origin becomes something that equals none.
func normalOrigin(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme) ||
		u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return "invalid:" + origin
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "http" {
		host = strings.TrimSuffix(host, ":80")
	} else {
		host = strings.TrimSuffix(host, ":443")
	}
	return u.Scheme + "://" + host
}
