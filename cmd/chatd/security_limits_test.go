package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// nest writes n fields around the innermost.
func nest(field string, n int, innermost string) string {
	return strings.Repeat(field+" { ", n) + innermost + strings.Repeat(" }", n)
}

// aliases writes a field n times under different names.
func aliases(n int, field string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d: %s ", i, field)
	}
	return b.String()
}

func TestOneOverALimitIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	conn := p.dial(t, ada)
	const login = `login(input: {login: "ada", password: "not this one"}) { accessToken }`
	many := make([]string, 1001)
	for i := range many {
		many[i] = nobodys["message"]
	}
	for _, c := range []struct {
		name, doc string
		variables map[string]any
		code      string // of the refusal; "" for what is just within the limit
	}{
		{"depth 12", "{ message(id: \"x\") { " + nest("replyTo", 10, "id") + " } }", nil, ""},
		{"depth 13", "{ message(id: \"x\") { " + nest("replyTo", 11, "id") + " } }", nil, "QUERY_TOO_COMPLEX"},
		{"15 aliases", "{ " + aliases(15, `user(id: "x") { id }`) + "}", nil, ""},
		{"16 aliases", "{ " + aliases(16, `user(id: "x") { id }`) + "}", nil, "QUERY_TOO_COMPLEX"},
		{"50 sign-ins in a document", "mutation { " + aliases(50, login) + "}", nil, "QUERY_TOO_COMPLEX"},
		{"2 sign-ins in a document", "mutation { " + aliases(2, login) + "}", nil, "QUERY_TOO_COMPLEX"},
		{"pages within pages", "{ conversations(first: 100) { edges { node { members(first: 100) { edges { node { user { id } } } } } } } }", nil, "QUERY_TOO_COMPLEX"},
		{"pages of unsaid size", "{ conversations { edges { node { members { edges { node { user { id } } } } } } } }", nil, "QUERY_TOO_COMPLEX"},
		{"1,001 ids", "query($i: [ID!]!) { nodes(ids: $i) { id } }", vars("i", many), "QUERY_TOO_COMPLEX"},
		{"64 KiB", "{ __typename }" + strings.Repeat(" ", 64<<10-14), nil, ""},
		{"64 KiB and one", "{ __typename }" + strings.Repeat(" ", 64<<10-13), nil, "PAYLOAD_TOO_LARGE"},
		{"100,000 directives", "{ __typename " + strings.Repeat("@a", 25_000) + "}", nil, "QUERY_TOO_COMPLEX"},
		{"a list in a list in a list", `{ users(ids: ` + strings.Repeat("[", 60_000) + ") { id } }", nil, "QUERY_TOO_COMPLEX"},
		{"10,000 braces", strings.Repeat("{a", 10_000), nil, "QUERY_TOO_COMPLEX"},
		{"a fragment within itself", `{ message(id: "x") { ...a } } fragment a on Message { replyTo { ...a } }`, nil, "QUERY_TOO_COMPLEX"},
		{"fragments that double twenty times", bombOf(20), nil, "QUERY_TOO_COMPLEX"},
		{"a field 500 times", "{ " + strings.Repeat("__typename ", 500) + "}", nil, "QUERY_TOO_COMPLEX"},
		{"introspection that goes round", `{ __schema { types { ` + nest("fields { type", 4, "name") + strings.Repeat(" }", 4) + " } } }", nil, "GRAPHQL_VALIDATION_FAILED"},
	} {
		const limit = 50 * time.Millisecond
		fast := time.Hour
		for n := 0; n < 5 || n < 50 && fast > limit; n++ {
			begin := time.Now()
			r := p.ask(t, ada.token, c.doc, c.variables)
			fast = min(fast, time.Since(begin))
			refused := r.code() == "QUERY_TOO_COMPLEX" || r.code() == "PAYLOAD_TOO_LARGE" || r.code() == "GRAPHQL_VALIDATION_FAILED"
			if c.code != "" && (r.code() != c.code || r.status < 400 || strings.Contains(r.body, `"data"`)) || c.code == "" && refused {
				t.Fatalf("%s: %v", c.name, r)
			}
		}
		if fast > limit {
			t.Errorf("%s took %v", c.name, fast)
		}
		if r := askSocket(t, conn, c.doc, c.variables); c.code != "" && !(strings.HasPrefix(r, "error") && strings.Contains(r, c.code)) {
			t.Errorf("%s on a socket: %.200s", c.name, r)
		}
	}
	if r := p.ask(t, "", "mutation { "+strings.Replace(login, "not this one", "a long passphrase of ada", 1)+" }", nil); r.code() != "" {
		t.Errorf("the refused sign-ins were tried: %v", r)
	}
}

func bombOf(n int) string {
	var b strings.Builder
	b.WriteString("{ ...f0 } ")
	for i := range n {
		fmt.Fprintf(&b, "fragment f%d on Query { ...f%d ...f%d } ", i, i+1, i+1)
	}
	fmt.Fprintf(&b, "fragment f%d on Query { __typename }", n)
	return b.String()
}

