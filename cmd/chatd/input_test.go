package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// injections are texts that mean something to a store, a template, a shell, a
// terminal or a browser, and nothing to a chat server.
func injections() []string {
	out := []string{
		`'`, `"`, "`", `\`, `%`, `_`, `*`, `?`, `;`, `--`, `#`, `$1`, `?1`, `:x`, `@x`, `{}`, `[]`, `null`, `true`, `0`, `-1`, `NaN`,
		`' OR '1'='1`, `' OR 1=1 --`, `'; DROP TABLE messages; --`, `") OR ("1"="1`, `1) UNION SELECT * FROM accounts --`, `' UNION SELECT password FROM accounts --`,
		`\'; SELECT pg_sleep(10); --`, `'||(SELECT sqlite_version())||'`, `' AND 1=CAST((SELECT version()) AS int) --`, `x' COLLATE NOCASE --`,
		`%' ESCAPE '!`, `a* OR b`, `"a" NEAR "b"`, `^a`, `name:admin`, `-a`, `(`, `)`, `{"$gt":""}`, `{"$where":"sleep(1)"}`, `[$ne]=1`, `$where: '1'`,
		`${7*7}`, `{{7*7}}`, `<%= 7*7 %>`, `$(id)`, "`id`", `| id`, `%s%s%n`, `%00`, `../../../../etc/passwd`, `file:///etc/passwd`, `http://127.0.0.1:1/`,
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, "a\r\nSet-Cookie: x=1", "\x00", "a\x00b", "\x1b[2J", "\x1b]8;;http://x\x07", "\u202e\u2066",
		"\ufeff", "\uffff", "\U0010ffff", "é", "e\u0301", "ﬁ", "İ", "ß", "👩‍👩‍👧", strings.Repeat("a", 300), strings.Repeat("\u0301", 300), " ", "",
	}
	return out
}

// Every text that an operation takes is tried with every odd one, on each
// store: what comes back is data or an error by the list, never a fault.
func TestOddTextsAreTextsInEveryArgument(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		ada, bob := p.register(t, "ada"), p.register(t, "bob")
		own := somewhere{"conversation": p.group(t, ada, bob), "session": p.session(t, ada), "user": bob.id}
		m, err := p.send(t.Context(), ada, own["conversation"], "one", "")
		if err != nil {
			t.Fatal(err)
		}
		own["message"] = m.ID
		value := ownValues(own)
		conn := p.dial(t, ada)
		tried := 0
		for _, op := range p.api(t).operations() {
			for _, l := range op.leaves {
				if l.typ != "String" && l.typ != "ID" && l.typ != "Time" {
					continue
				}
				for i, odd := range injections() {
					if endsTheSession(op.field) && i%8 != 0 {
						continue // each may cost a hash, which is meant to be slow
					}
					tried++
					what := fmt.Sprintf("%s of %s = %q", l, op.field, odd)
					v := op.variables(value(op), &l, odd)
					if op.kind == "subscription" {
						r := askSocket(t, conn, op.doc, v)
						mustTellNothing(t, what, reply{body: r}, odd)
						continue
					}
					r := p.ask(t, ada.token, op.doc, v)
					sent, err := json.Marshal(v)
					if err != nil {
						t.Fatal(err)
					}
					mustTellNothing(t, what, r, odd+string(sent))
				}
			}
		}
		if tried < 2000 {
			t.Errorf("only %d tried", tried)
		}
		stored := map[string]bool{}
		for _, m := range p.history(t, ada, own["conversation"]) {
			stored[m.text()] = true
		}
		for _, odd := range injections() {
			if bare := strings.TrimSpace(odd); bare == odd && bare != "" && !strings.ContainsAny(odd, "\x00\x1b") && !stored[odd] {
				t.Errorf("%q was not kept as it was sent", odd)
			}
		}
	})
}

