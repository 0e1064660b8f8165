package gqlx_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/links"
)

const benchMutation = `mutation Send($input: SendInput!) { send(input: $input) { message { id seq text sender { id name } } } }`

// BenchmarkExec is a small mutation whose resolver costs nothing: what remains
// is the engine.
func BenchmarkExec(b *testing.B) {
	f := setup(b, quiet)
	ctx := as(b.Context(), ann)
	b.ReportAllocs()
	for b.Loop() {
		r := f.Exec(ctx, gqlx.Request{Query: benchMutation, Variables: map[string]any{"input": map[string]any{"text": "hello"}}})
		if len(r.Errors) > 0 {
			b.Fatal(r.Errors)
		}
	}
}

// BenchmarkPrepare is the part of it that is our own.
func BenchmarkPrepare(b *testing.B) {
	f := setup(b, quiet)
	ctx := as(b.Context(), ann)
	b.ReportAllocs()
	for b.Loop() {
		if _, r := f.Prepare(ctx, gqlx.Request{Query: benchMutation, Variables: map[string]any{"input": map[string]any{"text": "hello"}}}); r != nil {
			b.Fatal(r.Errors)
		}
	}
}

// BenchmarkPrepareUnseen is the price of a document that nobody sent before.
func BenchmarkPrepareUnseen(b *testing.B) {
	f := setup(b, quiet)
	ctx := as(b.Context(), ann)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q := fmt.Sprintf("%s # %d", benchMutation, i)
		if _, r := f.Prepare(ctx, gqlx.Request{Query: q, Variables: map[string]any{"input": map[string]any{"text": "hello"}}}); r != nil {
			b.Fatal(r.Errors)
		}
	}
}

// BenchmarkHTTP is the same mutation through the handler, without a network.
func BenchmarkHTTP(b *testing.B) {
	f := setup(b, quiet)
	h := f.HTTP()
	ctx := as(b.Context(), ann)
	body := fmt.Sprintf(`{"query":%q,"variables":{"input":{"text":"hello"}}}`, benchMutation)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

const benchSubscription = `subscription($a: String) { events(after: $a) { cursor ... on MessageAdded { unreadCount message { id seq text sentAt sender { id name } } } } }`

// BenchmarkRenderShared is what each further subscriber of an event pays for
// its bytes, its own cursor and count filled in.
func BenchmarkRenderShared(b *testing.B) {
	f := setup(b, quiet)
	l := subscribe(as(b.Context(), ann), b, f, benchSubscription, nil)
	item := feed.Item{Event: added(1, "hello")}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		r, err := l.Render(b.Context(), item)
		if err != nil {
			b.Fatal(err)
		}
		dst = l.Append(dst[:0], r, local{"c2VhbGVk", 7})
	}
}

// BenchmarkRenderSharedLink is the same with a link of each one's own.
func BenchmarkRenderSharedLink(b *testing.B) {
	signer := links.New("https://chat.example.org", []byte("0123456789abcdef0123456789abcdef"), links.Config{})
	f := setup(b, quiet, func(c *gqlx.Config) { c.Links = signer })
	l := subscribe(as(b.Context(), ann), b, f, `subscription { messageAdded(room: "r") { id seq text sentAt sender { id name } picture } }`, nil)
	item := feed.Item{Event: &message{ID: "m1", Seq: 1, Text: "hello"}}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		r, err := l.Render(b.Context(), item)
		if err != nil {
			b.Fatal(err)
		}
		dst = l.Append(dst[:0], r, nil)
	}
}

// BenchmarkRenderDistinct is what an event costs once.
func BenchmarkRenderDistinct(b *testing.B) {
	f := setup(b, quiet)
	l := subscribe(as(b.Context(), ann), b, f, benchSubscription, nil)
	b.ReportAllocs()
	for i := int32(0); b.Loop(); i++ {
		if _, err := l.Render(b.Context(), feed.Item{Event: added(i, "hello")}); err != nil {
			b.Fatal(err)
		}
	}
}
