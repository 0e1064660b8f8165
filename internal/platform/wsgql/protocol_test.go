package wsgql_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/wsgql"
	"chatd/internal/platform/wsgql/wsclient"
)

const initMessage = `{"type":"connection_init"}`

func TestProtocolErrorsCloseTheSocketWithTheirCode(t *testing.T) {
	t.Parallel()
	r, hasty := setup(t, wsgql.Config{}), setup(t, wsgql.Config{InitTimeout: 300 * time.Millisecond})
	tests := []struct {
		name string
		code int
		say  []string
	}{
		{"silence", 4408, nil},
		{"subscribe before init", 4401, []string{`{"id":"1","type":"subscribe","payload":{"query":"{ok}"}}`}},
		{"two inits", 4429, []string{initMessage, initMessage}},
		{"taken id", 4409, []string{initMessage, `{"id":"1","type":"subscribe","payload":{"query":"sub a"}}`, `{"id":"1","type":"subscribe","payload":{"query":"sub b"}}`}},
		{"taken id of a query", 4409, []string{initMessage, `{"id":"1","type":"subscribe","payload":{"query":"{wait}"}}`, `{"id":"1","type":"subscribe","payload":{"query":"{ok}"}}`}},
		{"no JSON", 4400, []string{`{{{`}},
		{"nothing", 4400, []string{``}},
		{"an array", 4400, []string{`[]`}},
		{"null", 4400, []string{`null`}},
		{"a type that is no string", 4400, []string{`{"type":1}`}},
		{"no type", 4400, []string{`{}`}},
		{"unknown type", 4400, []string{`{"type":"nope"}`}},
		{"a server's message", 4400, []string{`{"type":"connection_ack"}`}},
		{"next from a client", 4400, []string{initMessage, `{"id":"1","type":"next","payload":{}}`}},
		{"subscribe without id", 4400, []string{initMessage, `{"type":"subscribe","payload":{"query":"{ok}"}}`}},
		{"subscribe with an empty id", 4400, []string{initMessage, `{"id":"","type":"subscribe","payload":{"query":"{ok}"}}`}},
		{"subscribe with a long id", 4400, []string{initMessage, `{"id":"` + strings.Repeat("i", 300) + `","type":"subscribe","payload":{"query":"{ok}"}}`}},
		{"subscribe with a numeric id", 4400, []string{initMessage, `{"id":1,"type":"subscribe","payload":{"query":"{ok}"}}`}},
		{"subscribe without payload", 4400, []string{initMessage, `{"id":"1","type":"subscribe"}`}},
		{"subscribe without query", 4400, []string{initMessage, `{"id":"1","type":"subscribe","payload":{}}`}},
		{"variables that are no object", 4400, []string{initMessage, `{"id":"1","type":"subscribe","payload":{"query":"{ok}","variables":[]}}`}},
		{"complete without id", 4400, []string{initMessage, `{"type":"complete"}`}},
		{"payload of init that is no object", 4400, []string{`{"type":"connection_init","payload":"x"}`}},
		{"payload of ping that is no object", 4400, []string{`{"type":"ping","payload":1}`}},
		{"a token that is no string", 4400, []string{`{"type":"connection_init","payload":{"authorization":5}}`}},
		{"resume that is none", 4400, []string{`{"type":"connection_init","payload":{"resume":5}}`}},
		{"bad token", 4403, []string{`{"type":"connection_init","payload":{"authorization":"Bearer bad"}}`}},
		{"authority not to be had", 1013, []string{`{"type":"connection_init","payload":{"authorization":"Bearer down"}}`}},
		{"authority broken", 1013, []string{`{"type":"connection_init","payload":{"authorization":"Bearer broken"}}`}},
		{"long message before init", 1009, []string{`{"type":"ping","payload":{"x":"` + strings.Repeat("x", 8<<10) + `"}}`}},
		{"long message", 1009, []string{initMessage, `{"type":"ping","payload":{"x":"` + strings.Repeat("x", 256<<10) + `"}}`}},
		{"bad UTF-8", 1007, []string{"{\"type\":\"ping\",\"payload\":{\"x\":\"\xff\"}}"}},
		{"a panic", 1011, []string{initMessage, `{"id":"1","type":"subscribe","payload":{"query":"panic"}}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := r
			if tt.say == nil { // all others have time to speak
				at = hasty
			}
			p := at.open(t, wsclient.Options{})
			p.say(tt.say...)
			p.closedWith(tt.code)
			if _, err := p.ReadMessage(); err == nil {
				t.Error("the connection is still open")
			}
		})
	}
}

func TestFramesThatBreakTheRulesEndTheConnection(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	tests := []struct {
		name string
		raw  string
		code int
	}{
		{"unmasked", "\x81\x02{}", 1002},
		{"reserved bit", "\xc1\x80\x00\x00\x00\x00", 1002},
		{"unknown opcode", "\x83\x80\x00\x00\x00\x00", 1002},
		{"fragmented ping", "\x09\x80\x00\x00\x00\x00", 1002},
		{"long ping", "\x89\xfe\x00\x7e\x00\x00\x00\x00" + strings.Repeat("x", 126), 1002},
		{"stray continuation", "\x80\x80\x00\x00\x00\x00", 1002},
		{"new message inside another", "\x01\x81\x00\x00\x00\x00{\x81\x81\x00\x00\x00\x00{", 1002},
		{"2^62 bytes", "\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("x", 9<<10), 1009},
		{"negative length", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 1002},
		{"close with 1005", "\x88\x82\x00\x00\x00\x00\x03\xed", 1002},
		{"close with one byte", "\x88\x81\x00\x00\x00\x00\x03", 1002},
		{"binary", "\x82\x83\x00\x00\x00\x00\x00\xff\x01", 4400},
		{"a goodbye", "\x88\x82\x00\x00\x00\x00\x03\xe8", 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := r.open(t, wsclient.Options{})
			if err := p.WriteRaw([]byte(tt.raw)); err != nil {
				t.Fatal(err)
			}
			p.closedWith(tt.code)
		})
	}
}

func TestAck(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	type ack struct {
		Server           string
		Version          string
		Capabilities     map[string]bool
		SessionExpiresAt *time.Time
	}
	for _, tt := range []struct {
		name, payload string
		signedIn      bool
	}{
		{"authorization", `{"authorization":"Bearer good"}`, true},
		{"in any case", `{"Authorization":"bearer good"}`, true},
		{"without a scheme", `{"authorization":"good"}`, true},
		{"token", `{"token":"good"}`, true},
		{"authToken", `{"authToken":"good"}`, true},
		{"null token", `{"authorization":null}`, false},
		{"nothing", `{}`, false},
		{"null", `null`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := r.open(t, wsclient.Options{})
			p.say(`{"type":"connection_init","payload":` + tt.payload + `}`)
			var a ack
			if m := p.hear(); m.Type != "connection_ack" || json.Unmarshal(m.Payload, &a) != nil {
				t.Fatalf("heard %s", m)
			}
			if a.Server != "chatd" || a.Version != "1.2.3" || !a.Capabilities["resume"] {
				t.Errorf("ack is %+v", a)
			}
			if (a.SessionExpiresAt != nil) != tt.signedIn {
				t.Errorf("sessionExpiresAt is %v", a.SessionExpiresAt)
			}
			p.start("1", "{me}")
			m := p.hear()
			if tt.signedIn && m.Type != "next" || !tt.signedIn && m.code() != "UNAUTHENTICATED" {
				t.Errorf("{me} gives %s", m)
			}
		})
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	p := r.ready(t, "good")
	p.say(`{"type":"ping"}`, `{"type":"pong"}`, `{"type":"ping","payload":{"a":1}}`, `{"id":"unknown","type":"complete"}`)
	p.wants("pong")
	p.wants(`pong {"a":1}`)

	p.start("ü\"1", "{ok}")
	p.wants(`ü"1 next {"data":{"ok":true}}`)
	p.wants(`ü"1 complete`)

	p.start("2", "invalid")
	if m := p.hear(); m.ID != "2" || m.code() != "GRAPHQL_VALIDATION_FAILED" {
		t.Errorf("heard %s", m)
	}
	p.start("2", "sub a denied")
	if m := p.hear(); m.code() != "NOT_FOUND" {
		t.Errorf("heard %s", m)
	}
	p.start("2", "{big 300000}")
	if m := p.hear(); len(m.Payload) < 300000 {
		t.Errorf("heard %d bytes", len(m.Payload))
	}
	p.wants("2 complete")
}

func TestASubscriptionIsInForceBeforeALaterOperationIsAnswered(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	p := r.ready(t, "good")
	for i := range 20 {
		topic := "t" + string(rune('a'+i))
		p.start("s"+topic, "sub "+topic)
		p.start("q"+topic, "{ok}")
		p.wants("q" + topic + ` next {"data":{"ok":true}}`)
		p.wants("q" + topic + ` complete`)
		r.publish(topic, 1, 2)
		p.wants("s" + topic + ` next {"data":{"n":1}}`)
	}
}

func TestCompleteStopsNextAndFreesTheID(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	p := r.ready(t, "good")
	for n := range 5 {
		p.start("1", "sub a")
		p.start("f", "{ok}")
		p.wants(`f next {"data":{"ok":true}}`)
		p.wants(`f complete`)
		r.publish("a", n, n+1)
		p.wants(`1 next {"data":{"n":` + string(rune('0'+n)) + `}}`)
		p.say(`{"id":"1","type":"complete"}`, `{"type":"ping"}`)
		p.wants("pong")
		if got := r.hub.Publish("a", feedItem(99)); got != 0 {
			t.Fatal("still subscribed after complete")
		}
	}
}

func TestCompleteCancelsAQueryButNotAMutation(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	p := r.ready(t, "good")
	p.start("q", "{wait}")
	<-r.running
	p.say(`{"id":"q","type":"complete"}`)
	p.start("m", "mutation wait")
	<-r.running
	p.say(`{"id":"m","type":"complete"}`, `{"type":"ping"}`)
	p.wants("pong") // and no answers: the query was cancelled, the mutation goes on
	r.release <- struct{}{}
	eventually(t, "finished", func() bool { return len(r.release) == 0 })
	p.say(`{"type":"ping"}`)
	p.wants("pong")
}

func TestOperationsAreBoundedAndRunBesideEachOther(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{InFlight: 4})
	p := r.ready(t, "good")
	for i := range 6 {
		p.start(string(rune('a'+i)), "{wait}")
	}
	for range 4 {
		<-r.running
	}
	select {
	case <-r.running:
		t.Error("a fifth operation runs")
	case <-time.After(50 * time.Millisecond):
	}
	for range 6 {
		r.release <- struct{}{}
	}
	answers := map[string]bool{}
	for range 12 {
		answers[p.hear().ID] = true
	}
	if len(answers) != 6 {
		t.Errorf("%d answers", len(answers))
	}
}

func TestAStreamEndsWithCompleteOrError(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	p := r.ready(t, "good")
	subscribe := func(id string) {
		p.start(id, "sub a")
		p.say(`{"type":"ping"}`)
		p.wants("pong")
	}
	subscribe("1")
	r.publish("a", 1, 2)
	r.hub.Publish("a", itemOf(end{}))
	p.wants(`1 next {"data":{"n":1}}`)
	p.wants("1 complete")
	subscribe("1")
	r.hub.Publish("a", itemOf(end{errNotFound}))
	if m := p.hear(); m.ID != "1" || m.code() != "NOT_FOUND" {
		t.Errorf("heard %s", m)
	}
	subscribe("1")
	r.hub.Publish("a", itemOf(0)) // cannot be rendered
	if m := p.hear(); m.code() != "NOT_FOUND" {
		t.Errorf("heard %s", m)
	}
	subscribe("1")
	r.hub.Publish("a", itemOf("panics"))
	if m := p.hear(); m.code() != "INTERNAL" {
		t.Errorf("heard %s", m)
	}
	eventually(t, "closed", func() bool { return r.streams.Load() == 0 })
}

func TestTheSubprotocolIsRequired(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	for _, offered := range [][]string{{}, {"graphql-ws"}, {"nope", "graphql-transport-ws2"}} {
		p := r.open(t, wsclient.Options{Subprotocols: offered})
		p.closedWith(4406)
	}
	p := r.open(t, wsclient.Options{Subprotocols: []string{"graphql-ws", "graphql-transport-ws"}})
	if p.Subprotocol() != wsgql.Protocol {
		t.Errorf("chose %q", p.Subprotocol())
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{AllowedOrigins: []string{"https://App.example.org", "http://127.0.0.1:1"}})
	host := strings.TrimSuffix(strings.TrimPrefix(r.url, "ws://"), "/graphql")
	for origin, allowed := range map[string]bool{
		"":                                true,
		"http://" + host:                  true,
		"https://" + host:                 true,
		"https://app.example.org":         true,
		"https://app.example.org:443":     true,
		"http://127.0.0.1:1":              true,
		"http://app.example.org":          false,
		"https://app.example.org:8443":    false,
		"https://evil.app.example.org":    false,
		"https://app.example.org.evil.io": false,
		"https://evilapp.example.org":     false,
		"https://app.example.org@evil.io": false,
		"https://app.example.org/x":       false,
		"null":                            false,
		"file://":                         false,
		"http://127.0.0.1:2":              false,
		"http://127.0.0.1":                false,
		"chrome-extension://abcdef":       false,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		s, err := wsclient.Open(t.Context(), r.url, wsclient.Options{Header: header})
		if err == nil {
			_ = s.Close()
		}
		var h *wsclient.HandshakeError
		if allowed != (err == nil) || !allowed && (!errors.As(err, &h) || h.Status != http.StatusForbidden) {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
}

func TestResumeReachesTheStreams(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	p := r.open(t, wsclient.Options{})
	p.say(`{"type":"connection_init","payload":{"token":"good","resume":{"cursor":"c","seq":{"a":3}}}}`)
	p.hear()
	p.start("1", "sub a after 2")
	p.wants(`1 next {"data":{"n":0}}`)
	p.wants(`1 next {"data":{"n":1}}`)
	eventually(t, "live", func() bool { return r.hub.Topics() == 1 })
	r.publish("a", 2, 3)
	p.wants(`1 next {"data":{"n":2}}`)
	if got := r.lastResume(); got.Cursor != "c" || got.Seq["a"] != 3 {
		t.Errorf("resume is %+v", got)
	}
}
