package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// This file has what the tests of bad input and of security share: the API as
// a stranger finds it by introspection, and answers as they are on the wire.

// reply is an answer as it came.
type reply struct {
	status int
	header http.Header
	body   string // request ids blanked, so that two can be compared
}

// code is the extensions.code of the first error; "" without errors.
func (r reply) code() string {
	var a struct{ Errors []*gqlError }
	if json.Unmarshal([]byte(r.body), &a) != nil || len(a.Errors) == 0 {
		return ""
	}
	return a.Errors[0].code()
}

func (r reply) String() string { return fmt.Sprintf("%d %.300s", r.status, r.body) }

var requestIDs = regexp.MustCompile(`"requestId":"[^"]*"`)

func blank(body []byte) string {
	return string(requestIDs.ReplaceAll(body, []byte(`"requestId":""`)))
}

// do sends a request as it is.
func (p *program) do(t testing.TB, method, path string, header map[string]string, body io.Reader) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.url(path), body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		t.Fatalf("%s %.80s: %v", method, path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return reply{resp.StatusCode, resp.Header, ""} // what follows is no body
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, blank(b)}
}

// post sends a body to /graphql as JSON.
func (p *program) post(t testing.TB, token, body string) reply {
	t.Helper()
	h := map[string]string{"Content-Type": "application/json", "Accept": "application/graphql-response+json"}
	if token != "" {
		h["Authorization"] = "Bearer " + token
	}
	return p.do(t, http.MethodPost, "/graphql", h, strings.NewReader(body))
}

// ask runs an operation over HTTP.
func (p *program) ask(t testing.TB, token, doc string, variables map[string]any) reply {
	t.Helper()
	b, err := json.Marshal(vars("query", doc, "variables", variables))
	if err != nil {
		t.Fatal(err)
	}
	return p.post(t, token, string(b))
}

