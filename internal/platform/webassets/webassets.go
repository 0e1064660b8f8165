package webassets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed index.html
var indexPage []byte

//go:embed graphiql/index.html
var graphiqlPage []byte

//go:embed graphiql/dist/*.gz
var graphiqlDist embed.FS

// GraphiQL's editor writes its theme as style elements, so styles may be
// inline there; scripts and workers are files of ours and nothing else.
const graphiqlPolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; " +
	"style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Index serves the plain page at /. Only GET and HEAD are answered; it is for
// the router to send no other path here.
func Index() http.Handler {
	page := sync.OnceValue(func() *asset {
		a := newAsset("index.html", indexPage)
		a.policy = "default-src 'none'; style-src '" + hashOf(indexPage, "<style>", "</style>") + "'; img-src data:; " +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
		return a
	})
	return reading(func(w http.ResponseWriter, r *http.Request) { page().serve(w, r) })
}

// GraphiQL serves /graphiql and all below it. The page asks /graphql of its
// own origin, by HTTP and WebSocket. What is not there is 404. A file takes
// memory once somebody has asked for it.
func GraphiQL() http.Handler {
	files := map[string]func() *asset{"": sync.OnceValue(func() *asset {
		page := newAsset("index.html", graphiqlPage)
		page.policy = graphiqlPolicy
		return page
	})}
	entries, err := fs.Glob(graphiqlDist, "graphiql/dist/*.gz")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, file := range entries {
		name := strings.TrimSuffix(path.Base(file), ".gz")
		files[name] = sync.OnceValue(func() *asset {
			packed, err := graphiqlDist.ReadFile(file)
			if err != nil {
				panic(fmt.Sprintf("embedded file %s: %v", file, err))
			}
			return packedAsset(name, packed)
		})
	}
	return reading(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/graphiql"), "/")
		if file, ok := files[name]; ok {
			file().serve(w, r)
			return
		}
		http.NotFound(w, r)
	})
}

func reading(serve http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		serve(w, r)
	})
}

// asset is one file, ready to be sent.
type asset struct {
	packed []byte // gzip; nearly every client takes it as it is
	etag   string
	kind   string
	cache  string
	policy string // Content-Security-Policy; of pages and workers
}

func newAsset(name string, text []byte) *asset {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is right, so there is no error
	_, _ = z.Write(text)                                       // a bytes.Buffer takes everything
	_ = z.Close()
	return packedAsset(name, packed.Bytes())
}

func packedAsset(name string, packed []byte) *asset {
	sum := sha256.Sum256(packed)
	a := &asset{
		packed: packed,
		etag:   `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		kind:   mime.TypeByExtension(path.Ext(name)),
		cache:  "no-cache", // kept, but asked about: names stay when contents change
	}
	switch {
	case strings.HasSuffix(name, ".js"):
		a.kind = "text/javascript; charset=utf-8" // whatever this machine's table says
		a.policy = graphiqlPolicy                 // a worker lives by the policy of its own answer
	case strings.HasSuffix(name, ".ttf"):
		a.kind = "font/ttf"
	}
	// The bundler puts a hash of eight characters into the names of all files
	// but the ones that the page names.
	if stem := strings.TrimSuffix(name, path.Ext(name)); len(stem) > 9 && stem[len(stem)-9] == '-' {
		a.cache = "public, max-age=31536000, immutable"
	}
	return a
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", a.etag)
	h.Set("Cache-Control", a.cache)
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if a.policy != "" {
		h.Set("Content-Security-Policy", a.policy)
	}
	if strings.Contains(r.Header.Get("If-None-Match"), a.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.kind)
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(a.packed)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(a.packed)
		}
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	z, err := gzip.NewReader(bytes.NewReader(a.packed))
	if err == nil {
		_, err = io.Copy(w, z) //nolint:gosec // our own files: no bomb
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// hashOf is the CSP source of what stands between two tags of a page.
func hashOf(page []byte, begin, end string) string {
	_, rest, _ := bytes.Cut(page, []byte(begin))
	text, _, _ := bytes.Cut(rest, []byte(end))
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
