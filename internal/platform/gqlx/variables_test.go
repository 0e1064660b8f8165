package gqlx_test

import (
	"encoding/json"
	"strings"
	"testing"

	"chatd/internal/platform/gqlx"
)

func decode(t testing.TB, s string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestVariablesAreCheckedBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	const (
		search = `query($f: Filter, $t: Time, $r: Float) { search(filter: $f, at: $t, radius: $r) }`
		send   = `mutation($input: SendInput!) { send(input: $input) { message { text } } }`
		hello  = `query($n: String = "me") { hello(name: $n) }`
		page   = `query($n: Int) { viewer { friends(first: $n) { pageInfo { hasNextPage } } } }`
		users  = `query($ids: [ID!]!) { users(ids: $ids) { id } }`
		unset  = `query($n: String) { hello(name: $n) }`
	)
	for _, c := range []struct {
		name, query, vars string
		want              string // data, when it runs
		field             string // else the field at fault
	}{
		{"right", search, `{"f":{"text":"x","kinds":["DIRECT"],"limit":3},"t":"2026-11-22T10:30:00+01:00","r":1.5}`, `{"search":"at=true kinds=\u0026[DIRECT] limit=3"}`, ""},
		{"defaults of input fields", search, `{"f":{}}`, `{"search":"at=false kinds=\u003cnil\u003e limit=10"}`, ""},
		{"a single value for a list", search, `{"f":{"kinds":"GROUP"}}`, `{"search":"at=false kinds=\u0026[GROUP] limit=10"}`, ""},
		{"null", search, `{"f":null,"t":null}`, `{"search":"at=false"}`, ""},
		{"nothing", search, `{}`, `{"search":"at=false"}`, ""},
		{"an integer written with a fraction", page, `{"n":5.0}`, `{"viewer":{"friends":{"pageInfo":{"hasNextPage":false}}}}`, ""},
		{"an integer written with an exponent", page, `{"n":5e0}`, `{"viewer":{"friends":{"pageInfo":{"hasNextPage":false}}}}`, ""},
		{"the operation's default", hello, `{}`, `{"hello":"hello me"}`, ""},
		{"the argument's default", unset, `{}`, `{"hello":"hello you"}`, ""},
		{"a number for an id", users, `{"ids":[7]}`, `{"users":[null]}`, ""},
		{"undeclared variables are ignored", hello, `{"other":{"x":[1]}}`, `{"hello":"hello me"}`, ""},
		{"number for a string", send, `{"input":{"text":65}}`, "", "input.text"},
		{"list for a string", send, `{"input":{"text":["a"]}}`, "", "input.text"},
		{"missing input field", send, `{"input":{}}`, "", "input.text"},
		{"missing variable", send, `{}`, "", "input"},
		{"null variable", send, `{"input":null}`, "", "input"},
		{"null input field", send, `{"input":{"text":null}}`, "", "input.text"},
		{"unknown input field", send, `{"input":{"text":"a","admin":true}}`, "", "input.admin"},
		{"string for an input object", send, `{"input":"a"}`, "", "input"},
		{"unknown enum value", search, `{"f":{"kinds":["DIRECT","OTHER"]}}`, "", "f.kinds.1"},
		{"number for an enum", search, `{"f":{"kinds":[1]}}`, "", "f.kinds.0"},
		{"nested input", search, `{"f":{"and":[{},{"and":[{"limit":"x"}]}]}}`, "", "f.and.1.and.0.limit"},
		{"32 bits", page, `{"n":2147483648}`, "", "n"},
		{"33 bits, negative", page, `{"n":-2147483649}`, "", "n"},
		{"a number beyond all", page, `{"n":1e999}`, "", "n"},
		{"a fraction", page, `{"n":1.5}`, "", "n"},
		{"true for an integer", page, `{"n":true}`, "", "n"},
		{"infinite float", search, `{"r":1e999}`, "", "r"},
		{"string for a float", search, `{"r":"1"}`, "", "r"},
		{"not a time", search, `{"t":"tomorrow"}`, "", "t"},
		{"number for a time", search, `{"t":1763800000}`, "", "t"},
		{"fraction for an id", users, `{"ids":[1.5]}`, "", "ids.0"},
		{"null in a list of non-null", users, `{"ids":["a",null]}`, "", "ids.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			r := f.Exec(as(t.Context(), ann), gqlx.Request{Query: c.query, Variables: decode(t, c.vars)})
			if c.field == "" {
				if string(r.Data) != c.want || len(r.Errors) > 0 {
					t.Fatalf("got %s", r.AppendJSON(nil))
				}
				return
			}
			got := string(r.AppendJSON(nil))
			if !r.Refused() || r.Errors[0].Code() != "BAD_USER_INPUT" || r.Errors[0].Extensions["field"] != c.field || r.HTTPStatus() != 400 {
				t.Fatalf("got %s", got)
			}
			for _, goName := range []string{"float64", "json.Number", "map[string]", "interface", "gqlx"} {
				if strings.Contains(got, goName) {
					t.Errorf("tells %q: %s", goName, got)
				}
			}
			if f.calls.Load() != 0 {
				t.Error("a resolver ran")
			}
		})
	}
}

func FuzzVariables(f *testing.F) {
	for _, v := range []string{
		`{}`, `{"f":{"text":"x","kinds":["DIRECT"],"limit":3,"and":[{"limit":1e0}]},"t":"2026-11-22T10:30:00Z","r":-0.5,"ids":["a",1]}`,
		`{"f":null,"ids":"a"}`, `{"f":[],"t":{},"r":"","ids":{}}`, `{"ids":[1e400,9223372036854775808]}`,
	} {
		f.Add(v)
	}
	fix := setup(f, quiet)
	const q = `query($f: Filter, $t: Time, $r: Float, $ids: [ID!]!) { search(filter: $f, at: $t, radius: $r) users(ids: $ids) { id } }`
	ctx := as(f.Context(), ann)
	f.Fuzz(func(t *testing.T, s string) {
		var m map[string]any
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		if d.Decode(&m) != nil {
			return
		}
		r := fix.Exec(ctx, gqlx.Request{Query: q, Variables: m})
		if b := r.AppendJSON(nil); !json.Valid(b) {
			t.Fatalf("not JSON: %s", b)
		}
		if !r.Refused() && len(r.Errors) > 0 {
			t.Fatalf("passed the check and failed in the engine: %s", r.AppendJSON(nil))
		}
	})
}