// What means something to a store's patterns finds itself and nothing else.
func TestASearchTakesEveryCharacterAsItself(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		names := []string{"%any", "_one", `"quoted`, `'single`, `\back`, "*star", "[set", "(group", "^first"}
		var who person
		for i, name := range names {
			who = p.register(t, fmt.Sprintf("user%d", i))
			if err := p.gql(t.Context(), who.token, `mutation($n: String!) { updateProfile(input: {displayName: $n}) { user { id } } }`, vars("n", name), nil); err != nil {
				t.Fatalf("%q: %v", name, err)
			}
		}
		for i, name := range names {
			var d struct {
				SearchUsers struct {
					Edges []struct {
						Node struct{ Username, DisplayName string }
					}
				}
			}
			if err := p.gql(t.Context(), who.token, `query($q: String!) { searchUsers(query: $q) { edges { node { username displayName } } } }`, vars("q", name[:2]), &d); err != nil {
				t.Fatalf("%q: %v", name, err)
			}
			if got := d.SearchUsers.Edges; len(got) != 1 || got[0].Node.DisplayName != name || got[0].Node.Username != fmt.Sprintf("user%d", i) {
				t.Errorf("%q finds %+v", name[:2], got)
			}
		}
	})
}

// Requests changed at random tell nothing of the server and do it no harm.
func TestRequestsChangedAtRandomTellNothing(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	seeds := []string{
		`{"query":"query($c: ID!, $n: Int) { messages(conversationId: $c, last: $n) { edges { cursor node { id text sender { username } } } pageInfo { endCursor } } }","variables":{"c":"` + room + `","n":3}}`,
		`{"query":"mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id seq } } }","variables":{"i":{"conversationId":"` + room + `","text":"hello \"you\" \\ \u00e9","clientId":"k"}}}`,
		`{"query":"{ viewer { user { id } streamCursor } events(first: 2) { edges { node { __typename cursor } } } }","operationName":null,"extensions":{}}`,
		`{"query":"mutation { updateProfile(input: {statusText: \"x\", statusExpiresAt: \"2040-01-01T00:00:00Z\"}) { user { id } } }"}`,
		`{"query":"query A { users(ids: [\"` + ada.id + `\"]) { ...u } } fragment u on User { id username @skip(if: false) }","operationName":"A"}`,
	}
	const alphabet = "\x00\x01\"\\{}[]()$@!:,.#&|=' \n\t09aZ_-\u00e9\xff\xc3"
	rnd := rand.New(rand.NewPCG(1, 2)) // the same each time
	conn := p.dial(t, ada)
	for n := range 400 {
		b := []byte(seeds[n%len(seeds)])
		for range 1 + rnd.IntN(4) {
			i := rnd.IntN(len(b))
			switch rnd.IntN(4) {
			case 0:
				b[i] = alphabet[rnd.IntN(len(alphabet))]
			case 1:
				b = append(b[:i], b[i+1:]...)
			case 2:
				j := min(len(b), i+rnd.IntN(30))
				b = append(b[:j:j], append([]byte(string(b[i:j])), b[j:]...)...)
			default:
				b = append(b[:i:i], append([]byte{alphabet[rnd.IntN(len(alphabet))]}, b[i:]...)...)
			}
		}
		r := p.post(t, ada.token, string(b))
		mustTellNothing(t, string(b), r, string(b))
		if r.status != http.StatusOK && (r.code() == "" || !strings.Contains(r.body, `"requestId":""`)) {
			t.Errorf("%q: %v", b, r)
		}
		var req struct {
			Query     string
			Variables map[string]any
		}
		if json.Unmarshal(b, &req) == nil && req.Query != "" {
			mustTellNothing(t, string(b), reply{body: askSocket(t, conn, req.Query, req.Variables)}, string(b))
		}
	}
}

