package httpx

import (
	"bufio"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/principal"
)

// writer counts what is answered. Hijacking, flushing and deadlines work
// through it.
type writer struct {
	http.ResponseWriter

	status   int
	bytes    int64
	hijacked bool
}

func (w *writer) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack hands over the connection, as http.Hijacker says.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.hijacked = err == nil
	return c, rw, err
}

// Fail answers a request that no GraphQL engine saw, in the form of a GraphQL
// error, with the status of err's kind. What is not an *errs.Error is shown as
// INTERNAL; it is the caller's to log.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	known := errs.Of(err)
	if known == nil || known.Kind() == errs.Internal {
		known = errs.ErrInternal
	}
	extensions := map[string]any{"code": known.Kind().GraphQL(), "requestId": principal.RequestID(r.Context())}
	maps.Copy(extensions, known.Extensions())
	type fault struct {
		Message    string         `json:"message"`
		Extensions map[string]any `json:"extensions"`
	}
	body, _ := json.Marshal(map[string][]fault{"errors": {{known.Public(), extensions}}}) // strings and numbers only
	head := w.Header()
	head.Set("Content-Type", "application/json; charset=utf-8")
	head.Set("Cache-Control", "no-store")
	if wait := known.RetryAfter(); wait > 0 {
		head.Set("Retry-After", RetryAfter(wait))
	}
	w.WriteHeader(known.Kind().HTTP())
	_, _ = w.Write(body) // a client that has gone needs no answer
}

// RetryAfter writes a duration as the header of that name wants it, in whole
// seconds and never fewer than it takes (RFC 9110 section 10.2.3).
func RetryAfter(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
