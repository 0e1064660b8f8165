package webassets_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"chatd/internal/platform/webassets"
)

func get(t *testing.T, h http.Handler, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	var from io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		from = z
	}
	text, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestThePlainPageLinksWhatThereIs(t *testing.T) {
	t.Parallel()
	answer := get(t, webassets.Index(), "/")
	page := body(t, answer)
	if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
		t.Fatal(answer.Status, answer.Header)
	}
	for _, want := range []string{`href="/graphiql"`, `href="/schema.graphql"`, `id="docs"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestPagesTakeScriptsFromNowhereElse(t *testing.T) {
	t.Parallel()
	for path, h := range map[string]http.Handler{"/": webassets.Index(), "/graphiql": webassets.GraphiQL()} {
		answer := get(t, h, path)
		policy := answer.Header.Get("Content-Security-Policy")
		page := body(t, answer)
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "http") || strings.Contains(policy, "unsafe-eval") ||
			regexp.MustCompile(`script-src[^;]*unsafe`).MatchString(policy) {
			t.Errorf("%s: policy %s", path, policy)
		}
		if regexp.MustCompile(`<script[^>]*>[^<]|(src|href)="(https?:)?//|\son[a-z]+=`).MatchString(page) {
			t.Errorf("%s has an inline script or a part from elsewhere", path)
		}
	}
}

func TestGraphiQLHasAllItsParts(t *testing.T) {
	t.Parallel()
	h := webassets.GraphiQL()
	page := body(t, get(t, h, "/graphiql"))
	seen := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		answer := get(t, h, path, "Accept-Encoding", "gzip")
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, answer.Status)
			return
		}
		if !strings.HasSuffix(path, ".js") {
			return
		}
		for _, m := range regexp.MustCompile(`(?:from|import\(?) ?"\./([^"]+\.js)"`).FindAllStringSubmatch(body(t, answer), -1) {
			visit("/graphiql/" + m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="(/graphiql/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		visit(m[1])
	}
	for _, worker := range []string{"editor", "json", "graphql"} {
		visit("/graphiql/" + worker + ".worker.js")
	}
	if len(seen) < 10 {
		t.Fatalf("only %d parts were found", len(seen))
	}
}

func TestStylesBringNoFontsButTheEditorsIcons(t *testing.T) {
	t.Parallel()
	styles := body(t, get(t, webassets.GraphiQL(), "/graphiql/main.css"))
	icons := regexp.MustCompile(`@font-face\{font-family:codicon;[^}]*url\("\./([^"]+\.ttf)"\)`).FindStringSubmatch(styles)
	if icons == nil || strings.Contains(styles, "url(data:font") {
		t.Fatal("the build has taken in GraphiQL's fonts, or left the editor's icons out")
	}
	if answer := get(t, webassets.GraphiQL(), "/graphiql/"+icons[1]); answer.StatusCode != http.StatusOK {
		t.Error(answer.Status)
	}
}

func TestWhatIsKeptIsAskedAboutOrNamedByItsContents(t *testing.T) {
	t.Parallel()
	h := webassets.GraphiQL()
	first := get(t, h, "/graphiql/main.js")
	if first.Header.Get("Cache-Control") != "no-cache" {
		t.Error(first.Header)
	}
	again := get(t, h, "/graphiql/main.js", "If-None-Match", first.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified || body(t, again) != "" {
		t.Error(again.Status)
	}
	chunk := regexp.MustCompile(`chunk-[A-Z0-9]{8}\.js`).FindString(body(t, first))
	if got := get(t, h, "/graphiql/"+chunk).Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("%s: %s", chunk, got)
	}
}

func TestAClientWithoutGzipGetsTheSameText(t *testing.T) {
	t.Parallel()
	h := webassets.GraphiQL()
	packed := get(t, h, "/graphiql/main.css", "Accept-Encoding", "gzip, br")
	plain := get(t, h, "/graphiql/main.css")
	if packed.Header.Get("Content-Encoding") != "gzip" || plain.Header.Get("Content-Encoding") != "" {
		t.Fatal(packed.Header, plain.Header)
	}
	if body(t, packed) != body(t, plain) {
		t.Error("the texts differ")
	}
}

func TestOtherPathsAndMethodsAreRefused(t *testing.T) {
	t.Parallel()
	h := webassets.GraphiQL()
	for _, path := range []string{"/graphiql/nothing.js", "/graphiql/../index.html", "/graphiql/dist/main.js.gz", "/graphiql/main.js.gz"} {
		if got := get(t, h, path).StatusCode; got != http.StatusNotFound {
			t.Errorf("%s: %d", path, got)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/graphiql", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Error(w.Code)
	}
}