func TestRequestsThatAreNoneAreRefusedByTheList(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	send := func(text string) string {
		return `{"query":"mutation($t: String!) { sendMessage(input: {conversationId: \"` + room + `\", text: $t}) { message { text } } }","variables":{"t":` + text + `}}`
	}
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"nothing", "", 400, "BAD_USER_INPUT"},
		{"no JSON", "{{{", 400, "BAD_USER_INPUT"},
		{"JSON cut off", `{"query":"{ __typ`, 400, "BAD_USER_INPUT"},
		{"JSON and more", `{"query":"{ __typename }"} {}`, 400, "BAD_USER_INPUT"},
		{"a number", "7", 400, "BAD_USER_INPUT"},
		{"null", "null", 400, "BAD_USER_INPUT"},
		{"query that is no text", `{"query":7}`, 400, "BAD_USER_INPUT"},
		{"variables that are a list", `{"query":"{ __typename }","variables":[]}`, 400, "BAD_USER_INPUT"},
		{"ten thousand brackets", strings.Repeat("[", 10_000), 400, "BAD_USER_INPUT"},
		{"deep variables", `{"query":"{ __typename }","variables":{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}}`, 400, "BAD_USER_INPUT"},
		{"ten mebibytes of variables", `{"query":"{ __typename }","variables":{"a":"` + strings.Repeat("x", 10<<20) + `"}}`, 413, "PAYLOAD_TOO_LARGE"},
		{"no GraphQL", `{"query":"{"}`, 400, "GRAPHQL_PARSE_FAILED"},
		{"an unknown field", `{"query":"{ nothing }"}`, 400, "GRAPHQL_VALIDATION_FAILED"},
		{"an unknown operation", `{"query":"query A { __typename }","operationName":"B"}`, 400, "GRAPHQL_VALIDATION_FAILED"},
		{"an unknown argument", `{"query":"{ viewer(id: 1) { user { id } } }"}`, 400, "GRAPHQL_VALIDATION_FAILED"},
		{"an unknown type of operation", `{"query":"delete { __typename }"}`, 400, "GRAPHQL_PARSE_FAILED"},
		{"an unknown persisted query", `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}`, 400, "PERSISTED_QUERY_NOT_FOUND"},
		{"a subscription over HTTP", `{"query":"subscription { events { cursor } }"}`, 400, ""},
		{"an empty text", send(`""`), 200, "BAD_USER_INPUT"},
		{"10,000 characters", send(`"` + strings.Repeat("é", 10_000) + `"`), 200, ""},
		{"10,000 characters beyond the first plane", send(`"` + strings.Repeat("😀", 10_000) + `"`), 200, ""},
		{"10,001 characters", send(`"` + strings.Repeat("é", 10_001) + `"`), 200, "BAD_USER_INPUT"},
		{"a text with a zero", send(`"a\u0000b"`), 200, "BAD_USER_INPUT"},
		{"a text that is not UTF-8", send("\"\xff\xfe\""), 400, "BAD_USER_INPUT"},
		{"a text that is no text", send(`7`), 400, "BAD_USER_INPUT"},
		{"no text", send(`null`), 400, "BAD_USER_INPUT"},
	} {
		r := p.post(t, ada.token, c.body)
		if r.status != c.status || r.code() != c.code && c.code != "" || c.code == "" && c.status == 200 && r.code() != "" {
			t.Errorf("%s: %v", c.name, r)
		}
		mustTellNothing(t, c.name, r, "")
	}
	if h := p.history(t, ada, room); len(h) != 2 {
		t.Errorf("%d messages are stored, 2 were good", len(h))
	}
}