// askSocket runs an operation on a socket and returns its first message,
// "next" or "error" with its payload. A subscription that starts is
// "complete": it is ended again.
func askSocket(t testing.TB, c *wsclient.Conn, doc string, variables map[string]any) string {
	t.Helper()
	id := rand.Text()
	first := make(chan string, 1)
	tell := func(s string) {
		select {
		case first <- s:
		default:
		}
	}
	err := c.Subscribe(id, doc, variables, func(e wsclient.Event) {
		switch e.Kind {
		case wsclient.Next:
			tell("next " + blank(e.Payload))
		case wsclient.Error:
			tell("error " + blank(e.Payload))
		case wsclient.Complete:
			tell("complete")
		case wsclient.Lost:
			tell("lost")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(doc, "subscription") {
		barrier(t, c) // it is in force or refused now
		_ = c.Complete(id)
		barrier(t, c)
		tell("complete")
	}
	return receive(t, first)
}

// dialWith opens a socket with a payload of connection_init of its own. An
// error tells how the server closed it.
func (p *program) dialWith(t testing.TB, payload any) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := wsclient.Dial(ctx, p.ws(), payload)
	if err == nil {
		_ = c.Close()
	}
	return err
}

// closesWith waits for the end of a socket and compares its code.
func closesWith(t testing.TB, c *wsclient.Conn, code int, within time.Duration) {
	t.Helper()
	select {
	case <-c.Done():
		if got := closeCode(c.Err()); got != code {
			t.Errorf("closed with %v, want %d", c.Err(), code)
		}
	case <-time.After(within):
		t.Errorf("still open after %v", within)
	}
}

// inside is what only those who run the server should see.
var inside = regexp.MustCompile(`(?i)sqlite|postgres|pgx|goroutine|\.go:|/tmp/|/root/|/home/|/usr/|runtime error|` +
	`no such table|syntax error at or near|constraint|savepoint|select .* from|insert into|panic|nil pointer|` +
	`internal/|connection refused|modernc|graphql-go|gqlparser|127\.0\.0\.1|strconv|json:|unmarshal`)

// mustTellNothing fails when an answer is of a fault of the server or shows
// its inside. What was sent itself may come back.
func mustTellNothing(t testing.TB, what string, r reply, sent string) {
	t.Helper()
	if r.status >= 500 || r.code() == "INTERNAL" {
		t.Errorf("%.200s: %v", what, r)
	}
	for _, found := range inside.FindAllString(r.body, -1) {
		if !strings.Contains(strings.ToLower(sent), strings.ToLower(found)) {
			t.Errorf("%.200s: tells %q: %v", what, found, r)
		}
	}
}

// residentBytes is what the program holds in memory.
func (p *program) residentBytes(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skip("memory is read from /proc") // elsewhere than on Linux
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// api is the schema as introspection gives it.
type api struct {
	types map[string]apiType
	roots map[string]string // "query" to "Query" and so on
}

type apiType struct {
	Kind, Name    string
	Fields        []apiField
	PossibleTypes []struct{ Name string }
	InputFields   []apiInput
	EnumValues    []struct{ Name string }
}

type apiField struct {
	Name string
	Args []apiInput
	Type apiRef
}

type apiInput struct {
	Name string
	Type apiRef
}

type apiRef struct {
	Kind, Name string
	OfType     *apiRef
}

// named takes lists and non-null off.
func (r apiRef) named() apiRef {
	for r.OfType != nil {
		r = *r.OfType
	}
	return r
}

func (r apiRef) String() string {
	switch r.Kind {
	case "NON_NULL":
		return r.OfType.String() + "!"
	case "LIST":
		return "[" + r.OfType.String() + "]"
	}
	return r.Name
}

func (r apiRef) isList() bool {
	if r.Kind == "NON_NULL" {
		r = *r.OfType
	}
	return r.Kind == "LIST"
}

const apiDoc = `{ __schema {
	queryType { name } mutationType { name } subscriptionType { name }
	types { kind name possibleTypes { name } enumValues { name } inputFields { name type { ...r } } fields { name type { ...r } args { name type { ...r } } } } } }
	fragment r on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`

// api asks the program for its schema.
func (p *program) api(t testing.TB) api {
	t.Helper()
	var d struct {
		Schema struct {
			QueryType, MutationType, SubscriptionType struct{ Name string }
			Types                                     []apiType
		} `json:"__schema"`
	}
	if err := p.gql(t.Context(), "", apiDoc, nil, &d); err != nil {
		t.Fatal(err)
	}
	a := api{types: map[string]apiType{}, roots: map[string]string{
		"query": d.Schema.QueryType.Name, "mutation": d.Schema.MutationType.Name, "subscription": d.Schema.SubscriptionType.Name,
	}}
	for _, typ := range d.Schema.Types {
		a.types[typ.Name] = typ
	}
	return a
}

// operation is a document with one root field.
type operation struct {
	kind, field string
	doc         string
	leaves      []leaf // of its arguments
}

// leaf is a scalar or enum that an operation takes.
type leaf struct {
	path     []string // of names, from the argument on
	typ      string
	list     bool
	required bool
}

func (l leaf) String() string { return strings.Join(l.path, ".") }

// operations are documents for all root fields, in order of their names, and
// the types that they return are asked for __typename alone.
func (a api) operations() []operation {
	var out []operation
	for _, kind := range slices.Sorted(maps.Keys(a.roots)) {
		for _, f := range a.types[a.roots[kind]].Fields {
			op := operation{kind: kind, field: f.Name}
			var declared, given []string
			for _, arg := range f.Args {
				declared = append(declared, "$"+arg.Name+": "+arg.Type.String())
				given = append(given, arg.Name+": $"+arg.Name)
				op.leaves = append(op.leaves, a.leavesOf(arg, nil, true)...)
			}
			op.doc = kind
			if len(declared) > 0 {
				op.doc += "(" + strings.Join(declared, ", ") + ") { " + f.Name + "(" + strings.Join(given, ", ") + ")"
			} else {
				op.doc += " { " + f.Name
			}
			switch f.Type.named().Kind {
			case "OBJECT", "INTERFACE", "UNION":
				op.doc += " { __typename }"
			}
			op.doc += " }"
			out = append(out, op)
		}
	}
	return out
}

func (a api) leavesOf(in apiInput, above []string, required bool) []leaf {
	path := append(slices.Clone(above), in.Name)
	required = required && in.Type.Kind == "NON_NULL"
	named := in.Type.named()
	if named.Kind != "INPUT_OBJECT" {
		return []leaf{{path, named.Name, in.Type.isList(), required}}
	}
	var out []leaf
	for _, f := range a.types[named.Name].InputFields {
		out = append(out, a.leavesOf(f, path, required)...)
	}
	return out
}

// variables makes what the operation needs, by value for each leaf, and the
// given one beside. value nil leaves it out.
func (op operation) variables(value func(leaf) any, also *leaf, given any) map[string]any {
	out := map[string]any{}
	set := func(l leaf, v any) {
		if l.list {
			v = []any{v}
		}
		m := out
		for _, name := range l.path[:len(l.path)-1] {
			inner, ok := m[name].(map[string]any)
			if !ok {
				inner = map[string]any{}
				m[name] = inner
			}
			m = inner
		}
		m[l.path[len(l.path)-1]] = v
	}
	for _, l := range op.leaves {
		if l.required {
			set(l, value(l))
		}
	}
	if len(op.leaves) > 0 && len(op.leaves[0].path) > 1 && out[op.leaves[0].path[0]] == nil {
		out[op.leaves[0].path[0]] = map[string]any{} // an input without required fields
	}
	if also != nil {
		set(*also, given)
	}
	return out
}

// buffered is a body from memory, for do.
func buffered(s string) io.Reader { return bytes.NewReader([]byte(s)) }

// dialAnonymously opens a socket without a token.
func dialAnonymously(t testing.TB, p *program) *wsclient.Conn {
	t.Helper()
	c, err := wsclient.Dial(t.Context(), p.ws(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
