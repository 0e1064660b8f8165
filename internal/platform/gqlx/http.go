package gqlx

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"chatd/internal/platform/errs"
)

const (
	mediaResponse = "application/graphql-response+json"
	mediaJSON     = "application/json"
)

// HTTP answers GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/):
// POST of application/json and GET, queries only. Answers are
// application/graphql-response+json or application/json; the latter has status
// 200 for a document that is refused, as that specification wants it, when the
// client asked for it by name. A refused body, a missing sign-in and what is
// too large keep their own statuses. The context must carry the principal.
func (e *Engine) HTTP() http.Handler { return &handler{engine: e} }

type handler struct {
	engine  *Engine
	buffers sync.Pool // of *bytes.Buffer: request bodies, then answers
}

// faulty is a request that is no GraphQL request.
type faulty struct {
	status int
	kind   errs.Kind
	msg    string
}

func (f *faulty) Error() string { return f.msg }

func malformed(msg string) *faulty { return &faulty{http.StatusBadRequest, errs.BadInput, msg} }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Add("Vary", "Accept")
	media, byName := negotiate(r.Header.Values("Accept"))
	if media == "" {
		h.fail(w, r, mediaJSON, &faulty{
			http.StatusNotAcceptable, errs.BadInput,
			"Answers are " + mediaResponse + " or " + mediaJSON + ".",
		})
		return
	}
	buf, _ := h.buffers.Get().(*bytes.Buffer)
	if buf == nil {
		buf = new(bytes.Buffer)
	}
	defer func() {
		if buf.Cap() <= 64<<10 {
			buf.Reset()
			h.buffers.Put(buf)
		}
	}()
	var req Request
	var bad *faulty
	switch r.Method {
	case http.MethodPost:
		req, bad = h.fromBody(w, r, buf)
	case http.MethodGet:
		req, bad = fromQuery(r.URL)
	default:
		head.Set("Allow", "GET, POST")
		bad = &faulty{http.StatusMethodNotAllowed, errs.BadInput, "Use GET or POST."}
	}
	if bad != nil {
		h.fail(w, r, media, bad)
		return
	}
	d, resp := h.engine.Prepare(r.Context(), req)
	switch {
	case resp != nil:
	case r.Method == http.MethodGet && d.Kind() != Query:
		head.Set("Allow", "POST")
		h.fail(w, r, media, &faulty{http.StatusMethodNotAllowed, errs.BadInput, "GET is for queries only."})
		return
	default:
		resp = h.engine.Run(r.Context(), d)
	}
	status := resp.HTTPStatus()
	if byName && media == mediaJSON && status == http.StatusBadRequest {
		status = http.StatusOK
	}
	buf.Reset()
	buf.Write(resp.AppendJSON(buf.AvailableBuffer()))
	write(w, media, status, buf.Bytes())
}

func (h *handler) fail(w http.ResponseWriter, r *http.Request, media string, f *faulty) {
	resp := h.engine.refused(r.Context(), refuse(f.kind, "%s", f.msg))
	write(w, media, f.status, resp.AppendJSON(nil))
}

func write(w http.ResponseWriter, media string, status int, body []byte) {
	head := w.Header()
	head.Set("Content-Type", media+"; charset=utf-8")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Length", strconv.Itoa(len(body)))
	if status == http.StatusUnauthorized {
		head.Set("WWW-Authenticate", `Bearer realm="chatd"`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON, and sent as such; a client that has gone needs no answer.
}

// fromBody reads a POST. Only application/json is read: browsers send it to
// other sites only with leave, so that a form cannot make a request.
func (h *handler) fromBody(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer) (Request, *faulty) {
	ct, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || ct != mediaJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return Request{}, &faulty{http.StatusUnsupportedMediaType, errs.BadInput, "Send application/json in UTF-8."}
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return Request{}, &faulty{http.StatusUnsupportedMediaType, errs.BadInput, "Send the body without a content coding."}
	}
	limit := h.engine.limits.BodyBytes
	tooLarge := &faulty{
		http.StatusRequestEntityTooLarge, errs.TooLarge,
		"A request has at most " + strconv.FormatInt(limit, 10) + " bytes.",
	}
	if r.ContentLength > limit {
		return Request{}, tooLarge
	}
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return Request{}, tooLarge
		}
		return Request{}, malformed("The body could not be read.")
	}
	return decodeRequest(buf.Bytes())
}

// decodeRequest reads the JSON object of a POST. What it returns holds nothing
// of the buffer.
func decodeRequest(body []byte) (Request, *faulty) {
	body = bytes.TrimLeft(body, " \t\r\n")
	switch {
	case len(body) == 0:
		return Request{}, malformed("The body is empty.")
	case body[0] == '[':
		return Request{}, malformed("Batches of requests are not served.")
	case body[0] != '{':
		return Request{}, malformed("The body is not a JSON object.")
	}
	r, _, err := DecodeRequest(body)
	if err != nil {
		return Request{}, malformed("The body cannot be used: " + err.Error() + ".")
	}
	return r.complete()
}

// complete refuses a request without a document, unless it names a persisted
// one.
func (r Request) complete() (Request, *faulty) {
	if _, ok := r.Extensions["persistedQuery"]; r.Query == "" && !ok {
		return Request{}, malformed("The request has no query.")
	}
	return r, nil
}

func fromQuery(u *url.URL) (Request, *faulty) {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Request{}, malformed("The query string is not URL-encoded.")
	}
	req := Request{Query: q.Get("query"), OperationName: q.Get("operationName")}
	for name, dst := range map[string]*map[string]any{"variables": &req.Variables, "extensions": &req.Extensions} {
		if v := q.Get(name); v != "" && decodeObject([]byte(v), dst) != nil {
			return Request{}, malformed(name + " must be a JSON object.")
		}
	}
	return req.complete()
}

// negotiate picks the media type of the answer after the client's Accept, the
// first of equals; empty when none fits. byName tells that the client named
// it, rather than a wildcard or nothing.
func negotiate(accept []string) (media string, byName bool) {
	all := strings.TrimSpace(strings.Join(accept, ","))
	if all == "" {
		return mediaJSON, false
	}
	best := 0.0
	for part := range strings.SplitSeq(all, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				continue
			}
		}
		candidate, named := "", false
		switch name {
		case mediaResponse, mediaJSON:
			candidate, named = name, true
		case "*/*", "application/*":
			candidate = mediaJSON
		}
		if cs := params["charset"]; candidate == "" || cs != "" && !strings.EqualFold(cs, "utf-8") {
			continue
		}
		if q > best {
			best, media, byName = q, candidate, named
		}
	}
	return media, byName
}