// Every list of the schema, wherever it hangs, has pages of 1 to 100.
func TestAPageOutOfBoundsIsRefusedOnEveryList(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	room := p.group(t, ada)
	if err := p.gql(t.Context(), ada.token, `mutation($i: AddMembersInput!) { addMembers(input: $i) { __typename } }`,
		vars("i", vars("conversationId", room, "userIds", []string{bob.id})), nil); err != nil {
		t.Fatal(err)
	}
	m := p.history(t, ada, room)[0] // the note of that
	root := p.says(t, ada, room, "see @"+bob.name)
	p.says(t, ada, room, "reply", "threadRootId", root.ID)
	if err := p.gql(t.Context(), ada.token, `mutation($i: AddReactionInput!) { addReaction(input: $i) { __typename } }`,
		vars("i", vars("messageId", root.ID, "emoji", "👍")), nil); err != nil {
		t.Fatal(err)
	}
	reach := map[string]string{ // how to get to a list that is no field of Query
		"Conversation": `{ conversation(id: "` + room + `") { %s } }`, "Message": `{ message(id: "` + m.ID + `") { %s } }`,
		"SystemNote": `{ message(id: "` + m.ID + `") { system { %s } } }`, "Query": "{ %s }",
		"Thread":          `{ message(id: "` + root.ID + `") { thread { %s } } }`,
		"MessageMentions": `{ message(id: "` + root.ID + `") { mentions { %s } } }`,
		"Reaction":        `{ message(id: "` + root.ID + `") { reactions { %s } } }`,
	}
	needs := map[string]string{
		"messages": `conversationId: "` + room + `", `, "groupInvites": `conversationId: "` + room + `", `,
		"searchUsers": `query: "a", `, "searchMessages": `query: "a", `, "thread": `rootId: "` + root.ID + `", `,
		"pinnedMessages": `conversationId: "` + room + `", `,
	}
	lists := 0
	for _, typ := range p.api(t).types {
		for _, f := range typ.Fields {
			for _, arg := range f.Args {
				if arg.Name != "first" && arg.Name != "last" {
					continue
				}
				lists++
				way := reach[typ.Name]
				if way == "" {
					t.Errorf("how does one get to %s.%s? Give it a row", typ.Name, f.Name)
					continue
				}
				inside := "id"
				if strings.HasSuffix(f.Type.named().Name, "Connection") {
					inside = "pageInfo { hasNextPage }"
				}
				for size, good := range map[int]bool{1: true, 100: true, 101: false, 0: false, -1: false, 1<<31 - 1: false} {
					doc := fmt.Sprintf(way, fmt.Sprintf("%s(%s%s: %d) { %s }", f.Name, needs[f.Name], arg.Name, size, inside))
					r := p.ask(t, ada.token, doc, nil)
					if good != (r.code() == "") || !good && r.code() != "BAD_USER_INPUT" && r.code() != "QUERY_TOO_COMPLEX" {
						t.Errorf("%s: %v", doc, r)
					}
				}
			}
		}
	}
	if lists < 7 {
		t.Errorf("only %d lists found", lists)
	}
	ids := strings.Repeat(`"`+ada.id+`", `, 101)
	for _, field := range []string{"nodes", "users"} {
		if r := p.ask(t, ada.token, "{ "+field+"(ids: ["+ids+"]) { id } }", nil); r.code() != "BAD_USER_INPUT" {
			t.Errorf("%s of 101 ids: %v", field, r)
		}
	}
}

func TestWithoutIntrospectionNothingTellsTheSchema(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "--introspection", "off")
	for _, doc := range []string{`{ __schema { types { name } } }`, `{ __type(name: "User") { name } }`, `{ viewr { user { id } } }`, `mutation { logot { ok } }`} {
		r := p.ask(t, "", doc, nil)
		if r.code() == "" || strings.Contains(r.body, "Did you mean") || strings.Contains(r.body, "logout") || strings.Contains(r.body, "viewer") {
			t.Errorf("%s: %v", doc, r)
		}
	}
	for _, path := range []string{"/graphiql", "/graphiql/", "/schema.graphql"} {
		if r := p.do(t, http.MethodGet, path, nil, nil); r.status != http.StatusNotFound {
			t.Errorf("%s: %v", path, r)
		}
	}
	if r := p.ask(t, "", `{ __typename }`, nil); r.code() != "" {
		t.Errorf("%v", r)
	}
}

// What a page of another site can make a browser send without asking first
// changes nothing.
func TestAFormOfAnotherSiteDoesNothing(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	send := `mutation { sendMessage(input: {conversationId: "` + room + `", text: "forged"}) { message { id } } }`
	auth := "Bearer " + ada.token
	get := p.do(t, http.MethodGet, "/graphql?query="+url.QueryEscape(send), map[string]string{"Authorization": auth}, nil)
	if get.status != http.StatusMethodNotAllowed || get.header.Get("Allow") != "POST" {
		t.Errorf("a mutation by GET: %v", get)
	}
	body := `{"query":` + fmt.Sprintf("%q", send) + `}`
	for _, kind := range []string{
		"", "text/plain", "text/plain; charset=utf-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
		"application/graphql", "text/plain; application/json", "application/json; charset=utf-16",
	} {
		for _, b := range []string{body, "query=" + url.QueryEscape(send), "--x\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n" + body + "\r\n--x--\r\n"} {
			h := map[string]string{"Content-Type": kind, "Authorization": auth}
			if r := p.do(t, http.MethodPost, "/graphql", h, buffered(b)); r.status < 400 || r.status >= 500 {
				t.Errorf("%q: %v", kind, r)
			}
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, "QUERY"} {
		h := map[string]string{"Content-Type": "application/json", "Authorization": auth}
		if r := p.do(t, method, "/graphql", h, buffered(body)); r.status < 400 || r.status >= 500 {
			t.Errorf("%s: %v", method, r)
		}
	}
	batch := "[" + strings.Repeat(body+",", 9) + body + "]"
	if r := p.post(t, ada.token, batch); r.status != http.StatusBadRequest {
		t.Errorf("a batch: %v", r)
	}
	if h := p.history(t, ada, room); len(h) != 0 {
		t.Errorf("something was sent: %+v", h)
	}
}