// Odd messages on a socket end it, or the operation, with the right code, and
// nobody else notices.
func TestOddMessagesOnASocketEndItAlone(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	bystander := p.dial(t, ada)
	const start = `{"id":"1","type":"subscribe","payload":{"query":"subscription { events { cursor } }"}}`
	for _, c := range []struct {
		name  string
		acked bool
		say   []string
		code  int
	}{
		{"no JSON", true, []string{"{{{"}, 4400},
		{"a frame that is cut", true, []string{`{"type":"pi`}, 4400},
		{"deep JSON", true, []string{strings.Repeat("[", 100_000)}, 4400},
		{"a type that is there twice", true, []string{`{"type":"ping","type":"nope"}`}, 4400},
		{"an id that is a number", true, []string{`{"id":1,"type":"complete"}`}, 4400},
		{"an id of 300 characters", true, []string{strings.Replace(start, `"1"`, `"`+strings.Repeat("i", 300)+`"`, 1)}, 4400},
		{"subscribe before connection_init", false, []string{start}, 4401},
		{"two connection_init", true, []string{`{"type":"connection_init"}`}, 4429},
		{"an id that is in use", true, []string{start, start}, 4409},
		{"connection_init with a list", false, []string{`{"type":"connection_init","payload":[]}`}, 4400},
		{"connection_init with odd types", false, []string{`{"type":"connection_init","payload":{"authorization":{},"resume":7}}`}, 4400},
		{"resume that is no position", false, []string{`{"type":"connection_init","payload":{"resume":{"seq":{"x":"y"}}}}`}, 4400},
		{"more than 8 KiB before the acknowledgement", false, []string{`{"type":"connection_init","payload":{"x":"` + strings.Repeat("x", 8<<10) + `"}}`}, 1009},
		{"more than 256 KiB", true, []string{`{"type":"ping","payload":{"x":"` + strings.Repeat("x", 256<<10) + `"}}`}, 1009},
		{"another server's token", false, []string{`{"type":"connection_init","payload":{"token":"a.b.c"}}`}, 4403},
	} {
		s, err := wsclient.Open(t.Context(), p.ws(), wsclient.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if c.acked {
			if err := s.WriteText([]byte(`{"type":"connection_init","payload":{"token":"` + ada.token + `"}}`)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.ReadMessage(); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range c.say {
			_ = s.WriteText([]byte(m))
		}
		if code := ended(t, s); code != c.code {
			t.Errorf("%s: closed with %d, want %d", c.name, code, c.code)
		}
		_ = s.Close()
	}
	for _, protocol := range []string{"graphql-ws", "nonsense", ""} {
		o := wsclient.Options{Subprotocols: []string{}}
		if protocol != "" {
			o.Subprotocols = []string{protocol}
		}
		s, err := wsclient.Open(t.Context(), p.ws(), o)
		if err != nil {
			t.Fatal(err)
		}
		if code := ended(t, s); code != 4406 {
			t.Errorf("subprotocol %q: closed with %d", protocol, code)
		}
		_ = s.Close()
	}
	rnd := rand.New(rand.NewPCG(3, 4)) // the same each time
	for range 200 {
		b := []byte(start)
		for range 1 + rnd.IntN(3) {
			b[rnd.IntN(len(b))] = byte(rnd.IntN(256))
		}
		c := dialAnonymously(t, p)
		_ = c.WriteText(b)
		_ = c.WriteText([]byte(`{"type":"nope"}`))
		select {
		case <-c.Done():
			if code := closeCode(c.Err()); code != 4400 && code != 1007 {
				t.Errorf("%q: %v", b, c.Err())
			}
		case <-time.After(15*time.Second + grace):
			t.Errorf("%q: still open", b)
		}
	}
	barrier(t, bystander)
}

// Half a surrogate pair is no character: made into one, two inputs would be
// the same that are not. An empty key or cursor is not the same as none.
func TestWhatIsNoTextOrEmptyIsNotTakenForSomethingElse(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	room := p.group(t, ada, bob)
	send := func(field, value string) string {
		input := map[string]string{"conversationId": `"` + room + `"`, "text": `"x"`, field: value}
		var fields []string
		for k, v := range input {
			fields = append(fields, `"`+k+`":`+v)
		}
		return `{"query":"mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { seq } } }","variables":{"i":{` +
			strings.Join(fields, ",") + `}}}`
	}
	for _, field := range []string{"text", "clientId"} {
		for _, value := range []string{`"a\ud800b"`, `"\udc00"`, `"\ud83d\u0041"`, `""`} {
			r := p.post(t, ada.token, send(field, value))
			if r.code() != "BAD_USER_INPUT" || strings.Contains(r.body, `"seq"`) {
				t.Errorf("%s %s: %v", field, value, r)
			}
		}
	}
	if r := p.post(t, ada.token, send("text", `"\ud83d\ude42"`)); r.code() != "" {
		t.Errorf("a whole pair: %v", r)
	}
	if n := len(p.history(t, ada, room)); n != 1 {
		t.Errorf("%d messages are stored", n)
	}
	socket, err := wsclient.Open(t.Context(), p.ws(), wsclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	_ = socket.NetConn().SetDeadline(time.Now().Add(10*time.Second + grace))
	if err := socket.WriteText([]byte(`{"type":"connection_init","payload":{"x":"\ud800"}}`)); err != nil {
		t.Fatal(err)
	}
	_, err = socket.ReadMessage()
	if closed, ok := errors.AsType[*wsclient.CloseError](err); !ok || closed.Code != 4400 {
		t.Errorf("on a socket: %v", err)
	}
	for _, doc := range []string{
		`{ conversations(after: "") { edges { cursor } } }`,
		`{ messages(conversationId: "` + room + `", before: "") { edges { cursor } } }`,
		`{ messages(conversationId: "` + room + `", after: "") { edges { cursor } } }`,
		`{ events(after: "") { edges { cursor } } }`,
	} {
		if r := p.ask(t, ada.token, doc, nil); r.code() != "BAD_USER_INPUT" {
			t.Errorf("%s: %v", doc, r)
		}
	}
}
