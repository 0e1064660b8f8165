package gqlx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"chatd/internal/platform/gqlx"
)

func TestARequestIsRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]gqlx.Request{
		`{"query":"{ a }"}`: {Query: "{ a }"},
		` {"query":null,"operationName":null,"variables":null,"extensions":null} `: {},
		`{"query":"\ud83d\ude42 \u00e9\n","operationName":"x","other":[1,{"query":2}]}`: {
			Query: "🙂 é\n", OperationName: "x",
		},
		`{"variables":{"a":9007199254740993,"b":[1.50,true,null,[],{}],"":{"c":"d"}},"extensions":{"e":false}}`: {
			Variables: map[string]any{
				"a": json.Number("9007199254740993"),
				"b": []any{json.Number("1.50"), true, nil, []any{}, map[string]any{}},
				"":  map[string]any{"c": "d"},
			},
			Extensions: map[string]any{"e": false},
		},
	} {
		r, document, err := gqlx.DecodeRequest([]byte(text))
		if err != nil || !reflect.DeepEqual(r, want) || document != (want.Query != "") {
			t.Errorf("%s: %#v, %t, %v", text, r, document, err)
		}
	}
}

func TestWhatIsNoRequestIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	const noJSON = "the text is not JSON"
	for text, want := range map[string]string{
		``:                                noJSON,
		`{"query":`:                       noJSON,
		`{"query":"a"} {}`:                noJSON,
		`{"variables":{"a":1,}}`:          noJSON,
		`{"variables":{"a":[1`:            noJSON,
		`{"query":"a","query":"b"}`:       noJSON,
		`{"variables":{"a":1,"a":2}}`:     noJSON,
		"{\"query\":\"\xff\"}":            noJSON,
		`{"query":"\ud800"}`:              noJSON,
		`{"query":"\ud800\n"}`:            noJSON,
		`{"query":"\ud800\ud800"}`:        noJSON,
		`{"query":"\udc00"}`:              noJSON,
		`{"variables":{"\\\ud800":1}}`:    noJSON,
		`{"variables":{"a":["x\udc00"]}}`: noJSON,
		`{"x":"\ud83d\ude42\ude42"}`:      noJSON,
		`[]`:                              "must be an object",
		`"query"`:                         "must be an object",
		`{"query":1}`:                     "query must be a string",
		`{"operationName":{}}`:            "operationName must be a string",
		`{"variables":[{}]}`:              "variables must be an object",
		`{"query":"a","extensions":"x"}`:  "extensions must be an object",
		`{"variables":` + strings.Repeat(`{"a":`, 20_000) + `1` + strings.Repeat(`}`, 20_001): noJSON,
	} {
		if r, _, err := gqlx.DecodeRequest([]byte(text)); err == nil || err.Error() != want || !reflect.ValueOf(r).IsZero() {
			t.Errorf("%.60s: %v %v, want %s", text, r, err, want)
		}
	}
}

// What is taken is what encoding/json makes of it, and that takes it as well.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{
		`{"query":"{ a }","variables":{"i":{"n":1e400,"s":"\ud83d\ude42","l":[null,true,-0.0]}}}`,
		`{"Query":"{ a }","variables":null,"extensions":{"persistedQuery":{"version":1}}}`,
		`{"query":"a","query":"b"}`, "{\"query\":\"\xff\"}", `[{}]`, `{"variables":{"":{"":[[]]}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, document, err := gqlx.DecodeRequest(text)
		if err != nil {
			return
		}
		var all map[string]any
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&all); err != nil {
			t.Fatalf("%q is taken, and is no JSON: %v", text, err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			t.Fatalf("%q is taken, with what follows", text)
		}
		if !utf8.Valid(text) {
			t.Fatalf("%q is taken, and is not UTF-8", text)
		}
		want := gqlx.Request{}
		want.Query, _ = all["query"].(string)
		want.OperationName, _ = all["operationName"].(string)
		want.Variables, _ = all["variables"].(map[string]any)
		want.Extensions, _ = all["extensions"].(map[string]any)
		if !reflect.DeepEqual(r, want) || document != (all["query"] != nil) {
			t.Fatalf("%q is read as %#v, want %#v", text, r, want)
		}
	})
}

func BenchmarkDecodeRequest(b *testing.B) {
	text := []byte(`{"query":"mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id seq } duplicate } }",` +
		`"variables":{"input":{"conversationId":"0193581c-7c0f-7b66-a7b5-3f6c7f5f2d11","clientId":"c-17",` +
		`"text":"` + strings.Repeat("the quick brown fox ", 10) + `"}}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := gqlx.DecodeRequest(text); err != nil {
			b.Fatal(err)
		}
	}
}
