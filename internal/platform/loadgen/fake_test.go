package loadgen_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fakeServer speaks as much of the API as a run needs, from memory, and can
// be told to do it badly.
type fakeServer struct {
	// deliver says how often and in which order a receiver gets a message:
	// it is given the seq and what is held back, and returns what to send and
	// what to hold.
	deliver func(receiver int, message string, seq int, held []string) (now, later []string)
	refuse  func(seq int) bool // whether a send is refused

	mu    sync.Mutex
	users int
	rooms map[string]*fakeRoom
}

type fakeRoom struct {
	seq  int
	subs []*fakeSub
}

type fakeSub struct {
	conn net.Conn
	id   string
	held []string
}

func faithful(_ int, message string, _ int, _ []string) (now, later []string) {
	return []string{message}, nil
}

func start(t *testing.T, f *fakeServer) string {
	t.Helper()
	f.rooms = map[string]*fakeRoom{}
	if f.deliver == nil {
		f.deliver = faithful
	}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

type fakeRequest struct {
	Query     string `json:"query"`
	Variables struct {
		C string         `json:"c"`
		I map[string]any `json:"i"`
	} `json:"variables"`
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "" {
		f.socket(w, r)
		return
	}
	var q fakeRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case strings.Contains(q.Query, "register"):
		f.users++
		fmt.Fprintf(w, `{"data":{"register":{"user":{"id":"u%d"},"accessToken":"t%d"}}}`, f.users, f.users)
	case strings.Contains(q.Query, "createGroup"):
		id := fmt.Sprintf("c%d", len(f.rooms))
		f.rooms[id] = &fakeRoom{}
		fmt.Fprintf(w, `{"data":{"createGroup":{"conversation":{"id":%q}}}}`, id)
	default:
		fmt.Fprint(w, `{"errors":[{"message":"unknown","extensions":{"code":"BAD_USER_INPUT"}}]}`)
	}
}

func (f *fakeServer) socket(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	for {
		message, err := readFrame(buffered.Reader)
		if err != nil {
			return
		}
		var m struct {
			Type, ID string
			Payload  fakeRequest
		}
		if err := json.Unmarshal(message, &m); err != nil {
			return
		}
		switch m.Type {
		case "connection_init":
			writeFrame(conn, `{"type":"connection_ack"}`)
		case "subscribe":
			f.operation(conn, m.ID, m.Payload)
		}
	}
}

func (f *fakeServer) operation(conn net.Conn, id string, q fakeRequest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case strings.HasPrefix(q.Query, "subscription"):
		room := f.rooms[q.Variables.C]
		room.subs = append(room.subs, &fakeSub{conn: conn, id: id})
	case strings.Contains(q.Query, "sendMessage"):
		f.send(conn, id, q.Variables.I)
	default:
		writeFrame(conn, fmt.Sprintf(`{"id":%q,"type":"next","payload":{"data":{}}}`, id))
		writeFrame(conn, fmt.Sprintf(`{"id":%q,"type":"complete"}`, id))
	}
}

func (f *fakeServer) send(conn net.Conn, id string, input map[string]any) {
	room := f.rooms[input["conversationId"].(string)]
	if f.refuse != nil && f.refuse(room.seq+1) {
		writeFrame(conn, fmt.Sprintf(`{"id":%q,"type":"error","payload":[{"message":"no","extensions":{"code":"RATE_LIMITED"}}]}`, id))
		return
	}
	room.seq++
	for i, sub := range room.subs {
		message := fmt.Sprintf(`{"id":%q,"type":"next","payload":{"data":{"messageAdded":{"seq":%d,"text":%q}}}}`, sub.id, room.seq, input["text"])
		var now []string
		now, sub.held = f.deliver(i, message, room.seq, sub.held)
		for _, m := range now {
			writeFrame(sub.conn, m)
		}
	}
	writeFrame(conn, fmt.Sprintf(`{"id":%q,"type":"next","payload":{"data":{"sendMessage":{"message":{"seq":%d}}}}}`, id, room.seq))
	writeFrame(conn, fmt.Sprintf(`{"id":%q,"type":"complete"}`, id))
}

func readFrame(r *bufio.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if head[0]&0x0f == 8 {
		return nil, io.EOF
	}
	length := uint64(head[1] & 0x7f)
	if length == 126 {
		var wide [2]byte
		if _, err := io.ReadFull(r, wide[:]); err != nil {
			return nil, err
		}
		length = uint64(binary.BigEndian.Uint16(wide[:]))
	}
	masked := make([]byte, 4+length)
	if _, err := io.ReadFull(r, masked); err != nil {
		return nil, err
	}
	text := masked[4:]
	for i := range text {
		text[i] ^= masked[i%4]
	}
	return text, nil
}

func writeFrame(w io.Writer, text string) {
	frame := []byte{0x81, byte(len(text))}
	if len(text) > 125 {
		frame = binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(len(text)))
	}
	_, _ = w.Write(append(frame, text...))
}
